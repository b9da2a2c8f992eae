"""What reps and marketers have in front of them, measured: see ``parts``."""
