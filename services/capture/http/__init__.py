"""Capture's JSON interface."""

from services.capture.http.api import api_router
from services.capture.http.documentation import describe_post
from services.capture.http.hubspot import hubspot_router
from services.capture.http.shortcut import LongWay, Shortcut
from services.capture.http.submit import PATH, PostLeads

__all__ = [
    "PATH",
    "LongWay",
    "PostLeads",
    "Shortcut",
    "api_router",
    "describe_post",
    "hubspot_router",
]
