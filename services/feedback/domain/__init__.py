"""Feedback's rules: where a lead stands, what answers show, and what to propose. No I/O."""
