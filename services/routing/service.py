"""Routing, put together: its table of contents."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.routing.consumer import HANDLERS
from services.routing.domain.accounts import Remembered
from services.routing.domain.policy import STARTER, Compiled
from services.routing.domain.pool_record import Records
from services.routing.domain.reps import Status
from services.routing.handlers import deadlines, policies, setting_up
from services.routing.http.accounts import accounts_router
from services.routing.http.assignments import assignments_router
from services.routing.http.board import board_router
from services.routing.http.notifications import notifications_router
from services.routing.http.policies import policies_router
from services.routing.http.replays import replays_router
from services.routing.http.reps import reps_router
from services.routing.http.simulations import simulations_router
from services.routing.http.stream import Changes, stream_router
from services.routing.http.working import working_router
from services.routing.joining import keep_leavers_out
from services.routing.metrics import UNROUTED_NOW
from services.routing.notifying.media import Carrier, Media
from services.routing.notifying.push import PURPOSE, PushKey, contact_of
from services.routing.notifying.sender import Sender, count_failing, forget
from services.routing.open_links import OpenLinks
from services.routing.settings import Settings
from services.routing.simulating import Simulate, simulating
from services.routing.store import queries
from services.routing.store.unit import Routing, Wakes
from services.routing.web.pages import pages_router
from shared.contracts.topics import topics_read_by
from shared.runtime.consumer import Consumer
from shared.runtime.http import create_app
from shared.runtime.jobs import Jobs
from shared.runtime.mail import Mailer
from shared.runtime.outgoing import Outgoing
from shared.runtime.parts import Alarm, Timer
from shared.runtime.service import KEEP_SECONDS, Infra, Service, standard_parts
from shared.runtime.unit import Transactions

NAME = "routing"
MIGRATIONS = Path(__file__).parent / "migrations"
AT_MOST = {"sqlite": 15.0, "postgresql": 2.0}
"""Longest time between two looks at the clock: in a SQLite file nobody else sets deadlines."""
MAX_BODY_BYTES = 1024 * 1024
"""Some ten thousand accounts in one table; only admins may send one."""
COUNT_SECONDS = 15.0
"""How often the leads that nobody has are counted for operators, and messages that fail."""
LEAVERS_SECONDS = 15.0
"""How often it is made sure that whoever is gone has no key, whatever came between."""
SAMPLE_REPS = (
    ("rep-ana", "Ana Almeida", "ana@reps.example", 1, "Europe/Lisbon"),
    ("rep-ben", "Ben Baker", "ben@reps.example", 1, "Europe/London"),
    ("rep-chloe", "Chloe Caron", "chloe@reps.example", 2, "Europe/Paris"),
)


def build(settings: Settings, infra: Infra) -> Service:
    """Hands each MQL to exactly one rep and runs the clock on their answer."""
    at_most = AT_MOST[infra.db.dialect]
    hub = Changes(infra.db)
    breaches = Alarm("routing.deadlines", look=lambda: _expire(transactions), at_most=at_most)
    sweeper = Alarm("routing.sweep", look=lambda: _sweep(transactions), at_most=at_most)
    count = Timer("routing.count", every=COUNT_SECONDS, run=lambda: _count(transactions))
    leavers = Timer(
        "routing.leavers",
        every=LEAVERS_SECONDS,
        run=lambda: keep_leavers_out(infra.access, infra.db),
    )
    old = Timer("routing.old-notices", every=KEEP_SECONDS, run=lambda: forget(transactions))
    wakes = Wakes(
        changed=hub.tell,
        due=breaches.soon,
        retry=sweeper.soon,
        tell=lambda seconds: sender.soon(seconds),  # noqa: PLW0108 - there is none yet
    )
    outward = infra.outward
    transactions = Transactions(
        infra.db,
        infra.clock,
        partial(
            Routing,
            compiled=Compiled(),
            remembered=Remembered(),
            records=Records(),
            wakes=wakes,
            mail=outward.mail is not None,
        ),
    )
    jobs = Jobs("routing.simulation")
    simulate = simulating(jobs, infra.db.url)
    links = OpenLinks(infra.access, outward.public_url)
    outgoing = Outgoing(outward.allowed)
    contact = contact_of(outward)
    mailer = None if outward.mail is None else Mailer(outward.mail, infra.clock)

    def carrier() -> Carrier:
        return Carrier(PushKey(infra.access.sessions.derived(PURPOSE)), contact)

    sender = Sender(transactions, Media(outgoing, mailer, carrier), links, at_most=at_most)
    app = _app(infra, transactions, hub, outgoing, links, simulate)
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
        parts=[
            *(jobs, consumer, breaches, sweeper, sender, count, leavers, old, hub),
            *standard_parts(infra, NAME, transactions),
        ],
        seed=lambda: transactions.run_here(_seed),
    )


def _app(
    infra: Infra,
    transactions: Transactions[Routing],
    hub: Changes,
    outgoing: Outgoing,
    links: OpenLinks,
    simulate: Simulate,
) -> FastAPI:
    app = create_app(
        NAME,
        "routing",
        infra,
        max_body=MAX_BODY_BYTES,
        description="Hands each MQL to exactly one rep and runs the clock on their answer.",
    )
    mail = infra.outward.mail is not None
    app.include_router(reps_router(transactions))
    app.include_router(policies_router(transactions))
    app.include_router(replays_router(infra.db))
    app.include_router(simulations_router(infra.db, simulate))
    app.include_router(accounts_router(transactions))
    app.include_router(assignments_router(transactions))
    app.include_router(working_router(transactions))
    app.include_router(board_router(transactions))
    app.include_router(stream_router(hub))
    app.include_router(notifications_router(transactions, outgoing, mail=mail))
    app.include_router(
        pages_router(transactions, infra.peers, outgoing, links, simulate, mail=mail)
    )
    return app


async def _expire(transactions: Transactions[Routing]) -> float | None:
    seconds = await transactions.db.read(queries.seconds_to_deadline)
    if seconds is None or seconds > 0:
        return seconds
    done = await transactions.run(deadlines.expire_overdue)
    done += await transactions.run(deadlines.warn)
    return 0.0 if done else 0.1  # another process is at it


async def _sweep(transactions: Transactions[Routing]) -> float | None:
    seconds = await transactions.db.read(queries.seconds_to_retry)
    if seconds is None or seconds > 0:
        return seconds
    looked_at = await transactions.run(deadlines.sweep_unrouted)
    return 0.0 if looked_at else None  # whoever has room again wakes us


async def _count(transactions: Transactions[Routing]) -> int:
    UNROUTED_NOW.set(await transactions.db.read(queries.count_unrouted))
    return await count_failing(transactions)


def _seed(unit: Routing) -> None:
    """A policy and three reps, where there is neither."""
    nobody = not unit.pool().reps
    if unit.policy().version == 0:
        policies.put_policy(unit, STARTER)
    for rep_id, name, email, weight, time_zone in SAMPLE_REPS if nobody else ():
        values = {"rep_id": rep_id, "name": name, "email": email, "weight": weight}
        more = {"capacity": 20, "status": Status.AVAILABLE, "time_zone": time_zone}
        setting_up.add_rep(unit, {**values, **more})
