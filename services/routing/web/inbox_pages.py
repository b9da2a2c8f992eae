"""The inbox: a rep's three lists beside the open lead, and the answers to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.responses import Response

from services.routing.callers import managed_by, only_rep
from services.routing.domain.reps import Rep
from services.routing.handlers import answers
from services.routing.store import inbox, queries
from services.routing.store.inbox import Card, Counts, Page, Row, Tab, Wanted
from services.routing.store.unit import Routing
from services.routing.web.notices import answered_notice
from services.routing.web.outcomes import steps_from
from services.routing.web.views import lead_name, row_view, view
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason, Stage
from shared.db.database import database_now
from shared.runtime.peers import Peers
from shared.runtime.unit import Transactions
from shared.web.pages import Pages
from shared.web.words import REASON_OPTIONS, REASON_WORDS, STAGE_WORDS

PLACE: Final = "/routing/inbox"
SHOWN: Final = 50
NOTE_LENGTH: Final = 2000
Visitor = Annotated[Principal, Depends(page_principal(Role.REP, Role.MANAGER, Role.ADMIN))]
TABS: Final = ((Tab.WAITING, "Waiting"), (Tab.MINE, "Mine"), (Tab.MISSED, "Missed"))
USUAL: Final = (
    RejectReason.OUTSIDE_ICP,
    RejectReason.NOT_A_BUYER,
    RejectReason.WRONG_TERRITORY,
    RejectReason.INCOMPLETE,
)
"""The reasons shown first to a rep who has not given any."""
WORKED: Final = (Stage.ACCEPTED, Stage.SQL, Stage.OPPORTUNITY)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the inbox is asked for; an address says it."""

    tab: Tab = Tab.WAITING
    rep_id: str | None = None
    grade: str | None = None
    letters: str = ""
    offset: int = 0
    lead: str | None = None
    """The id of the assignment to open."""
    listing: bool = False
    """On a phone: the list, not the open lead."""
    notice: str = ""
    about: str | None = None
    """The id of the assignment that the notice is about."""

    def address(self, **changes: Any) -> str:
        """Where the inbox shows this, with what is to be different."""
        one = replace(self, **{"notice": "", "about": None, **changes})
        named = {
            "tab": one.tab.value if one.tab is not Tab.WAITING else None,
            "rep_id": one.rep_id,
            "grade": one.grade,
            "q": one.letters or None,
            "from": one.offset or None,
            "lead": one.lead,
            "view": "list" if one.listing else None,
            "notice": one.notice or None,
            "about": one.about,
        }
        told = urlencode({name: value for name, value in named.items() if value is not None})
        return f"{PLACE}?{told}" if told else PLACE


@dataclass(frozen=True, slots=True)
class Shown:
    """What was read for it."""

    reps: list[Rep]
    choices: list[Rep]
    """Whose inbox this visitor may open."""
    rep_id: str
    counts: Counts
    page: Page
    open: Row | None
    card: Card | None
    about: Row | None
    reasons: list[RejectReason]
    now: datetime


def add_inbox_pages(
    router: APIRouter, transactions: Transactions[Routing], pages: Pages, peers: Peers
) -> None:
    """Add the routes of the inbox."""

    async def shown(request: Request, who: Principal, asked: Asked) -> dict[str, Any]:
        found = await transactions.db.read(lambda conn: _read(conn, who, asked))
        stages = await _stages(peers, request, found.rep_id) if asked.tab is Tab.MINE else {}
        return _context(who, asked, found, stages)

    @router.get(PLACE)
    async def page(request: Request, who: Visitor) -> Response:
        """A rep's leads: what waits for an answer, what they work on, what they missed. For the
        page's script, ``part`` asks for the list alone, or for one lead of it."""
        asked = _asked(request.query_params)
        template = _PARTS.get(request.query_params.get("part", ""), "inbox.html")
        return pages.render(request, template, **await shown(request, who, asked))

    @router.post(PLACE + "/{assignment_id}", dependencies=[Depends(check_csrf)])
    async def answer(request: Request, who: Visitor, assignment_id: str) -> Response:
        """One of the three answers, by a button of the page."""
        sent = await request.form()
        attempt = _text(sent, "attempt")
        fenced = int(attempt[:9]) if attempt.isdecimal() else None
        command = answers.Answer(assignment_id, only_rep(who), fenced, managed_by(who))
        done = await _give_answer(transactions, command, sent)
        asked = _asked(sent)
        stays = done in ("acknowledged", "reason")
        asked = replace(
            asked,
            notice=done,
            about=assignment_id,
            lead=assignment_id if stays else _text(sent, "next") or None,
        )
        if _text(sent, "part"):
            context = await shown(request, who, asked)
            return pages.render(request, "inbox_answer.html", **context)
        return RedirectResponse(
            asked.address(notice=asked.notice, about=asked.about), status_code=303
        )


_PARTS: Final = {"rows": "inbox_rows.html", "lead": "inbox_one.html"}


def _asked(sent: Mapping[str, Any]) -> Asked:
    """What an address or a form asks for; what can't be read asks for nothing."""

    def text(name: str) -> str:
        value = sent.get(name)
        return value.strip()[:200] if isinstance(value, str) else ""

    start = text("from")
    return Asked(
        tab=next((one for one in Tab if one.value == text("tab")), Tab.WAITING),
        rep_id=text("rep_id") or None,
        grade=text("grade") or None,
        letters=text("q"),
        offset=int(start[:6]) if start.isdecimal() else 0,
        lead=text("lead") or None,
        listing=text("view") == "list",
        notice=text("notice"),
        about=text("about") or None,
    )


def _read(conn: Connection, who: Principal, asked: Asked) -> Shown:
    """Raises Problem 403 for somebody else's inbox."""
    reps = queries.list_reps(conn, limit=1000)
    choices, rep_id = _whose(conn, who, reps, asked.rep_id)
    now, wanted = database_now(conn), Wanted(asked.grade, asked.letters)
    page = inbox.page_of(conn, rep_id, asked.tab, wanted, now, offset=asked.offset, limit=SHOWN)
    opened = None
    if asked.lead is not None:
        opened = next((row for row in page.rows if _is(row, asked.lead)), None)
        opened = opened or inbox.row_of(conn, rep_id, asked.tab, asked.lead, now)
    if opened is None and page.rows:
        opened = page.rows[0]
    about = None
    if asked.about is not None:
        tabs = (inbox.row_of(conn, rep_id, tab, asked.about, now) for tab in Tab)
        about = next((row for row in tabs if row is not None), None)
    return Shown(
        reps,
        choices,
        rep_id,
        inbox.counts_of(conn, rep_id, now),
        page,
        opened,
        None if opened is None else inbox.card_of(conn, opened),
        about,
        inbox.likely_reasons(conn, rep_id) if asked.tab is Tab.WAITING else [],
        now,
    )


def _whose(
    conn: Connection, who: Principal, reps: list[Rep], asked: str | None
) -> tuple[list[Rep], str]:
    """The reps to choose from, and the one whose inbox it is. Raises Problem 403."""
    manager_id, own = managed_by(who), only_rep(who)
    if own is not None:
        return [], own
    if manager_id is None:
        return reps, asked or (reps[0].rep_id if reps else "")
    managed = queries.managed_reps(conn, manager_id)
    if asked is not None and asked not in managed:
        raise Problem(403, "Not your team", "This rep is in another team.")
    return [rep for rep in reps if rep.rep_id in managed], asked or manager_id


async def _give_answer(
    transactions: Transactions[Routing], command: answers.Answer, sent: FormData
) -> str:
    """Carry an answer out; returns the name of the notice to show."""
    reason = _text(sent, "reason") or _text(sent, "other")
    note = _text(sent, "note")[:NOTE_LENGTH] or None
    try:
        match _text(sent, "answer"):
            case "acknowledge":
                await transactions.run(lambda unit: answers.acknowledge(unit, command))
                return "acknowledged"
            case "accept":
                await transactions.run(lambda unit: answers.accept(unit, command))
                return "accepted"
            case "reject" if reason not in RejectReason.__members__:
                return "reason"
            case "reject":
                why = RejectReason(reason)
                await transactions.run(lambda unit: answers.reject(unit, command, why, note))
                return "rejected"
    except Problem as problem:
        # A lead that went to somebody else is no mistake of the rep's.
        if problem.status == 409:
            return "late"
        raise
    raise Problem(400, "Unknown answer", "Go back to the inbox and use one of its buttons.")


async def _stages(peers: Peers, request: Request, rep_id: str) -> dict[str, Stage]:
    """Where feedback has the leads that this rep works on; nothing while it can't be asked."""
    wanted = {"rep_id": rep_id, "stage": [one.value for one in WORKED], "limit": 1000}
    try:
        answer = await peers.get(request, "/feedback/v1/leads", wanted)
    except Problem:
        return {}
    if not answer.is_success:
        return {}
    return {one["lead_id"]: Stage(one["stage"]) for one in answer.json()["items"]}


def _context(
    who: Principal, asked: Asked, found: Shown, stages: Mapping[str, Stage]
) -> dict[str, Any]:
    names = {rep.rep_id: rep.name for rep in found.reps}
    words = {lead_id: STAGE_WORDS[stage] for lead_id, stage in stages.items()}
    lines = [row_view(row, asked.tab, found.now, names, words) for row in found.page.rows]
    opened = found.open
    asked = replace(asked, lead=None if opened is None else opened.assignment.assignment_id)
    likely = [*found.reasons, *(one for one in USUAL if one not in found.reasons)][: inbox.LIKELY]
    stage = None if opened is None else stages.get(opened.assignment.lead_id)
    return {
        "asked": asked,
        "chooses": who.role is not Role.REP,
        "own": found.rep_id == who.rep_id,
        "reps": found.choices,
        "rep_id": found.rep_id,
        "rep_name": names.get(found.rep_id, found.rep_id),
        "tabs": [
            (tab, label, getattr(found.counts, tab.value), asked.address(
                tab=tab, lead=None, offset=0, grade=None, letters="", listing=False))
            for tab, label in TABS
        ],
        "rows": lines,
        "row": None
        if opened is None
        else row_view(opened, asked.tab, found.now, names, words),
        "found": found.page.found,
        "narrowed": bool(asked.grade or asked.letters),
        "lead": None if found.card is None else view(found.card, found.now, names),
        "place": _neighbours(asked, lines, found.page.found),
        "more": asked.address(offset=asked.offset + SHOWN, lead=None)
        if asked.offset + SHOWN < found.page.found
        else None,
        "before": asked.address(offset=max(asked.offset - SHOWN, 0), lead=None)
        if asked.offset
        else None,
        "likely": [(one.value, REASON_WORDS[one]) for one in likely],
        "reasons": REASON_OPTIONS,
        "steps": steps_from(stage),
        "stage": stage,
        "notice": answered_notice(
            asked.notice,
            None if found.about is None else lead_name(found.about.contact),
            None
            if found.about is None or found.about.now_with is None
            else names.get(found.about.now_with, found.about.now_with),
        ),
        "answered": asked.about,
    }  # fmt: skip


def _neighbours(asked: Asked, lines: list[Any], found: int) -> dict[str, Any]:
    """The place of the open lead in its list, and the ones before and after it."""
    ids = [line.assignment_id for line in lines]
    at = ids.index(asked.lead) if asked.lead in ids else 0
    after = ids[at + 1] if at + 1 < len(ids) else None
    before = ids[at - 1] if at else None
    return {
        "number": asked.offset + at + 1,
        "of": found,
        "before": None if before is None else asked.address(lead=before),
        "after": None if after is None else asked.address(lead=after),
        "next": after or before or "",
        "list": asked.address(listing=True),
    }


def _is(row: Row, assignment_id: str) -> bool:
    return row.assignment.assignment_id == assignment_id


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name)
    return value.strip() if isinstance(value, str) else ""
