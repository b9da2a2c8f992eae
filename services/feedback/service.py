"""Feedback: learns from what reps say and deals do, and proposes a better lead definition.

Its table of contents: ``consumer`` follows every lead's stages, ``http`` records outcomes and shows
figures, ``web`` is the page for marketing, and a timer weighs new answers.
"""

from datetime import timedelta
from pathlib import Path

from services.feedback import http
from services.feedback.consumer import GROUP, HANDLERS
from services.feedback.handlers.proposals import weigh_answers
from services.feedback.settings import Settings
from services.feedback.store import FeedbackUnit
from services.feedback.store.reading import Reading
from services.feedback.web import pages
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.parts import Timer
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit_of_work import Transactions

NAME = "feedback"
KEYS_KEPT_DAYS = 30
"""How long the same Idempotency-Key gets the same answer."""


class Weighing:
    """Weighs the answers when there are new ones since the last time."""

    def __init__(
        self, transactions: Transactions[FeedbackUnit], reading: Reading, minimum: int
    ) -> None:
        self._transactions = transactions
        self._reading = reading
        self._minimum = minimum
        self._weighed: tuple[int, int | None] = (-1, None)

    async def run(self) -> int:
        """Once around; returns 0, because all that is there is weighed at once."""
        seen = await self._reading.log_position(), await self._reading.version_in_force()
        if seen != self._weighed:
            async with self._transactions.begin() as uow:
                await weigh_answers(uow, self._transactions.clock, self._minimum)
            self._weighed = seen
        return 0


def build(settings: Settings, infra: Infra) -> Service:
    """Put feedback together."""
    transactions = Transactions(
        infra.db, NAME, infra.clock, lambda conn: FeedbackUnit(conn, infra.clock, NAME)
    )
    reading = Reading(
        infra.db,
        infra.clock,
        stuck_after=settings.stuck_after(),
        minimum_per_side=settings.minimum_per_side,
    )
    app = create_app(NAME, "feedback", infra, description="What sales says back to marketing.")
    app.include_router(http.router(transactions, reading))
    app.include_router(pages.router(transactions, reading))
    consumer = Consumer(
        NAME, GROUP, topics_read_by(NAME), HANDLERS, transactions, infra.bus, infra.clock
    )
    weighing = Weighing(transactions, reading, settings.minimum_per_side)
    timer = Timer("feedback.evidence", every=settings.evidence_seconds, run=weighing.run)

    async def forget_answers() -> int:
        async with transactions.begin() as uow:
            await uow.forget_answers(infra.clock.now() - timedelta(days=KEYS_KEPT_DAYS))
        return 0

    pruning = Timer("feedback.forget-answers", every=3600, run=forget_answers)
    return Service(
        name=NAME,
        app=app,
        db=infra.db,
        migrations=Path(__file__).parent / "migrations",
        parts=[consumer, timer, pruning, *standard_parts(infra, transactions)],
    )
