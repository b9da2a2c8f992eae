"""What qualify does: ``leads`` follows events, ``definitions`` takes commands."""
