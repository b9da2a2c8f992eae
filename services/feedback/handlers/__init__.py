"""Feedback's use cases: stages.py follows events, outcomes.py and proposals.py take commands."""
