"""Keys, roles and sessions: one small store of its own that every service reads."""

from shared.access.access import Access
from shared.access.http import (
    allow,
    check_csrf,
    page_principal,
    visitor,
)
from shared.access.roles import Principal, Role

__all__ = [
    "Access",
    "Principal",
    "Role",
    "allow",
    "check_csrf",
    "page_principal",
    "visitor",
]
