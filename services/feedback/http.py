"""Feedback's JSON interface: parse, call, answer."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.feedback.domain.hints import capture_hints, routing_hints
from services.feedback.domain.learning import Choices
from services.feedback.domain.proposals import PublishAs, Status
from services.feedback.domain.samples import Label
from services.feedback.handlers import learning, proposals
from services.feedback.handlers.outcomes import Caller, RecordOutcome, record_outcome
from services.feedback.store import queries
from services.feedback.store.figures import metrics
from services.feedback.store.hints import newest_answers
from services.feedback.store.status import followed_up, learning_status
from services.feedback.store.unit import Feedback
from shared.access import Principal, Role, allow
from shared.contracts.definition import DefinitionBody
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from shared.runtime.paging import decode_cursor, decode_number, listing
from shared.runtime.unit import Transactions

Recorder = Annotated[Principal, Depends(allow(Role.REP, Role.MARKETER, Role.ADMIN, Role.SERVICE))]
Reader = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN, Role.SERVICE))]
Marketer = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=1000)]


class OutcomeBody(BaseModel):
    """What became of an accepted lead."""

    model_config = ConfigDict(extra="ignore")

    lead_id: Annotated[str, Field(min_length=1, max_length=64)]
    stage: Literal[
        Stage.SQL, Stage.OPPORTUNITY, Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED
    ]
    reason: Annotated[str, Field(max_length=64)] | None = None
    """Needed for RECYCLED and DISQUALIFIED, may be given for LOST."""
    amount: Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)] | None = None
    """Deal value in the company's own currency."""
    occurred_at: Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None
    """When it happened; now, if left out."""


class Dismissal(BaseModel):
    """Why a proposal was dismissed."""

    model_config = ConfigDict(extra="ignore")

    note: Annotated[str, Field(max_length=2000)] = ""


class Approval(Dismissal):
    """Why a proposal was approved, and whether it scores at once or shadow-scores first."""

    publish_as: PublishAs = "published"


class Edit(BaseModel):
    """The document that is to take the place of the proposed one."""

    model_config = ConfigDict(extra="ignore")

    definition: DefinitionBody


Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=120)]], Field(max_length=200)]


class _Strict(BaseModel):
    """A misspelt wish would be no wish at all."""

    model_config = ConfigDict(extra="forbid")


class AcceptanceTarget(_Strict):
    """The threshold is put where this share of the MQLs is good."""

    acceptance: Annotated[float, Field(gt=0, lt=1)]


class LoadTarget(_Strict):
    """The threshold is put where each rep gets so many leads a week."""

    per_rep_week: Annotated[float, Field(gt=0, le=10_000)]


class Locks(_Strict):
    """What learning leaves alone."""

    facts: Names = []
    """Facts that are never used."""
    criteria: Names = []
    """Criteria of the definition that do not change."""


class Limits(_Strict):
    """How far learning may go."""

    max_criteria: Annotated[int, Field(ge=1, le=100)] | None = None
    max_points: Annotated[int, Field(ge=5, le=1000)] | None = None
    """Of one level, whatever the threshold."""
    min_answers: Annotated[int, Field(ge=20, le=1_000_000)] | None = None
    margin: Annotated[float, Field(ge=0, lt=0.5)] | None = None
    """The least gain in AUC on leads not learned from that is worth a person's time."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] | None = None
    """The chance of a false proposal in a year of looks."""
    proposals_per_year: Annotated[int, Field(ge=1, le=100)] | None = None


class LearningBody(_Strict):
    """What marketing wants of learning; what is left out has its default."""

    label: Label = Label.ACCEPTED
    """What a good lead is: one that a rep accepted, that became an SQL, or that was won."""
    target: AcceptanceTarget | LoadTarget | None = None
    """What the threshold is for; as many MQLs as today, if left out."""
    locks: Locks = Locks()
    trusted: Names = []
    """Facts that may be used though they look like the label itself."""
    limits: Limits = Limits()
    signs: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=120)], Literal["more", "less", "free"]],
        Field(max_length=200),
    ] = {}
    """``more``: more of this fact never takes points; ``less``: it never gives any."""
    updated_at: AwareDatetime | None = None
    """That of the settings which were changed: 409 when somebody else was faster."""

    def choices(self) -> Choices:
        """The wishes as they are kept."""
        return Choices(
            self.label,
            None if self.target is None else self.target.model_dump(),
            tuple(self.locks.facts),
            tuple(self.locks.criteria),
            tuple(self.trusted),
            self.limits.model_dump(exclude_none=True),
            dict(self.signs),
        )


def router(
    transactions: Transactions[Feedback],
    stuck_after: Mapping[Stage, timedelta],
    look: Callable[[], None],
) -> APIRouter:
    """All routes under ``/feedback/v1``; a lead may stay in a stage for ``stuck_after``, and
    ``look`` has what was asked for seen to at once."""
    api = APIRouter(prefix="/feedback/v1")
    _outcomes(api, transactions)
    _figures(api, transactions, stuck_after)
    _leads(api, transactions)
    _learning(api, transactions, look)
    _proposals(api, transactions)
    return api


def _outcomes(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    @api.post(
        "/outcomes",
        status_code=201,
        tags=["outcomes"],
        responses={202: {"description": "Kept until the lead's acceptance arrives"}},
    )
    async def post_outcome(
        body: OutcomeBody,
        principal: Recorder,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> dict[str, Any]:
        """Record what became of an accepted lead. The same again has the same answer.

        An outcome that overtakes the lead's acceptance waits for it: 202, ``status: waiting``."""
        command = RecordOutcome(**body.model_dump())
        caller = Caller(principal.key_id, _rep(principal))
        # The idempotency key is locked like a lead, so that of two at once one sees the other.
        keys = [body.lead_id, *([f"key {idempotency_key}"] if idempotency_key else [])]
        document = await transactions.run(
            lambda unit: record_outcome(unit, command, caller, idempotency_key), keys
        )
        if document.get("status") == "waiting":
            response.status_code = 202
        return document


def _figures(
    api: APIRouter, transactions: Transactions[Feedback], stuck_after: Mapping[Stage, timedelta]
) -> None:
    db, clock = transactions.db, transactions.clock

    @api.get("/events", tags=["events"])
    async def get_events(
        _: Reader,
        cursor: str | None = None,
        event_type: Annotated[str | None, Query(alias="type", max_length=120)] = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Feedback events in order, as CloudEvents. ``next_cursor`` is null when nothing came after
        ``cursor``: keep that one and ask again later."""
        place = decode_number(cursor)
        items, last = await db.read(
            lambda conn: queries.events_after(conn, place, limit, event_type)
        )
        return listing(items, last)

    @api.get("/metrics", tags=["figures"])
    async def get_metrics(_: Reader) -> dict[str, Any]:
        """Funnel, acceptance, reasons, SLA, times and conversion; rates with 95 % intervals."""
        return await db.read(lambda conn: metrics(conn, clock.now()))

    @api.get("/stages", tags=["figures"])
    async def get_stages(_: Reader) -> dict[str, Any]:
        """How many leads are in each stage, and which have been there too long."""
        return await db.read(lambda conn: queries.stages(conn, clock.now(), stuck_after))


def _leads(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    db = transactions.db

    @api.get("/leads", tags=["figures"])
    async def get_leads(_: Reader, cursor: str | None = None, limit: Limit = 100) -> dict[str, Any]:
        """Every lead with its stage, by lead_id."""
        after = decode_cursor(cursor) if cursor else ""
        items = await db.read(lambda conn: queries.leads_after(conn, after, limit))
        return listing(items, items[-1]["lead_id"] if len(items) == limit else None)

    @api.get("/leads/{lead_id}", tags=["figures"])
    async def get_lead(_: Reader, lead_id: str) -> dict[str, Any]:
        """One lead's stage, its way there, and the outcomes that wait for its acceptance."""
        lead = await db.read(lambda conn: queries.lead_history(conn, lead_id))
        if lead is None:
            raise Problem(404, "Unknown lead", "There is no lead with this lead_id.")
        return lead


def _learning(
    api: APIRouter, transactions: Transactions[Feedback], look: Callable[[], None]
) -> None:
    db, clock = transactions.db, transactions.clock

    async def status() -> dict[str, Any]:
        return await db.read(lambda conn: learning_status(conn, clock.now()))

    @api.get("/learning", tags=["learning"])
    async def get_learning(_: Reader) -> dict[str, Any]:
        """What marketing wants of learning, and where it stands: the answers so far, which are left
        out and why, what the last look found missing, and when the next is due."""
        return await status()

    @api.put("/learning", tags=["learning"])
    async def put_learning(principal: Marketer, body: LearningBody) -> dict[str, Any]:
        """Set the label, the target of the threshold, locks, limits and signs."""
        by, wanted = principal.key_id, body.choices()
        await transactions.run(lambda unit: learning.choose(unit, wanted, by, body.updated_at))
        return await status()

    @api.post("/learning/look", status_code=202, tags=["learning"])
    async def post_look(_: Marketer) -> dict[str, Any]:
        """Look at the answers now, however few are new."""
        await transactions.run(learning.ask)
        look()
        return await status()

    @api.get("/hints", tags=["learning"])
    async def get_hints(_: Reader) -> dict[str, Any]:
        """What rejections teach routing (this rep, this territory) and capture (this form, this
        source, this field), where they are clearly more frequent than elsewhere."""

        def read(conn: Any) -> dict[str, Any]:
            answers = newest_answers(conn)
            return {
                "answers": len(answers),
                "routing": [one.document() for one in routing_hints(answers)],
                "capture": [one.document() for one in capture_hints(answers)],
            }

        return await db.read(read)


def _proposals(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    db, clock = transactions.db, transactions.clock

    async def shown(proposal_id: str) -> dict[str, Any]:
        def read(conn: Any) -> list[dict[str, Any]]:
            found = queries.find_proposal(conn, proposal_id)
            return followed_up(conn, [] if found is None else [found], clock.now())

        found = await db.read(read)
        if not found:
            raise Problem(404, "Unknown proposal", "There is no proposal with this id.")
        return found[0]

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
    async def get_proposal(_: Reader, proposal_id: str) -> dict[str, Any]:
        """One proposal: the document, what it changes in words, its evidence, and, once it is
        published, what was predicted and what happened."""
        return await shown(proposal_id)

    @api.put("/proposals/{proposal_id}", tags=["proposals"])
    async def put_proposal(principal: Marketer, proposal_id: str, body: Edit) -> dict[str, Any]:
        """Put another document in the place of an open proposal's."""
        by = principal.key_id
        await transactions.run(lambda unit: proposals.edit(unit, proposal_id, body.definition, by))
        return await shown(proposal_id)

    @api.post("/proposals/{proposal_id}/approve", tags=["proposals"])
    async def approve(
        principal: Marketer,
        proposal_id: str,
        body: Annotated[Approval | None, Body()] = None,
    ) -> dict[str, Any]:
        """Have the proposed version made, to score from then on or to challenge the one that does.
        It is checked before this is answered."""
        by, given = principal.key_id, body or Approval()
        await transactions.run(
            lambda unit: proposals.approve(unit, proposal_id, by, given.note, given.publish_as)
        )
        return await shown(proposal_id)

    @api.post("/proposals/{proposal_id}/dismiss", tags=["proposals"])
    async def dismiss(
        principal: Marketer,
        proposal_id: str,
        body: Annotated[Dismissal | None, Body()] = None,
    ) -> dict[str, Any]:
        """Turn a proposal down, until there is half as much evidence again."""
        by, note = principal.key_id, body.note if body is not None else ""
        await transactions.run(lambda unit: proposals.dismiss(unit, proposal_id, by, note))
        return await shown(proposal_id)


def _without_names(proposal: dict[str, Any]) -> dict[str, Any]:
    evidence = {key: value for key, value in proposal["evidence"].items() if key != "base"}
    if "flips" in evidence:
        flips = evidence["flips"]
        evidence["flips"] = {key: flips[key] for key in flips if key not in ("in", "out")}
    return {**proposal, "evidence": evidence}


def _rep(principal: Principal) -> str | None:
    """Whose leads the caller is confined to; a rep key without a rep may touch none."""
    return (principal.rep_id or "") if principal.role is Role.REP else None
