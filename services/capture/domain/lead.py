"""A lead and what a submission does to it: the first captures it, each further one touches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from services.capture.domain.submission import Consent, Submission, derived_facts

Status = Literal["captured", "touched"]


@dataclass(slots=True)
class Lead:
    """One person, by e-mail or else by phone."""

    lead_id: str
    identity: str
    contact: dict[str, Any]
    facts: dict[str, Any]
    attribution: dict[str, str]
    """Of the first submission: where the lead came from."""
    consent: dict[str, dict[str, Any]]
    """The latest answer for each purpose."""
    touches: int
    captured_at: datetime
    updated_at: datetime

    def all_facts(self) -> dict[str, Any]:
        """Everything a decision may use; nothing of it says who the lead is."""
        return {**self.facts, **derived_facts(self.contact), "touches": self.touches}


@dataclass(frozen=True, slots=True)
class Received:
    """What a submission did."""

    status: Status
    lead: Lead
    contact_changed: bool
    facts: dict[str, Any] = field(default_factory=dict)


def receive(lead: Lead | None, new_id: str, submission: Submission, now: datetime) -> Received:
    """Capture a new lead, or touch the one that is there (its values change in place).

    Newer values win; what a submission leaves empty stays as it was.
    """
    consent = {
        c.purpose: {"granted": c.granted, "text": c.text, "basis": c.basis, "at": now.isoformat()}
        for c in submission.consent
    }
    if lead is None:
        lead = Lead(
            lead_id=new_id,
            identity=submission.identity,
            contact=submission.contact,
            facts=submission.facts,
            attribution=submission.attribution,
            consent=consent,
            touches=1,
            captured_at=now,
            updated_at=now,
        )
        return Received("captured", lead, True, lead.all_facts())
    contact = _merged_contact(lead.contact, submission.contact)
    changed = contact != lead.contact
    lead.contact = contact
    lead.facts = {**lead.facts, **submission.facts}
    lead.consent = {**lead.consent, **consent}
    lead.touches += 1
    lead.updated_at = now
    return Received("touched", lead, changed, lead.all_facts())


def _merged_contact(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **new}
    if "fields" in old and "fields" in new:
        merged["fields"] = {**old["fields"], **new["fields"]}
    return merged


def consent_flags(consent: tuple[Consent, ...]) -> list[dict[str, Any]]:
    """What was allowed, without the text: fit to travel."""
    return [{"purpose": c.purpose, "granted": c.granted, "basis": c.basis} for c in consent]
