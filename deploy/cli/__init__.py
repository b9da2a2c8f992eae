"""The ``leadloop`` command line."""

from deploy.cli.main import main

__all__ = ["main"]
