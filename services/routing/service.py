"""Routing: hands each MQL to exactly one rep and runs the clock on their answer."""

from pathlib import Path

from services.routing.consumer import GROUP, HANDLERS
from services.routing.domain.policy import STARTER
from services.routing.domain.reps import Rep
from services.routing.handlers import deadlines, setting_up
from services.routing.http.assignments import assignments_router
from services.routing.http.reps import reps_router
from services.routing.http.stream import Changes, stream_router
from services.routing.metrics import UNROUTED_NOW
from services.routing.settings import Settings
from services.routing.store import reads
from services.routing.store.work import RoutingWork, Wakes
from services.routing.web.pages import pages_router
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.parts import Timer
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit_of_work import Transactions

HERE = Path(__file__).parent
SAMPLE_REPS = (
    Rep("rep-ana", "Ana Almeida", "ana@reps.example", 1, 20, True, "Europe/Lisbon"),
    Rep("rep-ben", "Ben Baker", "ben@reps.example", 1, 20, True, "Europe/London"),
    Rep("rep-chloe", "Chloe Caron", "chloe@reps.example", 2, 20, True, "Europe/Paris"),
)


def build(settings: Settings, infra: Infra) -> Service:
    """Routing's application and parts."""
    hub = Changes(infra.db)
    sweeper = Timer("routing.sweep", every=settings.tick_seconds, run=lambda: _sweep(transactions))
    breaches = Timer(
        "routing.deadlines", every=settings.tick_seconds, run=lambda: _expire(transactions)
    )
    wakes = Wakes(changed=hub.soon, room=sweeper.soon)
    transactions = Transactions(
        infra.db, "routing", infra.clock, lambda conn: RoutingWork(conn, infra.clock, wakes)
    )
    consumer = Consumer(
        "routing",
        GROUP,
        topics_read_by("routing"),
        HANDLERS,
        transactions,
        infra.bus,
        infra.clock,
    )
    app = create_app("routing", "routing", infra, description=__doc__ or "")
    app.include_router(reps_router(transactions))
    app.include_router(assignments_router(transactions))
    app.include_router(stream_router(hub))
    app.include_router(pages_router(transactions))
    return Service(
        name="routing",
        app=app,
        db=infra.db,
        migrations=HERE / "migrations",
        parts=[*standard_parts(infra, transactions), consumer, breaches, sweeper, hub],
        seed=lambda: _seed(transactions),
    )


async def _expire(transactions: Transactions[RoutingWork]) -> int:
    async with transactions.db.read() as conn:
        if not await reads.any_overdue(conn):
            return 0
    async with transactions.begin() as work:
        return await deadlines.expire_overdue(work)


async def _sweep(transactions: Transactions[RoutingWork]) -> int:
    async with transactions.db.read() as conn:
        count, due = await reads.unrouted(conn)
        UNROUTED_NOW.set(count)
        if not due or not await reads.anybody_has_room(conn):
            return 0
    async with transactions.begin() as work:
        return await deadlines.sweep_unrouted(work)


async def _seed(transactions: Transactions[RoutingWork]) -> None:
    """A policy and three reps, where there is neither."""
    async with transactions.begin() as work:
        await work.pool()
        if (await work.policy()).version == 0:
            await setting_up.put_policy(work, STARTER)
        if not await work.reps.ids():
            for rep in SAMPLE_REPS:
                await work.reps.add(rep)
