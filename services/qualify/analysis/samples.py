"""Past decisions as a table: one row for each lead and each time it was an MQL.

Of a lead that became an MQL it is the decision that made it one; of a lead that never was, the
newest of the window that a signal of its own led to. Read in pages, newest first, without an object
for each row.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import orjson
from sqlalchemy import Connection

from services.qualify.analysis.labels import BAD, GOOD, Label, Told, group_of
from services.qualify.domain.decision import RESCORED
from shared.db.statements import Statement
from shared.db.types import read_time
from shared.scorecard.figures import UNKNOWN, Judged, exploration_weights
from shared.scorecard.rules import Activity
from shared.scorecard.table import Mask, Row, Table

PAGE: Final = 5000
MOST: Final = 500_000
"""Leads that are looked at; of more, the newest."""

_TOLD: Final = ", ".join(f"a.{name}" for name in Told._fields)
_A_SIGNALS: Final = f"{{}}.\"trigger\" <> '{RESCORED}'"
"""Re-scoring decides about everybody on one day, and nobody came that day."""
_PAGE: Final = Statement(
    "SELECT d.decided_at, d.decision_id, d.lead_id, d.cycle, d.score, d.threshold, "  # noqa: S608
    "d.exploration_rate, CAST(d.facts AS text) AS facts, "
    "CAST(d.attribution AS text) AS attribution, CAST(d.activities AS text) AS activities, "
    f"a.rep_id, {_TOLD} "
    "FROM decisions AS d LEFT JOIN answers AS a ON a.lead_id = d.lead_id AND a.cycle = d.cycle "
    "WHERE (d.decided_at, d.decision_id) < (:before, :id) AND d.decided_at >= :since "
    f"AND ((d.moved AND d.stage = 'MQL') OR (d.cycle = 0 AND {_A_SIGNALS.format('d')} "
    "AND NOT EXISTS ("
    "SELECT 1 FROM decisions AS e WHERE e.lead_id = d.lead_id AND e.decision_id > d.decision_id "
    f"AND e.decided_at < :until AND (e.cycle > 0 OR {_A_SIGNALS.format('e')})))) "
    "ORDER BY d.decided_at DESC, d.decision_id DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Samples:
    """Leads with what became of them. ``groups`` are good, bad, or why there is no label."""

    table: Table
    judged: Judged
    groups: list[str]
    explored: Mask
    """Who reached a rep below the threshold that decided."""
    reps: int
    """How many reps had any of them."""
    cut: bool
    """Whether there were more than ``MOST``."""


def load(
    conn: Connection,
    since: datetime,
    until: datetime,
    now: datetime,
    label: Label = "accepted",
    fields: Iterable[str] | None = None,
    most: int = MOST,
) -> Samples:
    """The leads that were decided about from ``since`` to before ``until``."""
    reading = _Reading(label, now)
    table = Table.of(reading.rows(_pages(conn, since, until, most)), fields)
    groups = reading.groups
    labels = [1 if one == GOOD else 0 if one == BAD else UNKNOWN for one in groups]
    below = np.array(reading.below, np.bool_)
    return Samples(
        table,
        Judged(
            np.array(labels, np.int64),
            exploration_weights(below, np.array(reading.rates, np.float64)),
            below,
        ),
        groups,
        np.array(reading.explored, np.bool_),
        len(reading.reps),
        len(groups) >= most,
    )


class _Reading:
    """What is kept of each row beside the table."""

    def __init__(self, label: Label, now: datetime) -> None:
        self._label = label
        self._now = now
        self.groups: list[str] = []
        self.below: list[bool] = []
        self.explored: list[bool] = []
        self.rates: list[float] = []
        self.reps: set[str] = set()

    def rows(self, found: Iterable[Any]) -> Iterator[Row]:
        """The rows of the table, one by one."""
        first = len(Told._fields)
        for row in found:
            decided_at = moment(row.decided_at)
            below = row.score < row.threshold
            if row.cycle:
                told = Told(*row[-first : 2 - first], *map(_moment, row[2 - first :]))
                self.groups.append(group_of(self._label, told, decided_at, self._now))
            else:
                self.groups.append("below")
            self.below.append(below)
            self.explored.append(below and row.cycle > 0)
            self.rates.append(row.exploration_rate)
            if row.rep_id is not None:
                self.reps.add(row.rep_id)
            yield Row(
                row.lead_id,
                orjson.loads(row.facts),
                orjson.loads(row.attribution),
                activities_of(row.activities),
                decided_at,
            )


def _pages(conn: Connection, since: datetime, until: datetime, most: int) -> Iterator[Any]:
    before, last = until, ""
    while most > 0:
        asked = {"before": before, "id": last, "since": since, "until": until}
        page = _PAGE.run(conn, **asked, limit=min(PAGE, most)).all()
        yield from page
        if len(page) < PAGE:
            return
        most -= len(page)
        before, last = moment(page[-1].decided_at), page[-1].decision_id


def activities_of(stored: str) -> Mapping[str, Activity]:
    """Activities by kind, from JSON."""
    if stored == "{}":
        return {}
    read = datetime.fromisoformat
    return {
        kind: Activity(
            one["count"], read(one["last_at"]), tuple(map(read, one.get("recent") or ()))
        )
        for kind, one in orjson.loads(stored).items()
    }


def moment(stored: Any) -> datetime:
    """A time as either database gives it."""
    return read_time(stored) if isinstance(stored, str) else stored.astimezone(UTC)


def _moment(stored: Any) -> datetime | None:
    return None if stored is None else moment(stored)
