"""Feedback's tables, aggregates, unit of work and queries."""
