"""Feedback's list of leads and its search, with very many leads."""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from rich.table import Table
from sqlalchemy import Connection, Index, select

from services.feedback.service import MIGRATIONS, NAME
from services.feedback.store.leads import (
    LeadFilter,
    Place,
    Sort,
    count_leads,
    known_values,
    list_leads,
    place_of,
)
from services.feedback.store.tables import lead_stages
from services.feedback.store.unit import Feedback
from shared.contracts.vocabulary import Stage
from shared.db.database import Database
from shared.runtime.clock import SystemClock
from shared.runtime.unit import Transactions
from tests.bench.desk.crowd import (
    FIRST,
    FREQUENT_CAMPAIGN,
    REPS,
    crowd,
    fill_postgresql,
    fill_sqlite,
)
from tests.bench.desk.report import Report, databases, opened, spread
from tests.bench.load import percentile

SHOWN: Final = 51
"""What the page asks for: fifty, and one to know whether there are more."""
TIMES: Final = 60
SLOW: Final = 0.2
"""Seconds; nobody should wait longer for a page."""

STAGES: Final = (Stage.ACCEPTED, Stage.UNROUTED, Stage.NURTURE)
IN_STAGE: Final = (Sort.NEWEST, Sort.MOVED_LAST, Sort.WAITING_LONGEST)

Question = Callable[[Connection], object]


async def measure(report: Report) -> None:
    """How long the list takes to answer, on both databases."""
    table = Table("list of leads", "sqlite", "postgresql", title=f"{report.stored:,} leads")
    told: dict[str, dict[str, str]] = {}
    with databases(report.folder) as make:
        for dialect in ("sqlite", "postgresql"):
            url = make(dialect, "crowd")
            db = opened(url, NAME, MIGRATIONS)
            began = time.perf_counter()
            if dialect == "sqlite":
                words = fill_sqlite(report.folder / "crowd" / "feedback.db", report.stored)
            else:
                words = fill_postgresql(url, report.stored)
            report.console.print(
                f"  {dialect}: {words:,} words in {time.perf_counter() - began:.0f} s"
            )
            for name, seconds in answers(db, report.stored):
                slow = " SLOW" if percentile(seconds, 0.99) > SLOW else ""
                told.setdefault(name, {})[dialect] = spread(seconds) + slow
                report.console.print(f"  {dialect} {name}: {spread(seconds)}{slow}")
            ratio, measured = cost_of_order(db)
            told.setdefault("moving a lead ÷ without the indexes", {})[dialect] = measured
            report.line(f"moving a lead ÷ without the list's indexes, {dialect}", measured, ratio)
            db.close()
    for name, by in told.items():
        table.add_row(name, by["sqlite"], by["postgresql"])
    report.console.print(table)


ORDERS: Final = ("lead_stages_of_stage", "lead_stages_by_since", "lead_stages_by_score")
"""Indexes that only the list needs."""
MOVED: Final = 3_000
BATCH: Final = 100


def cost_of_order(db: Database, turns: int = 2) -> tuple[float, str]:
    """What it takes to move new leads from stage to stage, batch by batch, and what it takes
    without the indexes of the list's orders, in turns."""
    with db.connect() as conn:
        newest = select(lead_stages.c.lead_id).order_by(lead_stages.c.lead_id.desc())
        ids = list(conn.execute(newest.limit(2 * turns * MOVED)).scalars())
    random.Random(3).shuffle(ids)
    parts = iter([ids[at :: 2 * turns] for at in range(2 * turns)])
    whole, bare = [], []
    for _ in range(turns):
        whole.append(_moved(db, next(parts)))
        with db.begin() as conn:
            for index in _orders():
                index.drop(conn)
        bare.append(_moved(db, next(parts)))
        with db.begin() as conn:
            for index in _orders():
                index.create(conn)
    one, other = statistics.median(whole), statistics.median(bare)
    return one / other, f"{one * 1e6:,.0f} ÷ {other * 1e6:,.0f} µs each"


def _orders() -> list[Index]:
    return [index for index in lead_stages.indexes if index.name in ORDERS]


def _moved(db: Database, ids: list[str]) -> float:
    """Seconds a lead."""
    transactions = Transactions(db, SystemClock(), Feedback)

    def move(unit: Feedback) -> None:
        for lead in unit.leads:
            unit.leads.put(replace(lead, stage=Stage.WON, since=unit.now))

    began = time.perf_counter()
    for start in range(0, len(ids), BATCH):
        transactions.run_here(move, ids[start : start + BATCH])
    return (time.perf_counter() - began) / max(1, len(ids))


def answers(db: Database, number: int) -> Iterator[tuple[str, list[float]]]:
    """Each kind of question, asked again and again about different leads: its name and seconds."""
    dice = random.Random(2)
    known = [person for _, person in islice(crowd(number), min(number, 2000))]
    small = max(1, number // 50)

    def some_name() -> str:
        return (dice.choice(known).name or "").split()[1]

    kinds: dict[str, Callable[[], LeadFilter]] = {
        "newest page": LeadFilter,
        "a frequent campaign": lambda: LeadFilter(campaign=FREQUENT_CAMPAIGN),
        "a rare campaign": lambda: LeadFilter(campaign=f"campaign-{dice.randrange(small)}"),
        "an owner": lambda: LeadFilter(rep_id=f"rep-{dice.randrange(REPS)}"),
        "a rep's own": lambda: LeadFilter(own_of=f"rep-{dice.randrange(REPS)}"),
        "a source": lambda: LeadFilter(source="fair"),
        "search: a rare name": lambda: LeadFilter(words=some_name()),
        "search: a frequent first name": lambda: LeadFilter(words=dice.choice(FIRST[:5])),
        "search: two letters": lambda: LeadFilter(words=dice.choice(FIRST)[:2]),
        "search: first and last name": lambda: LeadFilter(words=dice.choice(known).name or ""),
        "search: first name and a company": lambda: LeadFilter(
            words=f"{dice.choice(FIRST[:5])} {(dice.choice(known).company or '').split()[0]}"
        ),
        "search: two frequent words": lambda: LeadFilter(words=f"{dice.choice(FIRST[:5])} gmbh"),
        "search: nobody": lambda: LeadFilter(words="quux"),
        "search: phone": lambda: LeadFilter(words=(dice.choice(known).phone or "")[3:]),
        "e-mail exact": lambda: LeadFilter(email=dice.choice(known).email),
        "a frequent name of an owner": lambda: LeadFilter(
            words=FIRST[0], rep_id=f"rep-{dice.randrange(REPS)}"
        ),
    }
    with db.connect() as conn:
        for name, wish in kinds.items():
            yield name, _asked(conn, partial(_first_page, wish))
            if name != "newest page":
                yield name + ", count", _asked(conn, partial(_counted, wish))
        yield "all, count", _asked(conn, lambda: _count(LeadFilter()))
        place = _deep(conn, LeadFilter(), Sort.NEWEST)
        yield "page 20", _asked(conn, lambda: _page(LeadFilter(), Sort.NEWEST, place))
        orders = [
            *((stage, sort) for stage in STAGES for sort in IN_STAGE),
            *((None, sort) for sort in (Sort.MOVED_LAST, Sort.BEST)),
        ]
        for stage, sort in orders:
            listed = LeadFilter(stages=(stage,) if stage else ())
            what = f"stage {stage.value}, by {sort.value}" if stage else f"all, by {sort.value}"
            yield what, _asked(conn, partial(_page, listed, sort))
            place = _deep(conn, listed, sort)
            yield what + ", page 20", _asked(conn, partial(_page, listed, sort, place))
        owner = replace(LeadFilter(), rep_id="rep-7", stages=(Stage.ACCEPTED, Stage.SQL))
        yield "an owner's open, by since", _asked(conn, lambda: _page(owner, Sort.WAITING_LONGEST))
        yield "what may be chosen", _asked(conn, lambda: known_values)


def _first_page(wish: Callable[[], LeadFilter]) -> Question:
    return _page(wish())


def _counted(wish: Callable[[], LeadFilter]) -> Question:
    return _count(wish())


def _page(wish: LeadFilter, sort: Sort = Sort.NEWEST, after: Place | None = None) -> Question:
    return lambda conn: list_leads(conn, wish, sort, after, SHOWN)


def _count(wish: LeadFilter) -> Question:
    return lambda conn: count_leads(conn, wish)


def _deep(conn: Connection, wish: LeadFilter, sort: Sort) -> Place | None:
    """Where page 20 begins."""
    place = None
    for _ in range(19):
        page = list_leads(conn, wish, sort, place, SHOWN - 1)
        if page:
            place = place_of(page[-1], sort)
    return place


def _asked(conn: Connection, question: Callable[[], Question]) -> list[float]:
    """Seconds of each time; not again and again where it takes long."""
    found: list[float] = []
    while len(found) < TIMES and sum(found) < 3:
        ask = question()
        began = time.perf_counter()
        ask(conn)
        found.append(time.perf_counter() - began)
    return found
