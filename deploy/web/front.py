"""The front page: what Leadloop is, and where to go."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from shared.access import Principal, visitor
from shared.web import templates

pages = templates(Path(__file__).parent / "templates")
router = APIRouter()


@router.get("/")
async def front_page(
    request: Request, _visitor: Annotated[Principal | None, Depends(visitor)]
) -> Response:
    """A page for everybody, logged in or not."""
    return pages.render(request, "front.html")
