"""Capture's pages: the hosted forms for everybody, and forms and fields for marketers."""

from services.capture.web.form_pages import form_pages_router
from services.capture.web.marketing import marketing_router
from services.capture.web.pages import pages_router

__all__ = ["form_pages_router", "marketing_router", "pages_router"]
