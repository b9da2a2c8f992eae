"""The use cases of routing: one function per event, command or timer."""
