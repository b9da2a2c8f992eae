"""The quiet after a round: everything up again, and nothing on its way any more."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.torture.checks import TRANSIENT
from tests.torture.history import moment
from tests.torture.ledger import Ledger
from tests.torture.stand import Stand, lag, outboxes, unready

READY_SECONDS: Final = 120.0
DRAIN_SECONDS: Final = 120.0
STILL_SECONDS: Final = 8.0
"""With nothing left to read or publish, a lead that does not move for so long will not move."""


@dataclass
class Quiet:
    """``patience``: seconds in which nothing changes though events wait, until it is given up."""

    stand: Stand
    ledger: Ledger
    say: Callable[[str], None]
    patience: float

    async def drained(self) -> list[str]:
        """Wait until nothing moves any more; what still does when that takes too long."""
        deadline = time.monotonic() + DRAIN_SECONDS
        reasons: list[str] = []
        since = time.monotonic()
        while time.monotonic() < deadline:
            before = reasons
            try:
                busy, waiting = await self._busy(), await self._waiting()
            except Exception as error:
                busy, waiting = [f"cannot look: {error!r}"], []
            reasons = busy + waiting
            if not reasons:
                return []
            if reasons != before:
                since = time.monotonic()
            if time.monotonic() - since > (self.patience if busy else STILL_SECONDS):
                break
            await asyncio.sleep(0.2)
        return reasons

    async def ready(self) -> list[str]:
        """Wait until every process is ready; what is not when that takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while troubles := await asyncio.to_thread(unready, self.stand):
            ended = [p for p in self.stand.processes.values() if not p.running]
            if ended or time.monotonic() > deadline:
                return troubles + [process.tail(8) for process in ended]
            await asyncio.sleep(0.1)
        return []

    async def _busy(self) -> list[str]:
        """What is on its way between services."""
        waiting = await outboxes(self.stand)
        behind = await lag(self.stand)
        return [
            *(f"{count} events in {service}'s outbox" for service, count in waiting.items()),
            *(f"{service} has {count} messages to read" for service, count in behind.items()),
        ]

    async def _waiting(self) -> list[str]:
        """Leads in a stage that the product leaves by itself."""
        rows = await self.stand.databases.rows(
            "feedback", "SELECT stage, count(*) AS n FROM lead_stages GROUP BY stage"
        )
        found = {row["stage"]: row["n"] for row in rows}
        reasons = [f"{n} leads are {s}" for s, n in sorted(found.items()) if s in TRANSIENT]
        rows = await self.stand.databases.rows("capture", "SELECT count(*) AS n FROM leads")
        if rows[0]["n"] != sum(found.values()):
            reasons.append(f"capture has {rows[0]['n']} leads, feedback {sum(found.values())}")
        rows = await self.stand.databases.rows(
            "routing",
            "SELECT min(due_at) AS due FROM assignments"
            " WHERE state IN ('ASSIGNED', 'ACKNOWLEDGED')",
        )
        due = rows[0]["due"]
        swept = await self.stand.databases.rows(
            "routing", "SELECT min(retry_at) AS at FROM leads WHERE unrouted_at IS NOT NULL"
        )
        if swept[0]["at"] is not None and moment(swept[0]["at"]) < datetime.now(UTC):
            reasons.append("leads that nobody has are to be looked at")
        if due is not None and moment(due) < datetime.now(UTC) + timedelta(seconds=60):
            reasons.append("assignments are about to run out")
        return reasons
