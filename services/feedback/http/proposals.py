"""Proposals: read, edited, approved, dismissed."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from services.feedback.domain.proposals import PublishAs, Status
from services.feedback.handlers import proposals
from services.feedback.http.callers import Limit, Marketer, Reader
from services.feedback.store import queries
from services.feedback.store.status import followed_up
from services.feedback.store.unit import Feedback
from shared.contracts.problems import Problem
from shared.runtime.paging import decode_cursor, listing
from shared.runtime.unit import Transactions

IfMatch = Annotated[str | None, Header(description="The ETag of the document that was read")]


class Dismissal(BaseModel):
    """Why a proposal was dismissed; there has to be a reason."""

    model_config = ConfigDict(extra="ignore")

    note: Annotated[str, Field(max_length=2000)] = ""


class Approval(BaseModel):
    """Why a proposal was approved, and whether it scores at once or shadow-scores first."""

    model_config = ConfigDict(extra="ignore")

    note: Annotated[str, Field(max_length=2000)] = ""
    publish_as: PublishAs = "published"


class Edit(BaseModel):
    """The document that is to take the place of the proposed one, as a definition is written."""

    model_config = ConfigDict(extra="ignore")

    definition: dict[str, Any]


def add_proposals(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    """Everything that is done with a proposal."""
    db, clock = transactions.db, transactions.clock

    async def shown(proposal_id: str, response: Response) -> dict[str, Any]:
        def read(conn: Any) -> tuple[str, dict[str, Any]] | None:
            found = queries.find_proposal(conn, proposal_id)
            if found is None:
                return None
            return found.etag, followed_up(conn, [found], clock.now())[0]

        found = await db.read(read)
        if found is None:
            raise Problem(404, "Unknown proposal", "There is no proposal with this id.")
        response.headers["ETag"] = found[0]
        return found[1]

    @api.get("/proposals", tags=["proposals"])
    async def get_proposals(
        _: Reader, cursor: str | None = None, status: Status | None = None, limit: Limit = 50
    ) -> dict[str, Any]:
        """Proposals, newest first; the leads that flip are named in each one's own document."""
        before = decode_cursor(cursor) if cursor else None

        def read(conn: Any) -> list[dict[str, Any]]:
            found = queries.list_proposals(conn, before, limit, status)
            return followed_up(conn, found, clock.now())

        items = await db.read(read)
        more = items[-1]["proposal_id"] if len(items) == limit else None
        return listing([_without_names(one) for one in items], more)

    @api.get("/proposals/{proposal_id}", tags=["proposals"])
    async def get_proposal(_: Reader, proposal_id: str, response: Response) -> dict[str, Any]:
        """One proposal: the document, what it changes in words, its evidence, and, once it is
        published, what was predicted and what happened. Its ``ETag`` is that of the document."""
        return await shown(proposal_id, response)

    @api.put("/proposals/{proposal_id}", tags=["proposals"])
    async def put_proposal(
        principal: Marketer,
        proposal_id: str,
        body: Edit,
        response: Response,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Put another document in the place of an open proposal's."""
        by = principal.key_id
        await transactions.run(
            lambda unit: proposals.edit(unit, proposal_id, body.definition, by, if_match)
        )
        return await shown(proposal_id, response)

    @api.post("/proposals/{proposal_id}/approve", tags=["proposals"])
    async def approve(
        principal: Marketer,
        proposal_id: str,
        response: Response,
        body: Annotated[Approval | None, Body()] = None,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Have the proposed version made, to score from then on or to challenge the one that does.
        It is checked before this is answered."""
        by, given = principal.key_id, body or Approval()
        await transactions.run(
            lambda unit: proposals.approve(
                unit, proposal_id, by, given.note, given.publish_as, if_match
            )
        )
        return await shown(proposal_id, response)

    @api.post("/proposals/{proposal_id}/dismiss", tags=["proposals"])
    async def dismiss(
        principal: Marketer,
        proposal_id: str,
        response: Response,
        body: Annotated[Dismissal | None, Body()] = None,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Turn a proposal down for a reason, until there is half as much evidence again."""
        by, note = principal.key_id, body.note if body is not None else ""
        await transactions.run(
            lambda unit: proposals.dismiss(unit, proposal_id, by, note, if_match)
        )
        return await shown(proposal_id, response)


def _without_names(proposal: dict[str, Any]) -> dict[str, Any]:
    evidence = {key: value for key, value in proposal["evidence"].items() if key != "base"}
    if "flips" in evidence:
        flips = evidence["flips"]
        evidence["flips"] = {key: flips[key] for key in flips if key not in ("in", "out")}
    return {**proposal, "evidence": evidence}
