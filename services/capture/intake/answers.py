"""What a program is answered."""

from typing import Any

from services.capture.domain.submission import Taken


def answer_members(taken: Taken) -> dict[str, Any]:
    """A submission that was taken; ``unread`` when optional values in it can't be read."""
    told: dict[str, Any] = {
        "lead_id": taken.lead_id,
        "submission_id": taken.submission_id,
        "status": taken.status,
    }
    if taken.unread:
        told["unread"] = [{"pointer": e.pointer, "detail": e.detail} for e in taken.unread[:50]]
    return told
