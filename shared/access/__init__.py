"""Keys, roles and sessions: one small store of its own that every service reads.

What needs SQLAlchemy or FastAPI is imported when it is first used: the command line answers
without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shared.access.roles import Principal, Role

if TYPE_CHECKING:
    from shared.access.access import Access
    from shared.access.http import allow, check_csrf, page_principal, visitor

__all__ = [
    "Access",
    "Principal",
    "Role",
    "allow",
    "check_csrf",
    "page_principal",
    "visitor",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'access' if name == 'Access' else 'http'}"), name)
