"""Playing a past time again with another policy or team, in a process of its own."""
