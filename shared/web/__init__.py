"""The look of Leadloop: the page shell, its parts and styles, and how pages are rendered.

What renders is imported when it is first used: addresses alone need neither FastAPI nor Jinja.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shared.web.links import Links, local_path

if TYPE_CHECKING:
    from shared.web.pages import Pages, problem_page, templates
    from shared.web.static_files import static_mounts

__all__ = ["Links", "Pages", "local_path", "problem_page", "static_mounts", "templates"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    where = "static_files" if name == "static_mounts" else "pages"
    return getattr(import_module(f"{__name__}.{where}"), name)
