"""The pages on which people read definitions and why a lead has its score."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.responses import Response

from services.qualify.computing import Analyse
from services.qualify.domain.rescoring import Rescore
from services.qualify.domain.smallest_changes import qualifying
from services.qualify.domain.versions import Version
from services.qualify.store.queries import (
    find_version,
    lead_history,
    list_rescores,
    list_versions,
)
from services.qualify.store.unit import Qualify
from services.qualify.views import document_view
from services.qualify.web.analyst import Analyst
from services.qualify.web.editor import Editor, add_editor
from services.qualify.web.publishing import Publishing, add_publishing, add_rescoring
from services.qualify.web.readers import Author, Reader, may_write, version_or_404
from services.qualify.web.sentences import decision_words, label_group, pointer_words
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from shared.db.database import Database
from shared.runtime.paging import decode_number, encode_cursor
from shared.runtime.unit import Transactions
from shared.scorecard.definition import compile_definition
from shared.scorecard.differences import differences
from shared.scorecard.documents import to_yaml
from shared.scorecard.facts import unknown_fields
from shared.scorecard.scoring import missed
from shared.web.pages import Pages, templates
from shared.web.words import STAGE_WORDS, fact_name

PER_PAGE: Final = 20
HISTORY: Final = 50
STATUS_KIND: Final = {"published": "ok", "challenger": "warn", "draft": "info", "retired": ""}
STAGE_KIND: Final = {
    "MQL": "ok",
    "NURTURE": "info",
    "DISQUALIFIED": "bad",
    "WON": "ok",
    "LOST": "bad",
}


def pages_router(transactions: Transactions[Qualify], analyse: Analyse) -> APIRouter:
    """Routes under ``/qualify/``; ``analyse`` computes what past and open leads say."""
    router = APIRouter(prefix="/qualify", include_in_schema=False)
    pages = templates(Path(__file__).parent / "templates")
    pages.environment.globals.update(status_kind=STATUS_KIND, stage_kind=STAGE_KIND)
    pages.environment.filters.update(place=pointer_words, group=label_group, stage=_stage_words)
    analyst = Analyst(analyse, transactions.clock.now)
    _add_list(router, transactions.db, pages)
    add_editor(router, Editor(transactions, pages, analyst), transactions.db)
    add_publishing(router, Publishing(transactions, pages, analyst), transactions)
    add_rescoring(router, transactions, pages)
    _add_version(router, transactions.db, pages)
    _add_leads(router, transactions.db, pages)
    return router


def _add_list(router: APIRouter, db: Database, pages: Pages) -> None:
    @router.get("/")
    async def definitions(
        request: Request, reader: Reader, cursor: str | None = None, notice: str = ""
    ) -> Response:
        """Every version, newest first, and those that score on top."""
        before = min(decode_number(cursor), 2**31 - 1) if cursor else None

        def read(conn: Connection) -> tuple[Any, ...]:
            challengers = list_versions(conn, None, 1, "challenger")
            return (
                list_versions(conn, before, PER_PAGE + 1),
                find_version(conn, None),
                challengers[0] if challengers else None,
                _running(conn),
            )

        found, published, challenger, rescore = await db.read(read)
        more = encode_cursor(found[PER_PAGE - 1].version) if len(found) > PER_PAGE else None
        return pages.render(
            request,
            "qualify/definitions.html",
            versions=found[:PER_PAGE],
            published=published,
            challenger=challenger,
            rescore=rescore,
            deleted=notice.removeprefix("deleted-") if notice.startswith("deleted-") else "",
            may_write=may_write(reader),
            next_href=f"/qualify/?cursor={quote(more)}" if more else None,
        )


def _add_version(router: APIRouter, db: Database, pages: Pages) -> None:
    @router.get("/definitions/{version}")
    async def one_version(
        request: Request, reader: Reader, version: int, notice: str = ""
    ) -> Response:
        """One version, readable, and how it differs from the one that scores."""
        found = await version_or_404(db, version)
        published, rescore = await db.read(
            lambda conn: (find_version(conn, None), _newest(conn, version))
        )
        other = published if published and published.version != found.version else None
        return pages.render(
            request,
            "qualify/version.html",
            **version_context(found),
            published=published,
            rescore=rescore,
            changes=differences(other.document, found.document) if other else [],
            writers=await _writers(request),
            text=to_yaml(document_view(found)),
            may_write=may_write(reader),
            notice=notice,
        )


def _add_leads(router: APIRouter, db: Database, pages: Pages) -> None:
    @router.get("/leads")
    async def find_lead(_: Author, lead_id: str = "") -> Response:
        """From the search field to the lead's page."""
        wanted = lead_id.strip()[:64]
        to = f"/qualify/leads/{quote(wanted, safe='')}" if wanted else "/qualify/"
        return RedirectResponse(to, status_code=303)

    @router.get("/leads/{lead_id}")
    async def one_lead(request: Request, _: Author, lead_id: str) -> Response:
        """Why a lead has its score, what would have qualified it, and what was decided before."""
        found = await db.read(lambda conn: lead_history(conn, lead_id, HISTORY))
        if found is None or not found.decisions:
            raise Problem(
                404,
                "No such lead",
                "No lead with this id has been scored yet. A lead that was posted a moment ago "
                "appears here within seconds.",
            )
        newest = found.decisions[0]
        version = await version_or_404(db, newest.definition_version)
        compiled = compile_definition(version.version, version.document)
        at = newest.decided_at
        known = {**newest.attribution, **newest.facts}
        return pages.render(
            request,
            "qualify/lead.html",
            lead=found.lead,
            newest=newest,
            says=decision_words(newest, found.lead.stage),
            explored=next((one for one in found.decisions if one.explored), None),
            decisions=found.decisions,
            names={one.id: one.label or one.id for one in compiled.criteria},
            missed=missed(compiled, newest.inputs, at),
            chances=qualifying(compiled, newest.inputs, at),
            known={
                fact_name(name): "yes" if value is True else "no" if value is False else value
                for name, value in known.items()
                if value is not None
            },
        )


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


async def _writers(request: Request) -> dict[str, str]:
    """How people call the keys that wrote and published, by the keys' ids."""
    keys = await request.app.state.access.list_keys()
    return {key.key_id: key.label or f"{key.role.value} {key.key_id[:8]}" for key in keys}


def _stage_words(stage: str) -> str:
    return STAGE_WORDS[Stage(stage)]


def _running(conn: Connection) -> Rescore | None:
    found = list_rescores(conn, None, 1)
    return found[0] if found and found[0].status == "running" else None


def _newest(conn: Connection, version: int) -> Rescore | None:
    """The newest re-scoring, if it is this version's."""
    found = list_rescores(conn, None, 1)
    return found[0] if found and found[0].version == version else None
