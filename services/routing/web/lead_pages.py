"""A lead's page for whoever has it: who it is, what happened, and what to do next with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.responses import Response

from services.routing.callers import managed_by, only_rep
from services.routing.domain.assignment import Assignment, Cause, State
from services.routing.domain.lead import Lead, Note
from services.routing.domain.reps import Rep
from services.routing.handlers import working
from services.routing.store import queries
from services.routing.store.inbox import Card, shown_to
from services.routing.store.unit import Routing
from services.routing.web.outcomes import STEP_WORDS, steps_from
from services.routing.web.views import view
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import (
    Stage,
)
from shared.db.database import database_now
from shared.runtime.peers import Peers, problem_of
from shared.runtime.unit import Transactions
from shared.web.pages import Pages
from shared.web.words import REASON_NAMES

Visitor = Annotated[Principal, Depends(page_principal(Role.REP, Role.MANAGER, Role.ADMIN))]
NOTE_LENGTH: Final = 5000
CAUSE_WORDS: Final[Mapping[Cause, str]] = {
    Cause.RULES: "Given by the rules",
    Cause.SLA_BREACHED: "Given on: the one before did not answer in time",
    Cause.REJECTED: "Given on: the one before turned it down",
    Cause.HANDED_OVER: "Handed over by a colleague",
    Cause.PUT_BACK: "Put back, and given on by the rules",
    Cause.MOVED: "Moved by a manager",
    Cause.AWAY: "Given on: the one before is away",
}
NOTICES: Final = {
    "outcome": ("ok", "Noted. Marketing learns from it."),
    "waiting": ("info", "Noted. It counts once the lead's acceptance has come through."),
    "note": ("ok", "The note is kept."),
    "handed": ("ok", "Handed over. Your colleague's clock runs."),
    "back": ("ok", "Put back. Whoever is due by the rules has it now."),
}


@dataclass(frozen=True, slots=True)
class Known:
    """All that routing knows of a lead."""

    lead: Lead
    contact: Mapping[str, Any]
    attempts: list[Assignment]
    """Newest first."""
    cards: Card
    notes: list[Note]
    reps: list[Rep]
    may_see: bool

    @property
    def owner(self) -> Assignment | None:
        """The open attempt."""
        return next((one for one in self.attempts if one.closed_at is None), None)


def add_lead_pages(
    router: APIRouter, transactions: Transactions[Routing], pages: Pages, peers: Peers
) -> None:
    """Add the routes of a lead's page."""
    place = "/routing/leads/{lead_id}"

    async def shown(
        request: Request, who: Principal, lead_id: str, status: int = 200, **more: Any
    ) -> Response:
        known, now = await transactions.db.read(
            lambda conn: (_known(conn, who, lead_id), database_now(conn))
        )
        stage = await _stage(peers, request, lead_id)
        context = {**_context(known, who, stage, now), "notice": None, "problem": None, **more}
        return pages.render(request, "lead.html", status_code=status, **context)

    @router.get(place)
    async def lead_page(request: Request, who: Visitor, lead_id: str, notice: str = "") -> Response:
        """Who it is, what happened, what to do next."""
        return await shown(request, who, lead_id, notice=NOTICES.get(notice))

    @router.post(place, dependencies=[Depends(check_csrf)])
    async def act(request: Request, who: Visitor, lead_id: str) -> Response:
        """One of the page's forms: an outcome, a note, handing it over, putting it back."""
        sent = await request.form()
        try:
            if _text(sent, "do") == "outcome":
                done = await _record(peers, request, lead_id, sent)
            else:
                done = await _work(transactions, who, sent, lead_id)
        except Problem as problem:
            if problem.status in (401, 403, 404):
                raise
            return await shown(request, who, lead_id, problem.status, problem=problem)
        if done in ("handed", "back") and who.role is Role.REP:
            return RedirectResponse(f"/routing/inbox?notice={done}", status_code=303)
        to = f"/routing/leads/{quote(lead_id, safe='')}?notice={done}"
        return RedirectResponse(to, status_code=303)


async def _record(peers: Peers, request: Request, lead_id: str, sent: FormData) -> str:
    """Record an outcome with feedback, which owns the stages; the same form counts once."""
    wanted, amount = _text(sent, "stage"), _text(sent, "amount").replace(",", ".")
    body: dict[str, Any] = {"lead_id": lead_id, "stage": wanted}
    if reason := _text(sent, f"reason-{wanted}"):
        body["reason"] = reason
    if amount:
        try:
            body["amount"] = float(amount)
        except ValueError:
            raise Problem(422, "No amount", "Write the amount as a number, like 12000.") from None
    key = _text(sent, "once")[:64]
    answer = await peers.post(request, "/feedback/v1/outcomes", body, key=key or None)
    if (problem := problem_of(answer)) is not None:
        raise problem
    return "waiting" if answer.status_code == httpx.codes.ACCEPTED else "outcome"


async def _work(
    transactions: Transactions[Routing], who: Principal, sent: FormData, lead_id: str
) -> str:
    worker = working.Worker(who.key_id, only_rep(who), managed_by(who))
    note, assignment_id = _text(sent, "note")[:NOTE_LENGTH], _text(sent, "assignment_id")
    match _text(sent, "do"):
        case "note":
            if not note:
                raise Problem(422, "Nothing written", "Write the note first.")
            await transactions.run(lambda unit: working.add_note(unit, lead_id, worker, note))
            return "note"
        case "hand-over":
            to = _text(sent, "rep_id")
            if not to:
                raise Problem(422, "Nobody chosen", "Choose the colleague who is to have it.")
            await transactions.run(
                lambda unit: working.hand_over(unit, assignment_id, to, worker, note)
            )
            return "handed"
        case "put-back":
            await transactions.run(lambda unit: working.put_back(unit, assignment_id, worker, note))
            return "back"
    raise Problem(400, "Unknown form", "Go back to the lead and use one of its buttons.")


async def _stage(peers: Peers, request: Request, lead_id: str) -> dict[str, Any] | None:
    """Where feedback has the lead; None while it can't be asked, or knows nothing."""
    try:
        answer = await peers.get(request, f"/feedback/v1/leads/{quote(lead_id, safe='')}")
    except Problem:
        return None
    found: dict[str, Any] | None = answer.json() if answer.is_success else None
    return found


def _known(conn: Connection, who: Principal, lead_id: str) -> Known:
    """Raises Problem 404, and 403 for a lead that is not this visitor's to see."""
    lead = queries.find_lead(conn, lead_id)
    if lead is None:
        raise Problem(404, "No such lead", "No lead with this id has reached routing.")
    attempts = queries.list_assignments(conn, lead_id=lead_id)
    own, manager_id = only_rep(who), managed_by(who)
    had = {one.rep_id for one in attempts}
    if own is not None and own not in had:
        raise Problem(403, "Not your lead", "A rep sees only the leads given to them.")
    managed = queries.managed_reps(conn, manager_id)
    unrouted = lead.unrouted_at is not None
    if manager_id is not None and not unrouted and not had & managed:
        raise Problem(403, "Not your team", "This lead is with a rep of another team.")
    owner = next((one for one in attempts if one.closed_at is None), None)
    # Whoever gave it away sees what happened, not how to reach the person.
    may_see = own is None or (owner is not None and owner.rep_id == own)
    contact = shown_to(queries.contact_of(conn, lead_id) or {}, has_it=may_see)
    made = queries.lead_decisions(conn, lead_id)
    newest = owner or (attempts[0] if attempts else None)
    why = next((one for one in made if newest and one.attempt == newest.attempt), None)
    return Known(
        lead,
        contact,
        attempts,
        Card(newest or _nobodys(lead), lead, contact, why),
        queries.notes_of(conn, lead_id) if may_see else [],
        queries.list_reps(conn, limit=1000),
        may_see,
    )


def _nobodys(lead: Lead) -> Assignment:
    """What stands in the place of an attempt while there has been none."""
    at = lead.qualified_at
    return Assignment(
        "", lead.lead_id, lead.cycle, "", 0, State.EXPIRED, 0, lead.definition_version, at, at, at
    )


def _context(
    known: Known, who: Principal, stage: dict[str, Any] | None, now: Any
) -> dict[str, Any]:
    names = {rep.rep_id: rep.name for rep in known.reps}
    owner, own = known.owner, only_rep(who)
    mine = owner is not None and (own is None or owner.rep_id == own)
    at = Stage(stage["stage"]) if stage is not None and stage["stage"] else None
    worked = owner is not None and owner.answered_at is not None
    return {
        "lead": view(known.cards, now, names),
        "lead_id": known.lead.lead_id,
        "may_see": known.may_see,
        "owner": owner,
        "owner_name": None if owner is None else names.get(owner.rep_id, owner.rep_id),
        "stage": None if at is None else at.value,
        "steps": steps_from(at) if mine and worked and who.role is not Role.MANAGER else [],
        "may_work": mine,
        "colleagues": [
            (rep.rep_id, rep.name)
            for rep in known.reps
            if rep.active and (owner is None or rep.rep_id != owner.rep_id)
        ],
        "notes": [
            {"by": names.get(one.rep_id or "", "An admin"), "text": one.text, "at": one.written_at}
            for one in known.notes
        ],
        "timeline": _timeline(known, names, stage),
    }


def _timeline(
    known: Known, names: Mapping[str, str], stage: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """What happened, newest first."""
    found: list[tuple[Any, str, str]] = []
    for one in known.attempts:
        name = names.get(one.rep_id, one.rep_id)
        found.append((one.assigned_at, f"Given to {name}", CAUSE_WORDS[one.cause]))
        if one.acknowledged_at is not None:
            found.append((one.acknowledged_at, f"Seen by {name}", ""))
        if one.answered_at is not None:
            rejected = one.reason is not None
            why = REASON_NAMES[one.reason] if one.reason is not None else ""
            found.append(
                (one.answered_at, f"{'Rejected' if rejected else 'Accepted'} by {name}", why)
            )
        if one.closed_because == "SLA_BREACHED" and one.closed_at is not None:
            found.append((one.closed_at, f"{name} did not answer in time", ""))
    if known.lead.escalated_at is not None:
        found.append((known.lead.escalated_at, "A manager was told", "The round was over."))
    found.append((known.lead.qualified_at, f"Became an MQL with {known.lead.score} points", ""))
    for step in (stage or {}).get("history", []):
        if step["stage"] in STEP_WORDS:
            found.append((datetime.fromisoformat(step["at"]), STEP_WORDS[Stage(step["stage"])], ""))
    found.append((known.lead.captured_at, "Came in", ""))
    found.sort(key=lambda one: one[0], reverse=True)
    return [
        {"at": at, "title": title, "text": text or None, "kind": ""} for at, title, text in found
    ]


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name)
    return value.strip() if isinstance(value, str) else ""
