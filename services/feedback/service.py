"""Feedback, put together: its table of contents."""

import time
from pathlib import Path
from typing import Final

from services.feedback import http
from services.feedback.consumer import HANDLERS
from services.feedback.handlers.proposals import weigh_answers
from services.feedback.settings import Settings
from services.feedback.store import queries, retention
from services.feedback.store.unit import Feedback
from services.feedback.web import pages
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.parts import Timer
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit import Transactions

NAME = "feedback"
MIGRATIONS = Path(__file__).parent / "migrations"

LINGER_SECONDS: Final = 0.2
"""Nobody waits for the figures: what a lead goes through at once is followed at once."""
FORGET_SECONDS: Final = 3600
LOOK_SECONDS: Final = 10
"""How often it is looked for what other processes wrote; this one is told of its own."""


class Weighing:
    """Weighs the answers when there are new ones since the last time."""

    def __init__(self, transactions: Transactions[Feedback], minimum: int) -> None:
        self._transactions = transactions
        self._minimum = minimum
        self._due = True
        self._seen: tuple[int, int | None] | None = None
        self._look_at = 0.0

    def heard(self) -> None:
        """There are new answers, or another definition."""
        self._due = True

    async def run(self) -> int:
        """Once around; returns 0, because all that is there is weighed at once."""
        if not self._due and not await self._others_wrote():
            return 0
        self._due = False
        try:
            await self._weigh()
        except BaseException:
            self._due = True
            raise
        return 0

    async def _weigh(self) -> None:
        """Counted beside the writer, which waits for nothing but what comes of it."""
        evidence = await self._transactions.db.read(
            lambda conn: queries.evidence_to_act_on(conn, self._minimum)
        )
        if evidence is not None:
            await self._transactions.run(lambda unit: weigh_answers(unit, evidence))

    async def _others_wrote(self) -> bool:
        if self._transactions.db.dialect == "sqlite" or time.monotonic() < self._look_at:
            return False
        before, self._seen = self._seen, await self._transactions.db.read(queries.progress)
        self._look_at = time.monotonic() + LOOK_SECONDS
        return self._seen != before


def build(settings: Settings, infra: Infra) -> Service:
    """Learns from what reps say and deals do, and proposes a better lead definition."""
    db, clock = infra.db, infra.clock
    transactions = Transactions(
        db, clock, lambda now, conn: Feedback(now, conn, heard=weighing.heard)
    )
    weighing = Weighing(transactions, settings.minimum_per_side)
    app = create_app(NAME, "feedback", infra, description="What sales says back to marketing.")
    stuck_after, minimum = settings.stuck_after(), settings.minimum_per_side
    app.include_router(http.router(transactions, stuck_after))
    app.include_router(pages.router(transactions, stuck_after, minimum))
    consumer = Consumer(
        NAME, topics_read_by(NAME), HANDLERS, transactions, infra.bus, linger=LINGER_SECONDS
    )
    evidence = Timer("feedback.evidence", every=settings.evidence_seconds, run=weighing.run)

    async def forget() -> int:
        return await db.write(lambda conn: retention.forget(conn, clock.now()))

    forgetting = Timer("feedback.forget", every=FORGET_SECONDS, run=forget)
    return Service(
        name=NAME,
        app=app,
        db=db,
        migrations=MIGRATIONS,
        parts=[consumer, evidence, forgetting, *standard_parts(infra, NAME, transactions)],
    )
