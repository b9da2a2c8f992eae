"""Feedback, put together: its table of contents."""

from pathlib import Path
from typing import Final

from services.feedback import http
from services.feedback.consumer import HANDLERS
from services.feedback.looking import Looking
from services.feedback.settings import Settings
from services.feedback.store import retention
from services.feedback.store.unit import Feedback
from services.feedback.tail import Tail
from services.feedback.web import pages
from services.feedback.webhook_sender import WebhookSender, tell_failing
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.jobs import Jobs
from shared.runtime.outgoing import Outgoing
from shared.runtime.parts import Timer
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit import Transactions

NAME = "feedback"
MIGRATIONS = Path(__file__).parent / "migrations"

LINGER_SECONDS: Final = 0.2
"""Nobody waits for the figures: what a lead goes through at once is followed at once."""
FORGET_SECONDS: Final = 3600
AT_MOST: Final = {"sqlite": 15.0, "postgresql": 2.0}
"""Longest time between two looks at the webhooks: in a SQLite file nobody else writes events."""
COUNT_SECONDS: Final = 15.0
"""How often webhooks that fail are counted for operators."""


def build(settings: Settings, infra: Infra) -> Service:
    """Learns from what reps say and deals do, and proposes a better lead definition."""
    db, clock = infra.db, infra.clock
    transactions = Transactions(
        db, clock, lambda now, conn: Feedback(now, conn, heard, sender.soon)
    )
    jobs = Jobs("feedback.jobs")
    tail = Tail(db)

    def heard() -> None:
        looking.heard()
        tail.heard()
        sender.soon()

    looking = Looking(
        transactions,
        jobs,
        every=settings.learning_seconds,
        timeout=settings.learning_timeout_seconds,
    )
    outgoing = Outgoing(infra.outward.allowed)
    sender = WebhookSender(transactions, outgoing, at_most=AT_MOST[db.dialect])
    failing = Timer(
        "feedback.webhooks-failing", every=COUNT_SECONDS, run=lambda: tell_failing(transactions)
    )
    app = create_app(NAME, "feedback", infra, description="What sales says back to marketing.")
    stuck_after = settings.stuck_after()
    app.include_router(
        http.router(transactions, stuck_after, looking.look, infra.peers, tail, outgoing)
    )
    app.include_router(pages.router(transactions, stuck_after, looking.look, outgoing))
    consumer = Consumer(
        NAME, topics_read_by(NAME), HANDLERS, transactions, infra.bus, linger=LINGER_SECONDS
    )

    async def forget() -> int:
        return await db.write(lambda conn: retention.forget(conn, clock.now()))

    forgetting = Timer("feedback.forget", every=FORGET_SECONDS, run=forget)
    return Service(
        name=NAME,
        app=app,
        db=db,
        migrations=MIGRATIONS,
        # Stopped in reverse: a job ends before what waits for it.
        parts=[
            *(consumer, looking, jobs, forgetting, tail, sender, failing),
            *standard_parts(infra, NAME, transactions),
        ],
    )
