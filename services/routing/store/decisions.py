"""Stored decisions and what they rested on, as replays and simulations read them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from services.routing.domain.explanation import Explanation
from services.routing.domain.pool_record import PoolRecord
from services.routing.store.aggregates import DECISIONS, POOLS
from services.routing.store.tables import decisions
from shared.db.statements import Statement, one_of

Place = tuple[datetime, str]
"""Where a reader of decisions is: the moment and the id of the last one."""
_CHAINS = Statement(
    lambda dialect: POOLS.select(
        "chain_id IN (SELECT chain_id FROM pools WHERE "  # noqa: S608
        f"{one_of('pool_id', 'ids', dialect)}) AND pool_id <= :last"
    )
)
_OF_RECORDS = Statement(
    lambda dialect: DECISIONS.select(
        f"decided_at BETWEEN :first AND :last AND {one_of('pool_id', 'ids', dialect)}"
    )
)
_OWNERS = Statement(
    lambda dialect: (
        "SELECT lead_id, cycle, attempt, rep_id FROM assignments "  # noqa: S608
        f"WHERE {one_of('lead_id', 'ids', dialect)}"
    )
)


def between(
    conn: Connection,
    since: datetime | None,
    until: datetime | None,
    after: Place | None,
    limit: int,
) -> list[Explanation]:
    """Decisions of a window (``since`` in it, ``until`` not) behind a place, oldest first."""
    query = DECISIONS.query().where(*_window(since, until))
    if after is not None:
        moment, decision_id = after
        query = query.where(
            decisions.c.decided_at >= moment,
            (decisions.c.decided_at > moment) | (decisions.c.decision_id > decision_id),
        )
    order = (decisions.c.decided_at, decisions.c.decision_id)
    return DECISIONS.items(conn.execute(query.order_by(*order).limit(limit)))


def count(conn: Connection, since: datetime | None, until: datetime | None) -> int:
    """How many decisions a window has."""
    counted = select(func.count()).select_from(decisions).where(*_window(since, until))
    return int(conn.execute(counted).scalar_one())


def chains(conn: Connection, pool_ids: Collection[str]) -> list[PoolRecord]:
    """These records, and those before them in their chains."""
    if not pool_ids:
        return []
    item = POOLS.codec(conn.dialect.name).item
    found = _CHAINS.run(conn, ids=list(set(pool_ids)), last=max(pool_ids))
    return [item(row) for row in found]


def of_records(conn: Connection, records: Sequence[PoolRecord]) -> list[Explanation]:
    """The decisions that rested on these records."""
    if not records:
        return []
    item = DECISIONS.codec(conn.dialect.name).item
    times = [one.at for one in records]
    ids = [one.pool_id for one in records]
    return [item(r) for r in _OF_RECORDS.run(conn, first=min(times), last=max(times), ids=ids)]


def owners(conn: Connection, page: Sequence[Explanation]) -> dict[tuple[str, int, int], str]:
    """Who was assigned each attempt of the leads of these decisions."""
    ids = list({one.lead_id for one in page})
    return {(r.lead_id, r.cycle, r.attempt): r.rep_id for r in _OWNERS.run(conn, ids=ids)}


def _window(since: datetime | None, until: datetime | None) -> list[Any]:
    found: list[Any] = []
    if since is not None:
        found.append(decisions.c.decided_at >= since)
    if until is not None:
        found.append(decisions.c.decided_at < until)
    return found
