"""Capture's tables and queries."""
