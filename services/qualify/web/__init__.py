"""Qualify's pages."""

from services.qualify.web.pages import pages_router

__all__ = ["pages_router"]
