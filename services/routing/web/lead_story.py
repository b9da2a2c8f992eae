"""All that happened to a lead, told by the four services, in one line of time."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request

from services.routing.domain.assignment import Assignment, Cause
from services.routing.domain.explanation import Explanation
from services.routing.domain.lead import Lead, Note
from services.routing.domain.reps import Rep
from services.routing.web.outcomes import REASON_CHOICES, STEP_WORDS
from shared.access import Principal, Role
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from shared.runtime.peers import Peers
from shared.web.words import REASON_NAMES

CAUSE_WORDS: Final[Mapping[Cause, str]] = {
    Cause.RULES: "By the rules",
    Cause.SLA_BREACHED: "The one before did not answer in time",
    Cause.REJECTED: "The one before turned it down",
    Cause.HANDED_OVER: "Handed over by a colleague",
    Cause.PUT_BACK: "Put back, and given on by the rules",
    Cause.MOVED: "Moved by a manager",
    Cause.AWAY: "The one before is away",
}
DECISION_WORDS: Final = {
    "MQL": "Became an MQL",
    "NURTURE": "Stays with marketing",
    "DISQUALIFIED": "Disqualified",
}
WHY_WORDS: Final[Mapping[str, str]] = {
    reason: words for choices in REASON_CHOICES.values() for reason, words in choices
}
OTHERS_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Known:
    """What routing itself knows of a lead."""

    lead: Lead
    contact: Mapping[str, Any]
    attempts: list[Assignment]
    """Newest first."""
    decisions: list[Explanation]
    notes: list[Note]
    reps: list[Rep]
    may_see: bool
    """Whether this visitor may know how to reach the person."""
    may_work: bool

    @property
    def owner(self) -> Assignment | None:
        """The open attempt."""
        return next((one for one in self.attempts if one.closed_at is None), None)


@dataclass(frozen=True, slots=True)
class Told:
    """What the other services say of a lead; None: nothing, or they can't be asked."""

    capture: dict[str, Any] | None
    score: dict[str, Any] | None
    progress: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a lead."""

    at: datetime
    title: str
    text: str | None = None
    kind: str = ""


async def ask_others(peers: Peers, request: Request, who: Principal, lead_id: str) -> Told:
    """Ask capture, qualify and feedback, at once, with the visitor's own rights."""
    named = quote(lead_id, safe="")
    touches = "/touches" if who.role is Role.REP else ""
    paths = (
        f"/capture/v1/leads/{named}{touches}",
        f"/qualify/v1/leads/{named}/score",
        f"/feedback/v1/leads/{named}",
    )

    async def ask(path: str) -> dict[str, Any] | None:
        try:
            answer = await peers.get(request, path)
        except Problem:
            return None
        found: dict[str, Any] | None = answer.json() if answer.is_success else None
        return found

    return Told(*await asyncio.gather(*map(ask, paths)))


def story_of(known: Known | None, told: Told) -> list[Happening]:
    """Everything, newest first."""
    found = [*_came_in(told.capture or {}), *_scored(told.score or {})]
    if known is not None:
        found += _handed(known)
        if told.score is None:
            text = f"{known.lead.score} points"
            found.append(Happening(known.lead.qualified_at, DECISION_WORDS["MQL"], text))
    found += _worked(told.progress or {})
    return sorted(found, key=lambda one: one.at, reverse=True)


def _came_in(capture: Mapping[str, Any]) -> Iterator[Happening]:
    touches = capture.get("touches", ())
    for touch in touches:
        if touch["status"] == "duplicate":
            continue
        first = touch is touches[-1] and capture.get("touch_count", 0) <= len(touches)
        title = "Came in" if first else "Sent a form again"
        yield Happening(_time(touch["received_at"]), title, came_by(touch["attribution"]))
    for one in capture.get("activities", ()):
        yield Happening(_time(one["occurred_at"]), one["kind"].replace("_", " ").capitalize())


def came_by(attribution: Mapping[str, Any]) -> str | None:
    """Where somebody came from, in words."""
    told = [
        f"{label} {attribution[name]}"
        for name, label in (
            ("form_id", "form"),
            ("utm_campaign", "campaign"),
            ("utm_source", "source"),
            ("referrer", "from"),
        )
        if attribution.get(name)
    ]
    return ", ".join(told) or None


def _scored(score: Mapping[str, Any]) -> Iterator[Happening]:
    history = score.get("history", ())
    for number, one in enumerate(history):
        # Every signal is scored again: what changed nothing is no news.
        before = history[number + 1] if number + 1 < len(history) else {}
        same = ("stage", "score", "definition_version")
        if all(one.get(name) == before.get(name) for name in same):
            continue
        moved = one.get("stage") != before.get("stage")
        title = DECISION_WORDS.get(one["decision"] or "", "Scored") if moved else "Scored again"
        points = f"{one['score']} of {one['threshold']} points" if one["threshold"] else ""
        text = f"{points} by lead definition {one['definition_version']}"
        if one["explored"]:
            text += ", below the threshold on purpose: a sample"
        yield Happening(_time(one["decided_at"]), title, text.strip())


def _handed(known: Known) -> Iterator[Happening]:
    names = {rep.rep_id: rep.name for rep in known.reps}
    why = {(one.cycle, one.attempt): one for one in known.decisions if one.rep_id}
    for one in known.attempts:
        name = names.get(one.rep_id, one.rep_id)
        text = CAUSE_WORDS[one.cause]
        if (made := why.get((one.cycle, one.attempt))) is not None:
            text += f": {made.reason}. {_not_the_others(made, names)}Policy {made.policy_version}"
        yield Happening(one.assigned_at, f"Given to {name}", text)
        if one.acknowledged_at is not None:
            yield Happening(one.acknowledged_at, f"Seen by {name}")
        if one.answered_at is not None and one.reason is None:
            yield Happening(one.answered_at, f"Accepted by {name}")
        if one.answered_at is not None and one.reason is not None:
            said = REASON_NAMES[one.reason]
            note = f"{said}: {one.note}" if one.note and known.may_see else said
            yield Happening(one.answered_at, f"Rejected by {name}", note, "bad")
        if one.closed_because == "SLA_BREACHED" and one.closed_at is not None:
            yield Happening(one.closed_at, f"{name} did not answer in time", None, "bad")
    for made in known.decisions:
        if made.unrouted_reason:
            yield Happening(made.decided_at, "Nobody could take it", made.reason, "bad")
    if known.lead.escalated_at is not None:
        yield Happening(known.lead.escalated_at, "A manager was told", "The round was over", "bad")


def _not_the_others(made: Explanation, names: Mapping[str, str]) -> str:
    others = [one for one in made.candidates if one.rep_id != made.rep_id]
    if not others:
        return ""
    told = [f"{names.get(one.rep_id, one.rep_id)} ({one.why})" for one in others[:OTHERS_NAMED]]
    more = len(others) - len(told) + made.left_out
    return f"Not {', '.join(told)}{f' and {more} more' if more else ''}. "


def _worked(progress: Mapping[str, Any]) -> Iterator[Happening]:
    for one in progress.get("outcomes", ()):
        stage = Stage(one["stage"])
        why = WHY_WORDS.get(one["reason"] or "", one["reason"])
        amount = f"{one['amount']:,.0f}" if one["amount"] is not None else None
        text = ", ".join(filter(None, (amount, why))) or None
        kind = "bad" if stage in (Stage.LOST, Stage.DISQUALIFIED) else ""
        yield Happening(_time(one["occurred_at"]), STEP_WORDS[stage], text, kind)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
