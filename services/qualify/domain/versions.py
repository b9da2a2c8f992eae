"""Versions of the definition: one as it is kept, and from one to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Status = Literal["draft", "challenger", "published", "retired"]


@dataclass(frozen=True, slots=True)
class Version:
    """A stored definition: its status changes; its document only while it is a draft."""

    version: int
    status: Status
    document: Mapping[str, Any]
    created_at: datetime
    published_at: datetime | None = None
    retired_at: datetime | None = None
    proposal_id: str | None = None
    """The proposal it was made of."""
    request_key: str | None = None
    """The idempotency key of the request that made it."""
    created_by: str | None = None
    """The id of the key with which it was written; None for what no person wrote."""
    updated_at: datetime | None = None
    """When its document was last changed, after it was made."""
    published_by: str | None = None
    published_reason: str | None = None
    challenging_since: datetime | None = None

    def public(self) -> dict[str, Any]:
        """The definition in the shape of the public interface."""
        return {"version": self.version, "status": self.status, **self.document}


def with_points(document: Mapping[str, Any], points: Mapping[str, int]) -> dict[str, Any]:
    """The document with other points by criterion id. Raises ValueError for an unknown id."""
    unknown = points.keys() - {criterion["id"] for criterion in document["criteria"]}
    if unknown:
        raise ValueError(f"no such criteria: {', '.join(sorted(unknown))}")
    criteria = [
        {**criterion, "points": points.get(criterion["id"], criterion["points"])}
        for criterion in document["criteria"]
    ]
    return {**document, "criteria": criteria}
