"""Assignments and their answers, and why a lead went where it went."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from sqlalchemy import Connection

from services.routing.callers import managed_by, only_rep
from services.routing.documents import (
    AnswerIn,
    RejectIn,
    assignment_json,
    decision_json,
)
from services.routing.domain.assignment import Assignment, State
from services.routing.handlers import answers
from services.routing.store import queries
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import REASON_CLASS, ReasonClass, RejectReason
from shared.runtime.paging import decode_cursor, listing
from shared.runtime.unit import Transactions

Reader = Annotated[
    Principal, Depends(allow(Role.REP, Role.MANAGER, Role.ADMIN, Role.MARKETER, Role.SERVICE))
]
Answerer = Annotated[Principal, Depends(allow(Role.REP, Role.MANAGER, Role.ADMIN, Role.SERVICE))]
IfMatch = Annotated[str | None, Header(description="The attempt the answer is for")]


def assignments_router(transactions: Transactions[Routing]) -> APIRouter:
    """Routes under ``/routing/v1/assignments`` and ``/routing/v1/leads``."""
    router = APIRouter(prefix="/routing/v1", tags=["assignments"])
    _reading(router, transactions)
    _answering(router, transactions)

    @router.get("/leads/{lead_id}/decision")
    async def decision(caller: Reader, lead_id: str) -> dict[str, Any]:
        """Who got the lead last, with the candidates and why not; and all earlier decisions."""
        found, owner, seen = await transactions.db.read(
            lambda conn: (
                queries.lead_decisions(conn, lead_id),
                queries.owner_of(conn, lead_id),
                _seen_by(conn, caller),
            )
        )
        if not found:
            raise Problem(404, "No decision", "No lead with this id has reached routing.")
        # What nobody has is a manager's to give away.
        if owner is not None or caller.role is not Role.MANAGER:
            _check_own(seen, owner)
        history = [decision_json(made) for made in found]
        return {**history[0], "history": history}

    return router


def _reading(router: APIRouter, transactions: Transactions[Routing]) -> None:
    @router.get("/assignments")
    async def list_assignments(
        caller: Reader,
        rep_id: str | None = None,
        state: Annotated[list[State] | None, Query()] = None,
        lead_id: str | None = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        """Assignments, newest first; ``state`` may be repeated. A rep sees only their own, a
        manager those of their teams."""
        before = decode_cursor(cursor) if cursor else None

        def read(conn: Connection) -> list[Assignment]:
            seen = _seen_by(conn, caller)
            if rep_id is not None:
                _check_own(seen, rep_id)
            return queries.list_assignments(
                conn,
                rep_ids=seen if rep_id is None else {rep_id},
                states=state or (),
                lead_id=lead_id,
                before=before,
                limit=limit,
            )

        found = await transactions.db.read(read)
        more = found[-1].assignment_id if len(found) == limit else None
        return listing([assignment_json(a) for a in found], more)

    @router.get("/assignments/{assignment_id}")
    async def get_assignment(caller: Reader, assignment_id: str) -> dict[str, Any]:
        """One assignment; its rep and admins also see who the lead is."""
        found, seen = await transactions.db.read(
            lambda conn: (queries.find_assignment(conn, assignment_id), _seen_by(conn, caller))
        )
        if found is None:
            raise Problem(404, "No such assignment", "There is no assignment with this id.")
        _check_own(seen, found.rep_id)
        document = assignment_json(found)
        if _may_see_contact(caller, found):
            document["contact"] = await transactions.db.read(
                lambda conn: queries.contact_of(conn, found.lead_id)
            )
            document["note"] = found.note
        return document


def _answering(router: APIRouter, transactions: Transactions[Routing]) -> None:
    @router.post("/assignments/{assignment_id}/acknowledge")
    async def acknowledge(
        caller: Answerer,
        assignment_id: str,
        body: AnswerIn | None = None,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Seen. 409 with the present ``state`` when it is somebody else's by now."""
        answer = _answer(caller, assignment_id, body, if_match)
        return assignment_json(
            await transactions.run(lambda unit: answers.acknowledge(unit, answer))
        )

    @router.post("/assignments/{assignment_id}/accept")
    async def accept(
        caller: Answerer,
        assignment_id: str,
        body: AnswerIn | None = None,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Mine to work."""
        answer = _answer(caller, assignment_id, body, if_match)
        done = await transactions.run(lambda unit: answers.accept(unit, answer))
        return assignment_json(done)

    @router.post("/assignments/{assignment_id}/reject")
    async def reject(
        caller: Answerer,
        assignment_id: str,
        body: RejectIn | None = None,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Not mine, for a reason."""
        reason = reject_reason(body.reason if body else None)
        note = body.note if body else None
        answer = _answer(caller, assignment_id, body, if_match)
        done = await transactions.run(lambda unit: answers.reject(unit, answer, reason, note))
        return assignment_json(done)


def reject_reason(given: str | None) -> RejectReason:
    """The reason by its name. Raises Problem 422 that lists those there are, by class."""
    try:
        return RejectReason(given or "")
    except ValueError:
        allowed = {
            klass.value: [r.value for r in RejectReason if REASON_CLASS[r] is klass]
            for klass in ReasonClass
        }
        detail = "say why: one of " + ", ".join(RejectReason)
        raise Problem(
            422,
            "A rejection needs a reason",
            f"/reason: {detail}.",
            errors=[{"pointer": "/reason", "detail": detail}],
            allowed=allowed,
        ) from None


def _answer(
    caller: Principal, assignment_id: str, body: AnswerIn | None, if_match: str | None
) -> answers.Answer:
    attempt = body.attempt if body else None
    if if_match is not None and attempt is None:
        tag = if_match.strip().strip('"')
        if not tag.isdecimal() or len(tag) > 9:
            raise Problem(400, "Unknown If-Match", 'Send the attempt, for example If-Match: "2".')
        attempt = int(tag)
    return answers.Answer(assignment_id, only_rep(caller), attempt, managed_by(caller))


def _may_see_contact(caller: Principal, assignment: Assignment) -> bool:
    if caller.role in (Role.ADMIN, Role.MANAGER):
        return True
    owns = assignment.closed_at is None and assignment.rep_id == caller.rep_id
    return caller.role is Role.REP and owns


def _seen_by(conn: Connection, caller: Principal) -> set[str] | None:
    """The reps whose leads a caller may see; None: everybody's."""
    manager_id, own = managed_by(caller), only_rep(caller)
    if manager_id is not None:
        return queries.managed_reps(conn, manager_id)
    return None if own is None else {own}


def _check_own(seen: set[str] | None, rep_id: str | None) -> None:
    if seen is not None and rep_id not in seen:
        raise Problem(
            403,
            "Not your lead",
            "A rep sees only the leads given to them, a manager those of their teams.",
        )
