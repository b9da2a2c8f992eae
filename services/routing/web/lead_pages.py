"""A lead's page, one for all: who it is, what happened, and what this visitor may do with it."""

import asyncio
from collections.abc import Mapping
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
from services.routing.handlers import working
from services.routing.store import queries
from services.routing.store.inbox import shown_to
from services.routing.store.unit import Routing
from services.routing.web.lead_story import Known, Told, ask_others, came_by, story_of
from services.routing.web.outcomes import steps_from
from services.routing.web.views import facts_told, person_view
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from shared.runtime.peers import Peers, problem_of
from shared.runtime.unit import Transactions
from shared.web.pages import Pages
from shared.web.words import STAGE_WORDS

Visitor = Annotated[
    Principal, Depends(page_principal(Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN))
]
Worker = Annotated[Principal, Depends(page_principal(Role.REP, Role.MANAGER, Role.ADMIN))]
NOTE_LENGTH: Final = 5000
NOTICES: Final = {
    "outcome": ("ok", "Noted. Marketing learns from it."),
    "waiting": ("info", "Noted. It counts once the lead's acceptance has come through."),
    "note": ("ok", "The note is kept."),
    "handed": ("ok", "Handed over. Your colleague's clock runs."),
    "back": ("ok", "Put back. Whoever is due by the rules has it now."),
}


def add_lead_pages(
    router: APIRouter, transactions: Transactions[Routing], pages: Pages, peers: Peers
) -> None:
    """Add the routes of a lead's page."""
    place = "/routing/leads/{lead_id}"

    async def shown(
        request: Request, who: Principal, lead_id: str, status: int = 200, **more: Any
    ) -> Response:
        known, told = await asyncio.gather(
            transactions.db.read(lambda conn: _known(conn, who, lead_id)),
            ask_others(peers, request, who, lead_id),
        )
        if known is None and (told.capture is None or who.role is Role.REP):
            raise Problem(404, "No such lead", "There is none with this id, or it is on its way.")
        context = {**_context(known, told, who), "notice": None, "problem": None, **more}
        context["lead_id"] = lead_id
        return pages.render(request, "lead.html", status_code=status, **context)

    @router.get(place)
    async def lead_page(request: Request, who: Visitor, lead_id: str, notice: str = "") -> Response:
        """Who it is, what happened, what to do next."""
        return await shown(request, who, lead_id, notice=NOTICES.get(notice))

    @router.post(place, dependencies=[Depends(check_csrf)])
    async def act(request: Request, who: Worker, lead_id: str) -> Response:
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


def _known(conn: Connection, who: Principal, lead_id: str) -> Known | None:
    """None for a lead that has not reached routing. Raises Problem 403 for one that a rep never
    had."""
    lead = queries.find_lead(conn, lead_id)
    if lead is None:
        return None
    attempts = queries.list_assignments(conn, lead_id=lead_id)
    owner = next((one for one in attempts if one.closed_at is None), None)
    own, manager_id = only_rep(who), managed_by(who)
    if own is not None and own not in {one.rep_id for one in attempts}:
        raise Problem(403, "Not your lead", "A rep sees only the leads given to them.")
    # Whoever gave it away sees what happened, not how to reach the person.
    may_see = own is None or (owner is not None and owner.rep_id == own)
    may_work = may_see and owner is not None and who.role is not Role.MARKETER
    if manager_id is not None and owner is not None:
        may_work = owner.rep_id in queries.managed_reps(conn, manager_id)
    return Known(
        lead,
        shown_to(queries.contact_of(conn, lead_id) or {}, has_it=may_see),
        attempts,
        queries.lead_decisions(conn, lead_id),
        queries.notes_of(conn, lead_id) if may_see and who.role is not Role.MARKETER else [],
        queries.list_reps(conn, limit=1000),
        may_see,
        may_work,
    )


def _context(known: Known | None, told: Told, who: Principal) -> dict[str, Any]:
    capture, score, progress = told.capture or {}, told.score or {}, told.progress or {}
    contact = known.contact if known is not None else capture.get("contact", {})
    facts = score.get("facts") or (known.lead.facts if known is not None else {})
    stage = Stage(progress["stage"]) if progress.get("stage") else None
    return {
        "person": person_view(contact, facts),
        "facts": facts_told({**score.get("attribution", {}), **facts}),
        "score": _score(known, score),
        "deep": who.role in (Role.MARKETER, Role.ADMIN) and bool(score),
        "came_by": came_by(capture.get("attribution", {})),
        "captured_at": _moment(capture.get("captured_at")),
        "consent": [
            {**one, "purpose": one["purpose"].replace("_", " ")}
            for one in capture.get("consent", ())
        ],
        "touch_count": capture.get("touch_count"),
        "stage": stage,
        "stage_words": None if stage is None else STAGE_WORDS[stage],
        "may_see": known is None or known.may_see,
        **_actions(known, stage, who),
        "story": story_of(known, told),
    }


def _actions(known: Known | None, stage: Stage | None, who: Principal) -> dict[str, Any]:
    """What this visitor may do about the lead now."""
    if known is None:
        return {"owner": None, "owner_name": None, "steps": [], "may_work": False, "answers": False,
                "colleagues": [], "notes": []}  # fmt: skip
    owner, names = known.owner, {rep.rep_id: rep.name for rep in known.reps}
    worked = owner is not None and owner.answered_at is not None
    return {
        "owner": owner,
        "owner_name": None if owner is None else names.get(owner.rep_id, owner.rep_id),
        "steps": steps_from(stage) if known.may_work and worked else [],
        "may_work": known.may_work,
        "answers": known.may_work and not worked,
        "colleagues": [
            (rep.rep_id, rep.name)
            for rep in known.reps
            if rep.active and (owner is None or rep.rep_id != owner.rep_id)
        ],
        "notes": [
            {"by": names.get(one.rep_id or "", "An admin"), "text": one.text, "at": one.written_at}
            for one in known.notes
        ],
    }


def _score(known: Known | None, score: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest score with its reasons, as qualify tells it, or else as it reached routing."""
    if score:
        told: Mapping[str, Any] = score
    elif known is not None:
        lead = known.lead
        told = {name: getattr(lead, name) for name in ("score", "threshold", "grade", "explored")}
        told = {**told, "contributions": lead.contributions}
        told = {**told, "definition_version": lead.definition_version}
    else:
        return None
    return {
        **told,
        "contributions": [
            {"label": one["criterion_id"], "points": one["points"], "because": one.get("because")}
            for one in told["contributions"]
        ],
        "missed": [
            {"label": one["criterion_id"], "because": one["because"], "points": one["points"]}
            for one in told.get("missed", ())
        ],
    }


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name)
    return value.strip() if isinstance(value, str) else ""
