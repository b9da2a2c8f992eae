"""Qualify, put together: its table of contents."""

import time
from functools import partial
from pathlib import Path

from services.qualify import http
from services.qualify.computing import analysing
from services.qualify.consumer import HANDLERS
from services.qualify.handlers.rescoring import continue_rescore
from services.qualify.seed import seed
from services.qualify.settings import Settings
from services.qualify.store.unit import Compiled, Qualify
from services.qualify.web import pages_router
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.jobs import Jobs
from shared.runtime.parts import Alarm
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit import Transactions

NAME = "qualify"
MIGRATIONS = Path(__file__).parent / "migrations"
MAX_BODY_BYTES = 256 * 1024
"""A definition of 200 criteria with levels has room in it."""
LOOK_SECONDS = 15.0
"""How often it is looked for a re-scoring that another process began, or that one left behind."""
RESCORED_AT_ONCE = 100
"""Leads that are scored anew in one transaction."""


def build(settings: Settings, infra: Infra) -> Service:
    """Scores leads by the published definition and makes MQLs of those who reach its threshold."""
    rescoring = Alarm(
        "qualify.rescore",
        look=lambda: _rescore(transactions, settings.rescore_per_second),
        at_most=LOOK_SECONDS,
    )
    transactions = Transactions(
        infra.db,
        infra.clock,
        partial(Qualify, compiled=Compiled(), rescoring=rescoring.soon),
    )
    app = create_app(
        NAME,
        "qualify",
        infra,
        description="Versioned lead definitions, and every lead's score explained.",
        max_body=MAX_BODY_BYTES,
    )
    jobs = Jobs("qualify.analysis")
    analyse = analysing(jobs, infra.db.url)
    app.include_router(http.router(transactions, analyse))
    app.include_router(pages_router(transactions, analyse))
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
        parts=[jobs, consumer, rescoring, *standard_parts(infra, NAME, transactions)],
        seed=lambda: seed(transactions),
    )


async def _rescore(transactions: Transactions[Qualify], per_second: int) -> float | None:
    """Score the next open leads anew; the seconds until those after them, None without any."""
    begun = time.monotonic()
    limit = min(per_second, RESCORED_AT_ONCE)
    done = await transactions.run(lambda unit: continue_rescore(unit, limit))
    if done is None:
        return None
    return max(done / per_second - (time.monotonic() - begun), 0.0)
