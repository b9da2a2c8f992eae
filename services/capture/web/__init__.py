"""Capture's pages: the hosted forms for everybody, and the fields for marketers."""

from services.capture.web.marketing import marketing_router
from services.capture.web.pages import pages_router

__all__ = ["marketing_router", "pages_router"]
