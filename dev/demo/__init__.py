"""``leadloop demo``: a simulated month of leads through the running product's public interface."""

from dev.demo.month import simulate

__all__ = ["simulate"]
