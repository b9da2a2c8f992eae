"""Routing's tables and queries."""
