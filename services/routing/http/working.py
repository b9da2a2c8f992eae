"""Working on leads: handing one over, putting one back, and notes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.routing.callers import managed_by, only_rep
from services.routing.documents import LAST_ATTEMPT, RepId, assignment_json, rfc3339
from services.routing.domain.lead import Note
from services.routing.handlers import working
from services.routing.store import queries
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.paging import listing
from shared.runtime.unit import Transactions

Worker = Annotated[Principal, Depends(allow(Role.REP, Role.MANAGER, Role.ADMIN, Role.SERVICE))]
NoteText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000)]


class PutBackIn(BaseModel):
    """Why a lead goes back; the note stays in routing."""

    model_config = ConfigDict(extra="forbid")

    note: NoteText = ""
    attempt: Annotated[int, Field(ge=1, le=LAST_ATTEMPT)] | None = None
    """It counts for this attempt only, if one is named."""


class HandOverIn(PutBackIn):
    """Who is to have a lead."""

    rep_id: RepId


class NoteIn(BaseModel):
    """A note about a lead."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[NoteText, Field(min_length=1)]


def working_router(transactions: Transactions[Routing]) -> APIRouter:
    """Routes under ``/routing/v1/assignments`` and ``/routing/v1/leads``."""
    router = APIRouter(prefix="/routing/v1", tags=["assignments"])

    @router.post("/assignments/{assignment_id}/hand-over")
    async def hand_over(caller: Worker, assignment_id: str, body: HandOverIn) -> dict[str, Any]:
        """Give a lead to a colleague, whose clock starts. Answers the new assignment; 409 says who
        has it when it is too late."""
        who = worker_of(caller)
        done = await transactions.run(
            lambda unit: working.hand_over(
                unit, assignment_id, body.rep_id, who, body.note, body.attempt
            )
        )
        return assignment_json(done)

    @router.post("/assignments/{assignment_id}/put-back")
    async def put_back(
        caller: Worker, assignment_id: str, body: PutBackIn | None = None
    ) -> dict[str, Any]:
        """Have the rules choose somebody else. Answers the new assignment, or null when nobody can
        take it now."""
        who, given = worker_of(caller), body or PutBackIn()
        done = await transactions.run(
            lambda unit: working.put_back(unit, assignment_id, who, given.note, given.attempt)
        )
        return {"assignment": None if done is None else assignment_json(done)}

    @router.get("/leads/{lead_id}/notes")
    async def list_notes(caller: Worker, lead_id: str) -> dict[str, Any]:
        """The notes about a lead, newest first: for its rep, their manager and admins."""
        who = worker_of(caller)
        if caller.role is Role.SERVICE:
            raise Problem(403, "Not allowed", "Notes are for people.")
        owner, managed, found = await transactions.db.read(
            lambda conn: (
                queries.owner_of(conn, lead_id),
                queries.managed_reps(conn, who.manager_id),
                queries.notes_of(conn, lead_id),
            )
        )
        own = who.rep_id is None or who.rep_id == owner
        if not own or (who.manager_id is not None and owner not in managed):
            raise Problem(403, "Not your lead", "Its notes are for whoever has it.")
        return listing([note_json(note) for note in found], None)

    @router.post("/leads/{lead_id}/notes", status_code=201)
    async def add_note(caller: Worker, lead_id: str, body: NoteIn) -> dict[str, Any]:
        """Keep a note about a lead."""
        who = worker_of(caller)
        return note_json(
            await transactions.run(lambda unit: working.add_note(unit, lead_id, who, body.text))
        )

    return router


def worker_of(caller: Principal) -> working.Worker:
    """The caller as the handlers know them."""
    return working.Worker(caller.key_id, only_rep(caller), managed_by(caller))


def note_json(note: Note) -> dict[str, Any]:
    """A note as the API shows it."""
    return {
        "note_id": note.note_id,
        "lead_id": note.lead_id,
        "rep_id": note.rep_id,
        "text": note.text,
        "written_at": rfc3339(note.written_at),
    }
