"""What feedback does: ``stages`` follows events, ``outcomes`` and ``proposals`` take commands."""
