"""Times to first touch, cohorts and conversion, against examples by hand and against Kaplan and
Meier's estimate written down plainly."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert

from services.feedback.store import figures
from services.feedback.store.tables import lead_stages
from shared.contracts.ids import new_id
from tests.services.feedback.lives import Feedback

Rows = Sequence[dict[str, datetime | None]]
_HUMAN = ("first_acknowledged_at", "first_accepted_at", "first_rejected_at")


@dataclass(frozen=True, slots=True)
class Duration:
    """How long something took, or has taken so far when it is still going on (censored)."""

    seconds: float
    ended: bool


def quantile(durations: Iterable[Duration], share: float) -> float | None:
    """The time by which ``share`` of all will have ended, in seconds (Kaplan and Meier 1958).

    Those still going on count as waiting for as long as they have; dropping them would make a team
    that never answers look fast. None when the curve never gets that far.
    """
    rows = sorted(durations, key=lambda d: (d.seconds, not d.ended))
    at_risk, survival, index = len(rows), 1.0, 0
    while index < len(rows):
        moment, ended, left = rows[index].seconds, 0, 0
        while index < len(rows) and rows[index].seconds == moment:
            ended += rows[index].ended
            left += 1
            index += 1
        survival *= 1 - ended / at_risk
        at_risk -= left
        if ended and survival <= 1 - share + 1e-12:
            return moment
    return None


def spread(durations: list[Duration]) -> dict[str, float | int | None]:
    """Median and p90 in seconds, with how many were counted and how many still go on."""
    return {
        "leads": len(durations),
        "censored": sum(not d.ended for d in durations),
        "median_seconds": quantile(durations, 0.5),
        "p90_seconds": quantile(durations, 0.9),
    }


def until(start: datetime | None, end: datetime | None, now: datetime) -> Duration | None:
    """From start to end, or to now while there is no end; None when it has not started."""
    if start is None:
        return None
    seconds = ((end or now) - start).total_seconds()
    return Duration(max(seconds, 0.0), end is not None)


def first_touch(rows: Rows, now: datetime) -> dict[str, Any]:
    """The reference: all in Python."""
    parts: dict[str, list[Duration | None]] = {"whole": [], "processing": [], "rep": []}
    for row in rows:
        touched = min((at for name in _HUMAN if (at := row.get(name)) is not None), default=None)
        captured, assigned = row.get("captured_at"), row.get("first_assigned_at")
        parts["whole"].append(until(captured, touched, now))
        parts["processing"].append(until(captured, assigned, now))
        parts["rep"].append(until(assigned, touched, now))
    known = {name: spread([d for d in found if d is not None]) for name, found in parts.items()}
    return {**known["whole"], "processing": known["processing"], "rep": known["rep"]}


def store(conn: Connection, rows: Rows) -> None:
    """These leads and no others."""
    conn.execute(delete(lead_stages))
    names = ("captured_at", "first_mql_at", "first_assigned_at", "first_sql_at", *_HUMAN)
    for row in rows:
        values = {
            **dict.fromkeys(names),
            **row,
            "lead_id": new_id(),
            "stage": "MQL",
            "criteria": [],
            **dict.fromkeys(("place_cycle", "place_phase", "place_attempt", "place_step"), 0),
        }
        conn.execute(insert(lead_stages).values(**values))


async def touched_after(
    feedback: Feedback, ended: Sequence[float], waiting: Sequence[float] = ()
) -> dict[str, Any]:
    """What is said of leads that were touched so many seconds after their capture, and of others
    that have waited for so long."""
    now = feedback.clock.now()
    start = now - timedelta(days=1)
    rows: list[dict[str, datetime | None]] = [
        {
            "captured_at": start,
            "first_mql_at": start,
            "first_accepted_at": start + timedelta(seconds=seconds),
        }
        for seconds in ended
    ]
    rows += [
        {"captured_at": now - timedelta(seconds=seconds), "first_mql_at": now}
        for seconds in waiting
    ]
    await feedback.db.write(lambda conn: store(conn, rows))
    return await feedback.ask(figures.first_touch, now)


async def test_without_censoring_it_is_the_plain_quantile(feedback: Feedback) -> None:
    found = await touched_after(feedback, range(1, 11))
    assert (found["median_seconds"], found["p90_seconds"]) == (5, 9)


async def test_who_still_waits_makes_it_longer(feedback: Feedback) -> None:
    """Survival by hand: 4/5 = .8 at 1, .8 * 3/4 = .6 at 2; 3 is censored; .6 * 1/2 = .3 at 4."""
    found = await touched_after(feedback, (1, 2, 4), waiting=(3, 5))
    assert (found["leads"], found["censored"]) == (5, 2)
    assert (found["median_seconds"], found["p90_seconds"]) == (4, None)
    dropped = await touched_after(feedback, (1, 2, 4))
    assert dropped["median_seconds"] == 2  # what dropping them would claim


async def test_nobody_answered(feedback: Feedback) -> None:
    found = await touched_after(feedback, (), waiting=(10, 10, 10))
    nobody = {"leads": 3, "censored": 3, "median_seconds": None, "p90_seconds": None}
    assert {name: found[name] for name in nobody} == nobody
    nothing = {"leads": 0, "censored": 0, "median_seconds": None, "p90_seconds": None}
    assert found["rep"] == nothing
    assert (await touched_after(feedback, ()))["processing"] == nothing


async def test_a_touch_before_the_capture_took_no_time(feedback: Feedback) -> None:
    """Clocks differ."""
    assert (await touched_after(feedback, (-3, -3, 0.25)))["median_seconds"] == 0


def random_rows(random: Random, now: datetime) -> Rows:
    """Leads with gaps, ties, and clocks that differ."""
    step = random.choice([timedelta(microseconds=1), timedelta(seconds=0.5), timedelta(hours=7)])
    rows: list[dict[str, datetime | None]] = []
    for _ in range(random.randint(1, 60)):
        captured = now - random.randint(0, 40) * step
        row: dict[str, datetime | None] = {"captured_at": captured, "first_mql_at": captured}
        for name in ("first_assigned_at", *_HUMAN):
            if random.random() < 0.5:
                row[name] = captured + random.randint(-3, 30) * step
        if random.random() < 0.1:
            row["captured_at"] = None
        rows.append(row)
    return rows


async def test_the_database_comes_to_what_python_does(feedback: Feedback) -> None:
    now = feedback.clock.now()
    random, quantiles = Random(11), set()
    for _ in range(25):
        rows = random_rows(random, now)
        await feedback.db.write(lambda conn, rows=rows: store(conn, rows))
        found = await feedback.ask(figures.first_touch, now)
        assert found == first_touch(rows, now)
        quantiles.add(found["median_seconds"])
        weeks = Counter(f"{row['first_mql_at']:%G-W%V}" for row in rows)
        assert {row["week"]: row["mqls"] for row in await feedback.ask(figures.cohorts)} == dict(
            sorted(weeks.items())[-figures.COHORT_WEEKS :]
        )
    assert len(quantiles) > 10


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_sqlite_without_logarithms_is_given_them(feedback: Feedback) -> None:
    calls: list[float] = []

    def counted(number: float) -> float:
        calls.append(number)
        return math.log(number)

    def ask(conn: Connection) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(figures.math, "log", counted)
            figures.give_logarithms(conn)
        return figures.first_touch(conn, feedback.clock.now())

    before = await touched_after(feedback, (1, 2, 4), waiting=(3, 5))
    assert await feedback.db.read(ask) == before
    assert len(calls) > 3


async def test_an_sql_counts_up_to_the_ninetieth_day(feedback: Feedback) -> None:
    now = feedback.clock.now()
    days, mql = timedelta(days=90), now - timedelta(days=90)
    rows = [
        {"first_mql_at": mql, "first_sql_at": mql + days},
        {"first_mql_at": mql - days, "first_sql_at": mql + timedelta(microseconds=1)},
        {"first_mql_at": mql - days, "first_sql_at": None},
        {"first_mql_at": mql + timedelta(microseconds=1), "first_sql_at": now},  # too young
    ]
    await feedback.db.write(lambda conn: store(conn, rows))
    found = (await feedback.metrics())["mql_to_sql"]
    assert (found["count"], found["of"]) == (1, 3)
