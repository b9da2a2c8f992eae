"""The front page: what Leadloop is, for visitors; whoever is logged in has work to go to."""

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from shared.access import Principal, Role, visitor
from shared.web import Links, templates

pages = templates(Path(__file__).parent / "templates")
router = APIRouter()
HOMES: Final = {
    Role.REP: ("routing", "/routing/inbox"),
    Role.MANAGER: ("routing", "/routing/board"),
    Role.MARKETER: ("feedback", "/feedback/"),
    Role.ADMIN: ("routing", "/routing/board"),
}
"""Each role's first page. These roles' keys open pages; the others are for programs."""


@router.get("/")
async def front_page(
    request: Request, who: Annotated[Principal | None, Depends(visitor)]
) -> Response:
    """The page for visitors, or the way to one's own work."""
    if who is not None and who.role in HOMES:
        return RedirectResponse(home(request.app.state.links, who.role), status_code=303)
    return pages.render(request, "front.html")


def home(links: Links, role: Role) -> str:
    """Where somebody's work is."""
    service, path = HOMES[role]
    return str(getattr(links, service)) + path
