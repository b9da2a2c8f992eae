"""What feedback's pages share: who may read them, their templates, and the way between them."""

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from shared.access import Principal, Role, page_principal
from shared.web.pages import templates

PAGES: Final = templates(Path(__file__).parent / "templates")
NOTE_LENGTH: Final = 2000

Marketer = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]

PLACES: Final = (
    ("Overview", "/feedback/"),
    ("Proposals", "/feedback/proposals"),
    ("Learning", "/feedback/learning"),
    ("Hints", "/feedback/hints"),
    ("Webhooks", "/feedback/webhooks"),
)


def page(
    request: Request,
    template: str,
    place: str,
    *,
    status_code: int = 200,
    **context: Any,
) -> Response:
    """A page in its ``place`` among the others."""
    places = [{"label": label, "href": href, "current": href == place} for label, href in PLACES]
    return PAGES.render(
        request, f"feedback/{template}.html", status_code=status_code, places=places, **context
    )


def to(href: str) -> Response:
    """Send the browser on after a form."""
    return RedirectResponse(href, status_code=303)


def text_of(value: Any, length: int = NOTE_LENGTH) -> str:
    """A text that a form sent, without blanks around it."""
    return value.strip()[:length] if isinstance(value, str) else ""
