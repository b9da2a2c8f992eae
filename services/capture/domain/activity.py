"""Something a known lead did elsewhere."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity, as stored."""

    activity_id: str
    lead_id: str
    kind: str
    occurred_at: datetime
    received_at: datetime
