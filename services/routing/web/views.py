"""What the inbox shows of a lead, worked out from what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from services.routing.domain.assignment import State
from services.routing.store.inbox import Card, Row, Tab
from shared.web.words import FACT_WORDS, REASON_NAMES

SOON_SECONDS = 15 * 60
"""Less than this left: the deadline is shown as urgent (a quarter of the time if that is less)."""


@dataclass(frozen=True, slots=True)
class LeadView:
    """One card of the inbox."""

    assignment_id: str
    lead_id: str
    attempt: int
    state: State
    name: str
    title_line: str
    email: str | None
    phone: str | None
    website: str | None
    message: str | None
    facts: list[tuple[str, str]]
    score: int
    threshold: int
    explored: bool
    grade: str | None
    contributions: list[dict[str, Any]]
    definition_version: int
    why_me: str
    candidates: list[dict[str, Any]]
    left_out: int
    assigned_at: datetime
    due_at: datetime
    answered_at: datetime | None
    left: float
    """Seconds until the deadline; negative when it has passed."""
    total: float
    urgency: str
    """``ok``, ``warn`` or ``bad``."""

    @property
    def acknowledged(self) -> bool:
        """Whether the rep has said that they saw it."""
        return self.state is State.ACKNOWLEDGED

    @property
    def version(self) -> str:
        """Changes whenever the card shows something else, time aside."""
        shown = (self.state, self.due_at, self.name, self.title_line, self.email, self.phone)
        return f"{crc32(repr((*shown, self.website, self.message)).encode()):08x}"


@dataclass(frozen=True, slots=True)
class RowView:
    """One line of a list of the inbox."""

    assignment_id: str
    lead_id: str
    name: str
    title_line: str
    grade: str | None
    acknowledged: bool
    left: float
    """Seconds until the deadline."""
    total: float
    urgency: str
    """Empty where no deadline runs."""
    says: str
    """What there is to say instead of a deadline."""
    at: datetime | None
    """When that was."""
    sort: str
    """Sorted by it as by the list's order, on the page."""

    @property
    def version(self) -> str:
        """Changes whenever the line shows something else, time aside."""
        shown = (self.name, self.title_line, self.grade, self.acknowledged, self.says, self.at)
        return f"{crc32(repr((*shown, self.sort)).encode()):08x}"


END_WORDS: Final = {
    "SLA_BREACHED": "ran out",
    "REJECTED": "turned down",
    "HANDED_OVER": "handed over",
    "PUT_BACK": "put back",
    "MOVED": "moved by a manager",
    "AWAY": "given on while you were away",
}


def row_view(
    row: Row, tab: Tab, now: datetime, names: Mapping[str, str], stages: Mapping[str, str]
) -> RowView:
    """A line as the page shows it at this moment; ``stages`` are those of worked leads, by id."""
    a = row.assignment
    left = (a.due_at - now).total_seconds()
    total = (a.due_at - (a.acknowledged_at or a.assigned_at)).total_seconds()
    says, at, sort = "", a.answered_at, ""
    match tab:
        case Tab.WAITING:
            soon = "0" if left < SOON_SECONDS else "1"
            sort = f"{soon}|{a.grade or '~'}|{a.due_at:%Y%m%d%H%M%S.%f}|{a.assignment_id}"
        case Tab.MINE:
            says = stages.get(a.lead_id, "Accepted")
            sort = f"{a.answered_at:%Y%m%d%H%M%S.%f}|{a.assignment_id}" if a.answered_at else ""
        case Tab.MISSED:
            says, at = _end(row, names), a.closed_at
            sort = f"{a.closed_at:%Y%m%d%H%M%S.%f}|{a.assignment_id}" if a.closed_at else ""
    return RowView(
        assignment_id=a.assignment_id,
        lead_id=a.lead_id,
        name=lead_name(row.contact),
        title_line=_title_line(row.contact, row.lead.facts if row.lead else {}),
        grade=a.grade,
        acknowledged=a.state is State.ACKNOWLEDGED,
        left=left,
        total=total,
        urgency=urgency(left, total) if tab is Tab.WAITING else "",
        says=says,
        at=at,
        sort=sort,
    )


def _end(row: Row, names: Mapping[str, str]) -> str:
    """How a lead left a rep, and where it is."""
    a = row.assignment
    said = END_WORDS.get(a.closed_because or "", "ended")
    if a.reason is not None:
        said += f": {REASON_NAMES[a.reason].lower()}"
    if row.now_with == a.rep_id:
        return f"{said}; it came back to you"
    if row.now_with is not None:
        return f"{said}; {names.get(row.now_with, row.now_with)} has it now"
    return said


def view(card: Card, now: datetime, names: Mapping[str, str]) -> LeadView:
    """A card as the page shows it at this moment; ``names`` are the reps' by id."""
    a, lead, person = card.assignment, card.lead, card.contact
    left = (a.due_at - now).total_seconds()
    total = (a.due_at - (a.acknowledged_at or a.assigned_at)).total_seconds()
    return LeadView(
        assignment_id=a.assignment_id,
        lead_id=a.lead_id,
        attempt=a.attempt,
        state=a.state,
        name=lead_name(person),
        title_line=_title_line(person, lead.facts if lead else {}),
        email=person.get("email"),
        phone=person.get("phone"),
        website=_web_address(person.get("website")),
        message=person.get("message"),
        facts=facts_told({**lead.attribution, **lead.facts} if lead else {}),
        score=lead.score if lead else 0,
        threshold=lead.threshold if lead else 0,
        explored=lead.explored if lead else False,
        grade=lead.grade if lead else None,
        contributions=[
            {"label": c["criterion_id"], "points": c["points"], "because": c.get("because")}
            for c in (lead.contributions if lead else [])
        ],
        definition_version=a.definition_version,
        why_me=card.decision.reason if card.decision else "",
        candidates=[
            {"name": names.get(c.rep_id, c.rep_id), "why": c.why, "shortfall": c.shortfall}
            for c in (card.decision.candidates if card.decision else [])
        ],
        left_out=card.decision.left_out if card.decision else 0,
        assigned_at=a.assigned_at,
        due_at=a.due_at,
        answered_at=a.answered_at,
        left=left,
        total=total,
        urgency=urgency(left, total),
    )


def urgency(left: float, total: float) -> str:
    """How pressing a deadline is, given the seconds left and the seconds there were."""
    if left <= 0:
        return "bad"
    soon = min(SOON_SECONDS, total / 4)
    return "bad" if left < soon / 3 else "warn" if left < soon else "ok"


def lead_name(person: Mapping[str, Any]) -> str:
    """What a lead is called on a page."""
    name = " ".join(filter(None, (person.get("first_name"), person.get("last_name"))))
    return name or person.get("email") or person.get("phone") or "Somebody without a name"


def person_view(contact: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Who somebody is, as a page shows it."""
    return {
        "name": lead_name(contact),
        "title_line": _title_line(contact, facts),
        "email": contact.get("email"),
        "phone": contact.get("phone"),
        "website": _web_address(contact.get("website")),
        "message": contact.get("message"),
    }


def _title_line(person: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    company = person.get("company") or facts.get("company")
    title = person.get("job_title") or facts.get("job_title")
    return ", ".join(str(part) for part in (title, company) if part)


def facts_told(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts that people see at a glance."""
    found = [(label, known.get(name)) for name, label in FACT_WORDS.items()]
    return [(label, str(value)) for label, value in found if value not in (None, "", [])]


def _web_address(website: str | None) -> str | None:
    """A link only for what is plainly a web address: it was typed into a form."""
    if website is None or website.startswith(("http://", "https://")):
        return website
    return f"https://{website}" if "." in website and ":" not in website else None
