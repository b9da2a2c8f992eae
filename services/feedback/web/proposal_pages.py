"""The pages on which marketing reads, edits and answers a proposal. They work without scripts."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from services.feedback.domain.proposals import COMES_BACK_AT, Proposal, PublishAs, Status
from services.feedback.handlers import proposals
from services.feedback.store import queries
from services.feedback.store.names import leads_told
from services.feedback.store.status import followed_up, learning_status
from services.feedback.store.unit import Feedback
from services.feedback.web import evidence as shown_by
from services.feedback.web.editing import (
    Editing,
    checked,
    editing_of,
    place_words,
    refused,
    with_points,
    with_text,
)
from services.feedback.web.proposal_view import DONE, listed, proposal_view
from services.feedback.web.shell import NOTE_LENGTH, Marketer, page, text_of, to
from shared.access import check_csrf
from shared.contracts.problems import Problem
from shared.runtime.paging import decode_cursor, encode_cursor
from shared.runtime.unit import Transactions

PLACE: Final = "/feedback/proposals"
PER_PAGE: Final = 20
CONFLICTS: Final = (409, 412)
"""Settled meanwhile, or edited."""
Shown = dict[str, Any]


def add(pages: APIRouter, transactions: Transactions[Feedback]) -> None:
    """The list, the page of one, and its forms."""
    _add_reading(pages, transactions)
    _add_editing(pages, transactions)
    _add_approving(pages, transactions)
    _add_dismissing(pages, transactions)


def _add_reading(pages: APIRouter, transactions: Transactions[Feedback]) -> None:
    @pages.get("/proposals", response_class=HTMLResponse)
    async def every(request: Request, _: Marketer, cursor: str | None = None) -> Response:
        """All proposals, newest first."""
        before = decode_cursor(cursor) if cursor else None

        def view(conn: Connection) -> list[dict[str, Any]]:
            found = queries.list_proposals(conn, before, PER_PAGE + 1)
            return followed_up(conn, found, transactions.clock.now())

        found = await transactions.db.read(view)
        more = encode_cursor(found[PER_PAGE - 1]["proposal_id"]) if len(found) > PER_PAGE else None
        return page(
            request,
            "proposals",
            PLACE,
            proposals=[listed(one) for one in found[:PER_PAGE]],
            next_href=f"{PLACE}?cursor={quote(more)}" if more else None,
        )

    @pages.get("/proposals/{proposal_id}", response_class=HTMLResponse)
    async def one(request: Request, _: Marketer, proposal_id: str, done: str = "") -> Response:
        """One proposal: what it changes, what it would do, and what became of it."""
        shown = await _shown(transactions, proposal_id)
        return page(request, "proposal", PLACE, notice=DONE.get(done), **shown)


def _add_editing(pages: APIRouter, transactions: Transactions[Feedback]) -> None:
    @pages.get("/proposals/{proposal_id}/edit", response_class=HTMLResponse)
    async def edit(request: Request, _: Marketer, proposal_id: str) -> Response:
        """The document, as points and as text."""
        found = await _open(transactions, proposal_id)
        if found is None or found.definition is None:
            return _conflict(proposal_id)
        form = editing_of(found.definition, found.etag)
        return await _editor(request, transactions, proposal_id, form)

    @pages.post("/proposals/{proposal_id}/edit", dependencies=[Depends(check_csrf)])
    async def save(request: Request, principal: Marketer, proposal_id: str) -> Response:
        """Keep what was written, unless it can't score or somebody else wrote meanwhile."""
        sent = dict(await request.form())
        found = await _open(transactions, proposal_id)
        if found is None or found.definition is None:
            return _conflict(proposal_id)
        form = editing_of(found.definition, text_of(sent.get("seen")))
        in_table = sent.get("part") == "points"
        document = with_points(form, found.definition, sent) if in_table else with_text(form, sent)
        body = None if document is None else checked(form, document)
        if document is None or body is None:
            return await _editor(request, transactions, proposal_id, form, status_code=422)

        by, stored = principal.key_id, body.model_dump(mode="json")
        try:
            await transactions.run(
                lambda unit: proposals.edit(unit, proposal_id, stored, by, form.seen)
            )
        except Problem as problem:
            if problem.status in CONFLICTS:
                return _conflict(proposal_id)
            if problem.status != 422:
                raise
            refused(form, problem, document)
            return await _editor(request, transactions, proposal_id, form, status_code=422)
        return _back(proposal_id, "edited")


def _add_approving(pages: APIRouter, transactions: Transactions[Feedback]) -> None:
    @pages.get("/proposals/{proposal_id}/approve", response_class=HTMLResponse)
    async def confirm(request: Request, _: Marketer, proposal_id: str) -> Response:
        """What approving would do, before it does."""
        found = await _open(transactions, proposal_id)
        if found is None:
            return _conflict(proposal_id)
        wanted = request.query_params.get("as", "challenger")
        shown = await _shown(transactions, proposal_id)
        return _confirming(request, shown, wanted, found.etag)

    @pages.post("/proposals/{proposal_id}/approve", dependencies=[Depends(check_csrf)])
    async def approve(request: Request, principal: Marketer, proposal_id: str) -> Response:
        """Approve the document that was read, and no other."""
        sent = dict(await request.form())
        wanted = text_of(sent.get("as"))
        note, seen = text_of(sent.get("note")), text_of(sent.get("seen"))

        def approved(unit: Feedback) -> Proposal:
            publish_as: PublishAs = "published" if wanted == "published" else "challenger"
            return proposals.approve(unit, proposal_id, principal.key_id, note, publish_as, seen)

        try:
            await transactions.run(approved)
        except Problem as problem:
            if problem.status in CONFLICTS:
                return _conflict(proposal_id)
            if problem.status != 422:
                raise
            shown = await _shown(transactions, proposal_id)
            return _confirming(request, shown, wanted, seen, note, problem)
        return _back(proposal_id, "approved")


def _add_dismissing(pages: APIRouter, transactions: Transactions[Feedback]) -> None:
    async def asked(
        request: Request, proposal_id: str, reason: str = "", error: str | None = None
    ) -> Response:
        shown = await _shown(transactions, proposal_id)
        return page(
            request,
            "dismiss",
            PLACE,
            status_code=422 if error else 200,
            reason=reason,
            error=error,
            errors=[("reason", error)] if error else [],
            comes_back=int(shown["p"]["answers"] * COMES_BACK_AT + 0.999),
            **shown,
        )

    @pages.get("/proposals/{proposal_id}/dismiss", response_class=HTMLResponse)
    async def ask(request: Request, _: Marketer, proposal_id: str) -> Response:
        """Why not?"""
        return await asked(request, proposal_id)

    @pages.post("/proposals/{proposal_id}/dismiss", dependencies=[Depends(check_csrf)])
    async def dismiss(request: Request, principal: Marketer, proposal_id: str) -> Response:
        """Turn it down, for a reason."""
        reason = text_of((await request.form()).get("reason"))
        if not reason:
            return await asked(request, proposal_id, error="Say why, in a few words")
        try:
            await transactions.run(
                lambda unit: proposals.dismiss(unit, proposal_id, principal.key_id, reason)
            )
        except Problem as problem:
            if problem.status != 409:
                raise
            return _conflict(proposal_id)
        return _back(proposal_id, "dismissed")


async def _shown(transactions: Transactions[Feedback], proposal_id: str) -> Shown:
    """A proposal for its pages. Raises Problem 404."""

    def view(conn: Connection) -> Shown | None:
        found = queries.find_proposal(conn, proposal_id)
        if found is None:
            return None
        now = transactions.clock.now()
        told = followed_up(conn, [found], now)[0]
        leads = leads_told(conn, shown_by.flipping(found.evidence.get("flips")))
        in_force = queries.version_in_force(conn)
        version = None if in_force is None else in_force.version
        status = learning_status(conn, now) if found.status is Status.OPEN else {}
        return {
            "p": proposal_view(told, version, leads),
            "warnings": shown_by.warnings(status.get("warnings")),
            "reps": shown_by.reps(status.get("reps")),
        }

    shown = await transactions.db.read(view)
    if shown is None:
        raise Problem(404, "No such proposal", "There is no proposal with this id.")
    return shown


async def _open(transactions: Transactions[Feedback], proposal_id: str) -> Proposal | None:
    """A proposal that can be edited or approved; None when it is settled. Raises Problem 404."""
    found = await transactions.db.read(lambda conn: queries.find_proposal(conn, proposal_id))
    if found is None:
        raise Problem(404, "No such proposal", "There is no proposal with this id.")
    return found if found.status is Status.OPEN else None


async def _editor(
    request: Request,
    transactions: Transactions[Feedback],
    proposal_id: str,
    form: Editing,
    status_code: int = 200,
) -> Response:
    shown = await _shown(transactions, proposal_id)
    return page(request, "edit", PLACE, status_code=status_code, form=form, **shown)


def _confirming(
    request: Request,
    shown: Shown,
    wanted: str,
    seen: str,
    note: str = "",
    problem: Problem | None = None,
) -> Response:
    found = None
    if problem is not None:
        found = {
            "title": problem.title,
            "detail": "Its document can't score anybody as it stands.",
            "errors": [
                {
                    "place": place_words({}, str(one["pointer"]).removeprefix("/definition")),
                    "detail": one["detail"],
                }
                for one in problem.extra.get("errors", [])
            ],
        }
    return page(
        request,
        "approve",
        PLACE,
        status_code=200 if problem is None else 422,
        publish_as="published" if wanted == "published" else "challenger",
        seen=seen,
        note=note[:NOTE_LENGTH],
        refused=found,
        **shown,
    )


def _back(proposal_id: str, done: str) -> Response:
    return to(f"{PLACE}/{quote(proposal_id, safe='')}?done={done}")


_conflict: Callable[[str], Response] = lambda proposal_id: _back(proposal_id, "conflict")  # noqa: E731
"""To its page, which says that nothing was changed: a conflict is news, not an error."""
