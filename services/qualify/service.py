"""Qualify, put together: its table of contents."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from services.qualify import http
from services.qualify.consumer import GROUP, HANDLERS
from services.qualify.seed import seed
from services.qualify.settings import Settings
from services.qualify.store import Compiled, QualifyWork
from services.qualify.web import pages_router
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit_of_work import Transactions

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: Settings, infra: Infra) -> Service:
    """Scores leads by the published definition and makes MQLs of those who reach its threshold."""
    compiled = Compiled()

    def work(conn: AsyncConnection) -> QualifyWork:
        return QualifyWork(conn, infra.clock, compiled)

    transactions = Transactions(infra.db, "qualify", infra.clock, work)
    app = create_app(
        "qualify",
        "qualify",
        infra,
        description="Versioned lead definitions, and every lead's score explained.",
    )
    app.include_router(http.router(transactions, infra.db, infra.clock))
    app.include_router(pages_router(transactions, infra.db))
    consumer = Consumer(
        "qualify",
        GROUP,
        topics_read_by("qualify"),
        HANDLERS,
        transactions,
        infra.bus,
        infra.clock,
        max_batch=settings.batch,
    )
    return Service(
        name="qualify",
        app=app,
        db=infra.db,
        migrations=MIGRATIONS,
        parts=[consumer, *standard_parts(infra, transactions)],
        seed=lambda: seed(transactions),
    )
