"""Telling reps of their leads: what a message says, how it goes out, and who sends it."""
