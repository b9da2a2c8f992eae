"""What is forgotten after a while, in small steps along an index."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from shared.db.statements import Statement

KEPT: Final = timedelta(days=30)
"""How long the same Idempotency-Key gets the same answer, and an outcome waits for its lead."""
CHUNK: Final = 500

_ANSWERS = Statement(
    "DELETE FROM idempotency WHERE (caller, key) IN (SELECT caller, key FROM idempotency "
    "WHERE created_at < :before ORDER BY created_at LIMIT :limit)"
)
_WAITING = Statement(
    "DELETE FROM waiting_outcomes WHERE (lead_id, step) IN (SELECT lead_id, step "
    "FROM waiting_outcomes WHERE recorded_at < :before ORDER BY recorded_at LIMIT :limit)"
)


def forget(conn: Connection, now: datetime) -> int:
    """Forget up to a chunk of each; returns how many, 0 when all that is old is gone."""
    gone = _ANSWERS.run(conn, before=now - KEPT, limit=CHUNK).rowcount
    return gone + _WAITING.run(conn, before=now - KEPT, limit=CHUNK).rowcount
