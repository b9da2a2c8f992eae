"""Qualify, put together: its table of contents."""

from functools import partial
from pathlib import Path

from services.qualify import http
from services.qualify.consumer import HANDLERS
from services.qualify.seed import seed
from services.qualify.settings import Settings
from services.qualify.store.unit import Compiled, Qualify
from services.qualify.web import pages_router
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit import Transactions

NAME = "qualify"
MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: Settings, infra: Infra) -> Service:
    """Scores leads by the published definition and makes MQLs of those who reach its threshold."""
    transactions = Transactions(infra.db, infra.clock, partial(Qualify, compiled=Compiled()))
    app = create_app(
        NAME,
        "qualify",
        infra,
        description="Versioned lead definitions, and every lead's score explained.",
    )
    app.include_router(http.router(transactions))
    app.include_router(pages_router(transactions))
    consumer = Consumer(
        NAME,
        topics_read_by(NAME),
        HANDLERS,
        transactions,
        infra.bus,
        max_batch=settings.batch,
    )
    return Service(
        name=NAME,
        app=app,
        db=infra.db,
        migrations=MIGRATIONS,
        parts=[consumer, *standard_parts(infra, NAME, transactions)],
        seed=lambda: seed(transactions),
    )
