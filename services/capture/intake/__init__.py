"""What comes in over HTTP, read: encodings, shape, limits, and messages that name the field."""
