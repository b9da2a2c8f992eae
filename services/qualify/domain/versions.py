"""A version of the definition as it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shared.contracts.etag import etag_of

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
    updated_by: str | None = None
    published_by: str | None = None
    published_reason: str | None = None
    published_before: tuple[Mapping[str, Any], ...] = ()
    """The earlier times it was published, oldest first: ``at``, ``by`` and ``reason``."""
    challenging_since: datetime | None = None

    def public(self) -> dict[str, Any]:
        """The definition in the shape of the public interface. Documents from before there was
        exploration have none."""
        status = {"version": self.version, "status": self.status}
        return {**status, "exploration_rate": 0.0, **self.document}

    @property
    def on_trial(self) -> bool:
        """Whether it challenges, or has and was withdrawn: it has never scored anybody, and needs
        evidence before it does."""
        withdrawn = self.challenging_since is not None and self.published_at is None
        return self.status == "challenger" or withdrawn

    @property
    def etag(self) -> str:
        """An entity tag of its document."""
        return etag_of(self.version, self.document)
