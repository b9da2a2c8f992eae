"""The pages on which people read definitions and why a lead has its score."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from services.qualify.domain.facts import unknown_fields
from services.qualify.domain.versions import Version
from services.qualify.store.queries import find_version, lead_history, list_versions
from services.qualify.store.unit import Qualify
from services.qualify.web.authoring import add_authoring
from shared.access import Principal, Role, page_principal
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.paging import decode_number, encode_cursor
from shared.runtime.unit import Transactions
from shared.scorecard.definition import compile_definition
from shared.scorecard.differences import differences
from shared.scorecard.scoring import Inputs, missed
from shared.web.pages import Pages, templates

Reader = Annotated[
    Principal, Depends(page_principal(Role.REP, Role.MARKETER, Role.ADMIN, Role.SERVICE))
]
Marketing = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]
PER_PAGE = 20
HISTORY = 50
STATUS_KIND = {"published": "ok", "draft": "info", "retired": ""}
STAGE_KIND = {"MQL": "ok", "NURTURE": "info", "DISQUALIFIED": "bad", "WON": "ok", "LOST": "bad"}


def pages_router(transactions: Transactions[Qualify]) -> APIRouter:
    """Routes under ``/qualify/``."""
    router = APIRouter(prefix="/qualify", include_in_schema=False)
    pages = templates(Path(__file__).parent / "templates")
    db = transactions.db
    pages.environment.globals.update(status_kind=STATUS_KIND, stage_kind=STAGE_KIND)
    _add_list(router, db, pages)
    add_authoring(router, transactions, pages)
    _add_version(router, db, pages)
    _add_leads(router, db, pages)
    return router


def _add_list(router: APIRouter, db: Database, pages: Pages) -> None:
    @router.get("/")
    async def definitions(request: Request, reader: Reader, cursor: str | None = None) -> Response:
        """Every version, newest first, and the one that scores on top."""
        before = min(decode_number(cursor), 2**31 - 1) if cursor else None
        found, published = await db.read(
            lambda conn: (list_versions(conn, before, PER_PAGE + 1), find_version(conn, None))
        )
        more = encode_cursor(found[PER_PAGE - 1].version) if len(found) > PER_PAGE else None
        return pages.render(
            request,
            "qualify/definitions.html",
            versions=found[:PER_PAGE],
            published=published,
            may_write=may_write(reader),
            next_href=f"/qualify/?cursor={quote(more)}" if more else None,
        )


def _add_version(router: APIRouter, db: Database, pages: Pages) -> None:
    @router.get("/definitions/{version}")
    async def one_version(
        request: Request, reader: Reader, version: int, notice: str = ""
    ) -> Response:
        """One version, readable, and how it differs from the one that scores."""
        number = version if 0 < version < 2**31 else 0
        found, published = await db.read(
            lambda conn: (find_version(conn, number), find_version(conn, None))
        )
        if found is None:
            raise Problem(404, "No such definition", f"There is no version {version}.")
        return pages.render(
            request,
            "qualify/version.html",
            **version_context(found),
            published=published,
            changes=_changes(published, found),
            may_write=may_write(reader),
            notice=notice,
        )


def _add_leads(router: APIRouter, db: Database, pages: Pages) -> None:
    @router.get("/leads")
    async def find_lead(_: Marketing, lead_id: str = "") -> Response:
        """From the search field to the lead's page."""
        wanted = lead_id.strip()[:64]
        to = f"/qualify/leads/{quote(wanted, safe='')}" if wanted else "/qualify/"
        return RedirectResponse(to, status_code=303)

    @router.get("/leads/{lead_id}")
    async def one_lead(request: Request, _: Marketing, lead_id: str) -> Response:
        """Why a lead has its score, and what was decided before."""
        found = await db.read(lambda conn: lead_history(conn, lead_id, HISTORY))
        if found is None or not found.decisions:
            raise Problem(
                404,
                "No such lead",
                "No lead with this id has been scored yet. A lead that was posted a moment ago "
                "appears here within seconds.",
            )
        newest = found.decisions[0]
        version = await db.read(lambda conn: find_version(conn, newest.definition_version))
        assert version is not None
        compiled = compile_definition(version.version, version.document)
        inputs = Inputs(newest.facts, newest.attribution, newest.activities)
        return pages.render(
            request,
            "qualify/lead.html",
            lead=found.lead,
            newest=newest,
            decisions=found.decisions,
            missed=missed(compiled, inputs, newest.decided_at),
            known={
                name: "yes" if value is True else "no" if value is False else value
                for name, value in {**newest.attribution, **newest.facts}.items()
                if value is not None
            },
        )


def may_write(principal: Principal) -> bool:
    """Whether to show what changes things."""
    return principal.role in (Role.MARKETER, Role.ADMIN)


def version_context(version: Version) -> dict[str, Any]:
    """What a template needs to show a version."""
    compiled = compile_definition(version.version, version.document)
    return {
        "version": version,
        "compiled": compiled,
        "groups": [
            (title, hint, [one for one in compiled.criteria if one.group == group])
            for group, title, hint in (
                ("fit", "Fit", "who the lead is"),
                ("engagement", "Engagement", "what the lead does"),
            )
        ],
        "best": compiled.best,
        "strangers": unknown_fields(compiled),
    }


def _changes(published: Version | None, found: Version) -> list[Any]:
    if published is None or published.version == found.version:
        return []
    return differences(published.document, found.document)
