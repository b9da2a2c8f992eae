"""What only contributors run: the stack without Docker, its parts, the demo. It does not ship."""
