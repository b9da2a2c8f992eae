"""Take a batch of submissions in, in the order they came."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.capture.domain.lead import Lead, consent_flags, first_touch, touched
from services.capture.domain.submission import BadSubmission, Posted, Submission, Taken
from services.capture.store.unit import Capture
from shared.contracts.events import (
    ActivityRecorded,
    ContactUpdated,
    LeadCaptured,
)
from shared.contracts.ids import follow, new_id
from shared.contracts.problems import Problem

KEPT_BYTES: Final = 64 * 1024
"""Most of a bad submission that is kept; one takes as much as a good one may have."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A submission that could not be accepted, to be kept."""

    problem: Problem
    content_type: str
    body: bytes
    source: str
    """Who sent it: ``key:<id>``, ``form:<id>`` or ``source:<id>``."""


def take_submissions(unit: Capture, batch: Sequence[Posted]) -> list[Taken | Exception]:
    """An answer for each submission: captured, touched, what was taken before under the same
    idempotency key, or the problem that key makes."""
    unit.load_for(
        list({posted.submission.identity for posted in batch}),
        list({posted.idempotency_key for posted in batch if posted.idempotency_key}),
    )
    return [_take(unit, posted) for posted in batch]


def keep_refused(unit: Capture, batch: Sequence[Refused]) -> None:
    """Keep what could not be accepted, with the reasons."""
    for one in batch:
        unit.bad_submissions.put(
            BadSubmission(
                bad_submission_id=new_id(),
                received_at=unit.now,
                status=one.problem.status,
                reason=f"{one.problem.title}: {one.problem.detail}",
                errors=one.problem.extra.get("errors", []),
                content_type=one.content_type[:200].replace("\x00", ""),
                body=one.body[:KEPT_BYTES],
                source=one.source[:100],
                sender=one.source.partition(":")[0],
            )
        )


def _take(unit: Capture, posted: Posted) -> Taken | Exception:
    if posted.idempotency_key:
        earlier = unit.answered(posted.idempotency_key)
        if earlier is not None:
            return earlier if earlier.digest == posted.digest else _key_reused()
    if posted.traceparent:
        follow(posted.traceparent)
    submission, now = posted.submission, unit.now
    before = unit.leads.get(submission.identity)
    if before is None:
        lead = first_touch(new_id(), submission, now)
    else:
        lead = touched(before, submission, unit.declared, now)
    taken = Taken(
        new_id(),
        lead.lead_id,
        "touched" if before else "captured",
        now,
        submission.contact,
        submission.facts,
        submission.attribution,
        posted.idempotency_key,
        posted.digest,
    )
    unit.leads.put(lead)
    unit.take(taken)
    unit.see(submission.undeclared)
    unit.emit(_captured(lead, taken, submission) if before is None else _submitted(lead, taken))
    if before is None or lead.contact != before.contact:
        unit.emit(ContactUpdated(lead_id=lead.lead_id, **{"fields": {}, **lead.contact}))
    return taken


def _captured(lead: Lead, taken: Taken, submission: Submission) -> LeadCaptured:
    return LeadCaptured.model_validate(
        {
            "lead_id": lead.lead_id,
            "submission_id": taken.submission_id,
            "captured_at": taken.received_at,
            "facts": lead.all_facts(),
            "attribution": taken.attribution,
            "consent": consent_flags(submission.consent),
        }
    )


def _submitted(lead: Lead, taken: Taken) -> ActivityRecorded:
    return ActivityRecorded.model_validate(
        {
            "lead_id": lead.lead_id,
            "activity_id": taken.submission_id,
            "kind": "form_submitted",
            "occurred_at": taken.received_at,
            "facts": lead.all_facts(),
            "attribution": taken.attribution,
        }
    )


def _key_reused() -> Problem:
    return Problem(
        422,
        "Idempotency key used before",
        "This Idempotency-Key came with another body. Send a new key with a new submission.",
        errors=[{"pointer": "", "detail": "differs from the first body sent with this key"}],
    )
