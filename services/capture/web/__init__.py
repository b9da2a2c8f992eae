"""Capture's pages: the hosted forms."""

from services.capture.web.pages import pages_router

__all__ = ["pages_router"]
