"""A manager's board, and moving leads."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.routing.callers import managed_by
from services.routing.documents import RepId, assignment_json, rfc3339
from services.routing.domain.choice import UNROUTED_WORDS, Unrouted
from services.routing.domain.lead import Lead
from services.routing.handlers.managing import Mover, move
from services.routing.store.board import DAYS, Board, RepRow, board_of
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.runtime.unit import Transactions

Manager = Annotated[Principal, Depends(allow(Role.MANAGER, Role.ADMIN))]
LeadId = Annotated[str, Field(min_length=1, max_length=64)]


class MoveIn(BaseModel):
    """Leads to move: to a rep, or by the rules."""

    model_config = ConfigDict(extra="forbid")

    lead_ids: Annotated[list[LeadId], Field(min_length=1, max_length=500)]
    rep_id: RepId | None = None
    """Who is to have them; null: whoever the rules choose."""


def board_router(transactions: Transactions[Routing]) -> APIRouter:
    """``/routing/v1/board`` and ``/routing/v1/moves``."""
    router = APIRouter(prefix="/routing/v1", tags=["managers"])

    @router.get("/board")
    async def board(caller: Manager) -> dict[str, Any]:
        """Who has how much, what is due next and what nobody has, and why; a manager's is of their
        teams. The most urgent hundred of each."""
        manager_id = managed_by(caller)
        return board_json(await transactions.db.read(lambda conn: board_of(conn, manager_id)))

    @router.post("/moves")
    async def moves(caller: Manager, body: MoveIn) -> dict[str, Any]:
        """Move leads to a rep, or, without one, by the rules; each was moved, or says why not."""
        mover = Mover(caller.key_id, managed_by(caller))
        done = await transactions.run(lambda unit: move(unit, body.lead_ids, body.rep_id, mover))
        return {
            "items": [
                {"lead_id": one.lead_id, "rep_id": one.rep_id, "moved": not one.why, "why": one.why}
                for one in done
            ]
        }

    return router


def board_json(board: Board) -> dict[str, Any]:
    """The board as the API shows it."""
    return {
        "reps": [_rep(row) for row in board.reps],
        "days": DAYS,
        "due_next": [assignment_json(one) for one in board.due_next],
        "unrouted": [_unrouted(lead) for lead in board.unrouted],
        "unrouted_count": board.unrouted_count,
    }


def _rep(row: RepRow) -> dict[str, Any]:
    return {
        "rep_id": row.rep.rep_id,
        "name": row.rep.name,
        "status": row.rep.status.value,
        "waiting": row.waiting,
        "capacity": row.rep.capacity,
        "working": row.working,
        "attempts": row.attempts,
        "accepted": row.accepted,
        "breached": row.breached,
        "acceptance": row.acceptance,
        "seconds_to_answer": row.seconds_to_answer,
    }


def _unrouted(lead: Lead) -> dict[str, Any]:
    reason = lead.unrouted_reason or Unrouted.NO_REP.value
    return {
        "lead_id": lead.lead_id,
        "grade": lead.grade,
        "score": lead.score,
        "since": rfc3339(lead.unrouted_at),
        "reason": reason,
        "words": UNROUTED_WORDS[Unrouted(reason)],
        "next_try_at": rfc3339(lead.retry_at),
    }
