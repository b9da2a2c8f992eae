"""Take a batch of submissions in, in the order they came."""

from collections.abc import Sequence
from datetime import datetime

from services.capture.domain.lead import consent_flags, receive
from services.capture.ports import Answer, CaptureWork, Posted
from shared.contracts.events import (
    ActivityRecorded,
    Attribution,
    ConsentFlag,
    ContactUpdated,
    LeadCaptured,
)
from shared.contracts.problems import Problem
from shared.runtime.clock import Clock, new_id
from shared.runtime.logs import follow


async def capture_leads(
    batch: Sequence[Posted], uow: CaptureWork, clock: Clock
) -> list[Answer | Exception]:
    """An answer for each submission: captured, touched, the answer given before under the same
    idempotency key, or the problem that key makes."""
    await uow.load(
        [posted.submission.identity for posted in batch],
        [posted.idempotency_key for posted in batch if posted.idempotency_key],
    )
    now = clock.now()
    return [_take(posted, uow, now) for posted in batch]


def _take(posted: Posted, uow: CaptureWork, now: datetime) -> Answer | Exception:
    if posted.idempotency_key:
        earlier = uow.answered(posted.idempotency_key)
        if earlier is not None:
            return earlier.answer if earlier.digest == posted.digest else _key_reused()
    if posted.traceparent:
        follow(posted.traceparent)
    submission = posted.submission
    received = receive(uow.lead(submission.identity), new_id(), submission, now)
    submission_id = new_id()
    lead = received.lead
    attribution = Attribution(**submission.attribution)
    if received.status == "captured":
        uow.emit(
            LeadCaptured(
                lead_id=lead.lead_id,
                submission_id=submission_id,
                captured_at=now,
                facts=received.facts,
                attribution=attribution,
                consent=[ConsentFlag(**flag) for flag in consent_flags(submission.consent)],
            ),
            at=now,
        )
    else:
        uow.emit(
            ActivityRecorded(
                lead_id=lead.lead_id,
                activity_id=submission_id,
                kind="form_submitted",
                occurred_at=now,
                facts=received.facts,
                attribution=attribution,
            ),
            at=now,
        )
    if received.contact_changed:
        uow.emit(ContactUpdated(lead_id=lead.lead_id, **{"fields": {}, **lead.contact}), at=now)
    return uow.keep(posted, submission_id, received, now)


def _key_reused() -> Problem:
    return Problem(
        422,
        "Idempotency key used before",
        "This Idempotency-Key came with another body. Send a new key with a new submission.",
        errors=[{"pointer": "", "detail": "differs from the first body sent with this key"}],
    )
