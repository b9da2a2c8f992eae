"""The shapes of the API: what callers send, and what they get."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.routing.domain.assignment import Assignment
from services.routing.domain.explanation import Explanation
from services.routing.domain.policy import Written
from services.routing.domain.reps import Leave, Rep, Status, Team
from shared.conditions import did_you_mean

RepId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
Weight = Annotated[int, Field(ge=0, le=1000, strict=True)]
Capacity = Annotated[int, Field(ge=0, le=10000, strict=True)]
LAST_ATTEMPT = 2**31 - 1
"""What the column holds."""
Zone = Annotated[str, Field(max_length=64)]


Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Words = Annotated[list[Word], Field(max_length=200)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
Period = tuple[Annotated[str, Field(max_length=5)], Annotated[str, Field(max_length=5)]]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
HoursIn = dict[Weekday, Annotated[list[Period], Field(max_length=12)]]


class LeaveIn(BaseModel):
    """Days away, both included, where the rep is."""

    model_config = ConfigDict(extra="forbid")

    first: date
    last: date
    note: Annotated[str, Field(max_length=200)] = ""


class RepIn(BaseModel):
    """A rep to add."""

    model_config = ConfigDict(extra="forbid")

    rep_id: RepId | None = None
    """Made of the name, if left out."""
    name: Name
    email: Email | None = None
    weight: Weight = 1
    capacity: Capacity = 20
    """Most leads that may wait for their answer at once."""
    status: Status = Status.AVAILABLE
    active: bool = True
    """``false`` is short for the status ``paused``, ``true`` for ``available``."""
    time_zone: Zone = "UTC"
    team_id: RepId | None = None
    open_limit: Annotated[int, Field(ge=0, le=100_000, strict=True)] | None = None
    """Most leads that may be theirs at once, answered or not."""
    window_limit: Annotated[int, Field(ge=0, le=100_000, strict=True)] | None = None
    """Most new leads in any ``window_hours`` hours."""
    window_hours: Annotated[int, Field(ge=1, le=24 * 31, strict=True)] | None = None
    skills: Words = []
    languages: Annotated[list[Language], Field(max_length=50)] = []
    """ISO 639-1."""
    territories: Words = []
    """ISO 3166-1 alpha-2 countries, or names of your own."""
    hours: HoursIn | None = None
    """Working periods by weekday, ``[["09:00", "12:00"], ["13:00", "17:30"]]``; null: always."""
    holidays: Annotated[str, Field(max_length=16)] | None = None
    """Whose public holidays are days off: ``DE``, or ``DE-BY`` for a part of the country."""
    leave: Annotated[list[LeaveIn], Field(max_length=100)] = []

    def values(self) -> dict[str, Any]:
        """A rep's fields."""
        return rep_values(self, self.model_dump())


class RepPatch(RepIn):
    """What to change of a rep; what is left out stays."""

    rep_id: None = None
    name: Name = ""

    def values(self) -> dict[str, Any]:
        """The fields that were sent."""
        return rep_values(self, self.model_dump(include=self.model_fields_set - {"rep_id"}))


def rep_values(body: RepIn, values: dict[str, Any]) -> dict[str, Any]:
    """What was sent as a rep has it: ``active`` is a word for a status."""
    active = values.pop("active", True)
    if "active" in body.model_fields_set and "status" not in body.model_fields_set:
        values["status"] = Status.AVAILABLE if active else Status.PAUSED
    for name in {"skills", "languages", "territories"} & values.keys():
        values[name] = tuple(dict.fromkeys(values[name]))
    if "leave" in values:
        values["leave"] = tuple(Leave(**one) for one in values["leave"])
    return values


class TeamIn(BaseModel):
    """A team to add or to change."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    manager_id: RepId | None = None
    """The rep who manages it."""


class TeamPatch(TeamIn):
    """What to change of a team; what is left out stays."""

    name: Name = ""


class Spelled(BaseModel):
    """A part of a policy, in which a misspelled key is told what was probably meant."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def knows_the_keys(cls, data: Any) -> Any:
        """Raises ValueError for keys that there are not."""
        given = data if isinstance(data, dict) else {}
        unknown = [str(key) for key in given if key not in cls.model_fields]
        if unknown:
            raise ValueError("; ".join(_unknown(key, cls.model_fields) for key in unknown[:10]))
        return data


def _unknown(key: str, known: Collection[str]) -> str:
    meant = did_you_mean(key, known)
    hint = f"did you mean {meant}?" if meant else f"known are {', '.join(known)}"
    return f"unknown key {key[:40]!r}; {hint}"


class TargetIn(Spelled):
    """Who may have a lead: these reps, this team, or one of the words."""

    rep_ids: Annotated[list[RepId], Field(min_length=1, max_length=1000)] | None = None
    team_id: RepId | None = None
    to: str | None = None

    @model_validator(mode="after")
    def names_one(self) -> Self:
        """Raises ValueError unless exactly one of the three is said."""
        if sum(one is not None for one in (self.rep_ids, self.team_id, self.to)) != 1:
            raise ValueError(f"write exactly one of rep_ids, team_id, or to: {self.words()}")
        return self

    @classmethod
    def words(cls) -> str:
        """What ``to`` may say."""
        listed: str = cls.model_fields["to"].description or ""
        return listed


class FallbackIn(TargetIn):
    """Who may have a lead that no rule fits."""

    to: Literal["everybody", "nobody"] | None = Field(None, description="everybody or nobody")


class RuleIn(TargetIn):
    """Leads for which every condition holds go to these reps; of those, to the ones who have what
    is needed: all the skills and languages, and one of the territories."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    when: Annotated[list[Any], Field(max_length=50)] = []
    """Conditions, or trees of them with ``all``, ``any`` and ``not``, as in a definition."""
    to: Literal["everybody", "account_owner"] | None = Field(
        None, description="everybody or account_owner"
    )
    skills: Words = []
    languages: Annotated[list[Language], Field(max_length=50)] = []
    territories: Words = []
    by_country: bool = False
    """Whether the lead's country has to be one of the rep's territories. The rule is for leads
    whose country is known, then."""
    by_language: bool = False
    """Whether the rep has to speak the lead's language (the fact ``fields.language``). The rule is
    for leads whose language is known, then."""
    waits: bool = True
    """Whether a lead waits while none of them can take it; else the fallback is asked, too."""


class GradeTimesIn(Spelled):
    """How long a rep has for leads of one grade, in minutes of their working time."""

    grade: Annotated[str, Field(min_length=1, max_length=8)]
    sla_minutes: Annotated[float, Field(gt=0, le=525600)]
    accept_minutes: Annotated[float, Field(gt=0, le=525600)]


class PolicyIn(Spelled):
    """A routing policy to put in place of the present one. ``version`` is given, not taken."""

    version: int | None = None
    sla_minutes: Annotated[float, Field(gt=0, le=525600)]
    """Minutes to a first answer, of the rep's working time."""
    accept_minutes: Annotated[float, Field(gt=0, le=525600)]
    """Minutes from acknowledging to accepting or rejecting."""
    max_attempts: Annotated[int, Field(ge=1, le=100)]
    """Reps a lead is offered to, one after the other, in one round."""
    max_rounds: Annotated[int, Field(ge=1, le=100)] = 3
    """Rounds until a lead that nobody takes waits for a change of a rep or of the policy."""
    sla_by_grade: Annotated[list[GradeTimesIn], Field(max_length=50)] = []
    """Other times for leads of some grades."""
    warn_at: Annotated[float, Field(gt=0, lt=1)] | None = 0.75
    """After which share of the time the rep is warned; null: never."""
    escalate: bool = True
    """Whether a manager is told when the last attempt of a round ran out."""
    accounts_first: bool = True
    """Whether whoever looks after a lead's account comes before all rules."""
    rules: Annotated[list[RuleIn], Field(max_length=200)] = []
    """Tried in order: the first that fits says who may have a lead."""
    fallback: FallbackIn = FallbackIn(to="everybody")
    """Who may have a lead that no rule fits."""

    def document(self) -> dict[str, Any]:
        """The policy as it is kept: of a rule only what it says."""
        names = PolicyIn.model_fields.keys() - {"version"}
        whole = self.model_dump(mode="json", include=set(names))
        rules = [one.model_dump(mode="json", exclude_defaults=True) for one in self.rules]
        whole["rules"] = [{"when": [], **one} for one in rules]
        whole["fallback"] = self.fallback.model_dump(mode="json", exclude_none=True)
        return whole


class DraftIn(PolicyIn):
    """A draft of a policy."""

    note: Annotated[str, Field(max_length=2000)] = ""
    """Why this version exists."""
    status: str | None = None
    created_at: str | None = None
    created_by: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None
    published_at: str | None = None
    published_by: str | None = None
    """Given, not taken: what was read can be changed and sent back."""


class PublishIn(BaseModel):
    """What was seen when it was decided to publish; it may be left out."""

    model_config = ConfigDict(extra="forbid")

    instead_of: int | None = None
    """The version that was in force when this was decided: else 409."""


class AnswerIn(BaseModel):
    """An answer that counts for this attempt only, if one is named."""

    attempt: Annotated[int, Field(ge=1, le=LAST_ATTEMPT)] | None = None


class RejectIn(AnswerIn):
    """A rejection with its reason; the note stays in routing."""

    reason: str | None = None
    note: Annotated[str, Field(max_length=2000)] | None = None


def rep_json(rep: Rep) -> dict[str, Any]:
    """A rep as the API shows it."""
    return {name: getattr(rep, name) for name in RepIn.model_fields}


def team_json(team: Team) -> dict[str, Any]:
    """A team as the API shows it."""
    return {"team_id": team.team_id, "name": team.name, "manager_id": team.manager_id}


def written_json(written: Written) -> dict[str, Any]:
    """A version of the policy as the API shows it."""
    return {
        "version": written.version,
        "status": written.status.value,
        "note": written.note,
        "created_at": rfc3339(written.created_at),
        "created_by": written.created_by,
        "updated_at": rfc3339(written.updated_at),
        "updated_by": written.updated_by,
        "published_at": rfc3339(written.published_at),
        "published_by": written.published_by,
        **written.whole,
    }


def assignment_json(assignment: Assignment) -> dict[str, Any]:
    """An assignment as the API shows it, without personal data."""
    return {
        "assignment_id": assignment.assignment_id,
        "lead_id": assignment.lead_id,
        "rep_id": assignment.rep_id,
        "attempt": assignment.attempt,
        "cycle": assignment.cycle,
        "state": assignment.state.value,
        "assigned_at": rfc3339(assignment.assigned_at),
        "due_at": rfc3339(assignment.due_at),
        "acknowledged_at": rfc3339(assignment.acknowledged_at),
        "answered_at": rfc3339(assignment.answered_at),
        "reason": assignment.reason,
        "closed_at": rfc3339(assignment.closed_at),
        "policy_version": assignment.policy_version,
        "definition_version": assignment.definition_version,
    }


def decision_json(made: Explanation) -> dict[str, Any]:
    """A stored decision as the API shows it: the candidates who came first, and how many more
    there were."""
    return {
        "lead_id": made.lead_id,
        "cycle": made.cycle,
        "attempt": made.attempt,
        "policy_version": made.policy_version,
        "rule_id": made.rule_id,
        "rep_id": made.rep_id,
        "reason": made.reason,
        "unrouted_reason": made.unrouted_reason,
        "decided_at": rfc3339(made.decided_at),
        "candidates": [asdict(one) for one in made.candidates],
        "left_out": made.left_out,
    }


def rfc3339(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, with a Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
