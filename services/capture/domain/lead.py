"""A lead and what a submission does to it: the first captures it, each further one touches it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from services.capture.domain.channel import channel
from services.capture.domain.fields import FACT, MAX_BYTES, MAX_FIELDS
from services.capture.domain.submission import Consent, Declared, Submission, derived_facts

MAX_PURPOSES: Final = 50
"""Most purposes whose latest answer a lead keeps."""


@dataclass(frozen=True, slots=True)
class Lead:
    """One person, by e-mail or else by phone. What a lead gathers is bounded: its oldest custom
    fields and consents give way to new ones, and it says how many did."""

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
    field_order: list[str]
    """Names of its custom fields, the one that was given last at the end."""
    fields_dropped: int = 0
    consents_dropped: int = 0

    def all_facts(self) -> dict[str, Any]:
        """Everything a decision may use; nothing of it says who the lead is."""
        derived = derived_facts(self.contact)
        came = channel(self.attribution)
        return {**self.facts, **derived, "channel": came, "touches": self.touches}


def first_touch(lead_id: str, submission: Submission, now: datetime) -> Lead:
    """The lead that a submission captures."""
    return Lead(
        lead_id=lead_id,
        identity=submission.identity,
        contact=submission.contact,
        facts=submission.facts,
        attribution=submission.attribution,
        consent=_answers(submission.consent, now) if submission.consent else {},
        touches=1,
        captured_at=now,
        updated_at=now,
        field_order=list(submission.custom),
    )


def touched(lead: Lead, submission: Submission, declared: Declared, now: datetime) -> Lead:
    """The lead after a further submission: newer values win; what is left empty stays."""
    after = replace(
        lead,
        contact=_merged(lead.contact, submission.contact),
        facts={**lead.facts, **submission.facts},
        touches=lead.touches + 1,
        updated_at=now,
    )
    if submission.consent:
        after = _with_consent(after, _answers(submission.consent, now))
    if given := submission.custom:
        order = [*(name for name in lead.field_order if name not in given), *given]
        after = _bounded(replace(after, field_order=order), given, declared)
    return after


def consent_flags(consent: tuple[Consent, ...]) -> list[dict[str, Any]]:
    """What was allowed, without the text: fit to travel."""
    return [{"purpose": c.purpose, "granted": c.granted, "basis": c.basis} for c in consent]


def _answers(consent: tuple[Consent, ...], now: datetime) -> dict[str, dict[str, Any]]:
    at = now.isoformat()
    return {
        c.purpose: {
            "granted": c.granted,
            "text": c.text,
            "basis": c.basis,
            "at": at,
            **({"wording": c.wording} if c.wording else {}),
        }
        for c in consent
    }


def _with_consent(lead: Lead, answers: Mapping[str, dict[str, Any]]) -> Lead:
    consent = {**lead.consent, **answers}
    surplus = len(consent) - MAX_PURPOSES
    if surplus <= 0:
        return replace(lead, consent=consent)
    oldest = sorted(consent, key=lambda purpose: (consent[purpose]["at"], purpose))[:surplus]
    return replace(
        lead,
        consent={purpose: one for purpose, one in consent.items() if purpose not in oldest},
        consents_dropped=lead.consents_dropped + surplus,
    )


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **new}
    if "fields" in old and "fields" in new:
        merged["fields"] = {**old["fields"], **new["fields"]}
    return merged


def _bounded(lead: Lead, given: Sequence[str], declared: Declared) -> Lead:
    """Without the fields that are too many or too much. The oldest undeclared ones go first, then
    the oldest of the others; what was just given always has room."""
    undeclared = [name for name in lead.field_order if name not in declared]
    going = undeclared[: max(len(undeclared) - MAX_FIELDS, 0)]
    personal = lead.contact.get("fields", {})
    facts = {name: value for name, value in lead.facts.items() if name.startswith(FACT)}
    if (excess := len(orjson.dumps([personal, facts])) - MAX_BYTES) > 0:
        older = [name for name in lead.field_order if name not in given]
        older.sort(key=lambda name: name in declared)
        for number, name in enumerate(older, 1):
            excess -= _size(personal, name) + _size(facts, FACT + name)
            if excess <= 0:
                going = older[: max(number, len(going))]
                break
    if not going:
        return lead
    gone = set(going)
    if personal:
        lead = replace(lead, contact={**lead.contact, "fields": _without(personal, gone)})
    return replace(
        lead,
        facts=_without(lead.facts, {FACT + name for name in gone}),
        field_order=[name for name in lead.field_order if name not in gone],
        fields_dropped=lead.fields_dropped + len(gone),
    )


def _size(values: Mapping[str, Any], name: str) -> int:
    """What a member takes as JSON, with its colon and comma."""
    if name not in values:
        return 0
    return len(orjson.dumps({name: values[name]}))


def _without(values: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in gone}
