"""What marketing wants of learning, and where it stands."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.feedback.domain.learning import Choices
from services.feedback.domain.samples import Label
from services.feedback.handlers import learning
from services.feedback.http.callers import Marketer, Reader
from services.feedback.store.status import learning_status
from services.feedback.store.unit import Feedback
from shared.runtime.unit import Transactions

Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=120)]], Field(max_length=200)]


class _Strict(BaseModel):
    """A misspelt wish would be no wish at all."""

    model_config = ConfigDict(extra="forbid")


class Target(_Strict):
    """What the threshold is for: one of the two."""

    acceptance: Annotated[float, Field(gt=0, lt=1)] | None = None
    """It is put where this share of the MQLs is good."""
    per_rep_week: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """It is put where each rep gets so many leads a week."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.acceptance is None) == (self.per_rep_week is None):
            raise ValueError("write either acceptance or per_rep_week")
        return self


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
    target: Target | None = None
    """What the threshold is for; as many MQLs as today, if left out."""
    locks: Locks = Locks()
    trusted: Names = []
    """Facts that may be used though they look like the label itself."""
    limits: Limits = Limits()
    signs: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=120)], Literal["more", "less", "free"]],
        Field(max_length=200),
    ] = {}
    """By fact, or by the id of a criterion. ``more``: more of it never takes points; ``less``: it
    never gives any."""
    updated_at: AwareDatetime | None = None
    """That of the settings which were changed: 409 when somebody else was faster."""

    def choices(self) -> Choices:
        """The wishes as they are kept."""
        return Choices(
            self.label,
            None if self.target is None else self.target.model_dump(exclude_none=True),
            tuple(self.locks.facts),
            tuple(self.locks.criteria),
            tuple(self.trusted),
            self.limits.model_dump(exclude_none=True),
            dict(self.signs),
        )


def add_learning(
    api: APIRouter, transactions: Transactions[Feedback], look: Callable[[], None]
) -> None:
    """The settings of learning; ``look`` has what was asked for seen to at once."""
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
        """Set the label, the target of the threshold, locks, limits and signs. ``not_seen`` of the
        answer names custom fields and activities that none of the newest leads has."""
        by, wanted = principal.key_id, body.choices()
        await transactions.run(lambda unit: learning.choose(unit, wanted, by, body.updated_at))
        return await status()

    @api.post("/learning/look", status_code=202, tags=["learning"])
    async def post_look(_: Marketer) -> dict[str, Any]:
        """Look at the answers now, however few are new."""
        await transactions.run(learning.ask)
        look()
        return await status()
