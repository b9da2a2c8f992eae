"""Stored decisions and what they rested on, as replays and simulations read them."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, select

from services.routing.domain.asked import Asked, LeadAccount
from services.routing.domain.assignment import Assignment
from services.routing.domain.explanation import Explanation
from services.routing.domain.lead import Lead
from services.routing.domain.past import Past, PastLead
from services.routing.domain.policy import Policy
from services.routing.domain.pool_record import Figures, PoolRecord
from services.routing.domain.replay import replayed
from services.routing.store.aggregates import ASSIGNMENTS, DECISIONS, LEADS, POOLS
from services.routing.store.tables import decisions
from shared.db.statements import Statement, one_of
from shared.db.types import read_time

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
_CAME = Statement(
    "SELECT lead_id, cycle, min(decision_id) AS first, min(decided_at) AS at FROM decisions "
    "WHERE decided_at >= :first AND decided_at < :last "
    "GROUP BY lead_id, cycle ORDER BY at DESC, first DESC LIMIT :most"
)
_FIRST = Statement(lambda dialect: DECISIONS.select(one_of("decision_id", "ids", dialect)))
_LEADS = Statement(lambda dialect: LEADS.select(one_of("lead_id", "ids", dialect)))
_ATTEMPTS = Statement(lambda dialect: ASSIGNMENTS.select(one_of("lead_id", "ids", dialect)))
_OPEN_BEFORE = Statement(
    lambda dialect: ASSIGNMENTS.select(
        f"{one_of('rep_id', 'rep_ids', dialect)} AND updated_at > :first AND assigned_at < :first"
    )
)
_CHUNK = 2000
"""Leads that are read at once."""


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


def past(
    conn: Connection,
    first: datetime,
    last: datetime,
    rep_ids: Collection[str],
    policy_of: Callable[[int], Policy | None],
    most: int,
) -> tuple[Past, bool, int]:
    """The newest ``most`` leads that came in a time, with what became of them and how the reps
    stood when it began; whether there were more; and how many have come again since, whose facts
    of that time are not kept."""
    rows = list(_CAME.run(conn, first=first, last=last, most=most + 1))
    cut, rows = len(rows) > most, rows[:most]
    if cut:
        at = rows[-1].at
        first = read_time(at) if isinstance(at, str) else at
    came = {row.first: (row.lead_id, row.cycle) for row in rows}
    made = {
        (one.lead_id, one.cycle): one
        for one in _read(conn, _FIRST, DECISIONS.codec(conn.dialect.name).item, came)
    }
    ids = {one.lead_id for one in made.values()}
    attempts: dict[tuple[str, int], list[Assignment]] = defaultdict(list)
    for one in _read(conn, _ATTEMPTS, ASSIGNMENTS.codec(conn.dialect.name).item, ids):
        attempts[one.lead_id, one.cycle].append(one)
    leads: list[PastLead] = []
    for lead in _read(conn, _LEADS, LEADS.codec(conn.dialect.name).item, ids):
        found = made.pop((lead.lead_id, lead.cycle), None)
        if found is not None and lead.qualified_at >= first:
            had = sorted(attempts[lead.lead_id, lead.cycle], key=lambda one: one.attempt)
            leads.append(_past_lead(lead, found, had))
    leads.sort(key=lambda one: (one.at, one.order))
    begun = min((row.first for row in rows), default=None)
    standings = _standings(conn, begun, policy_of)
    item = ASSIGNMENTS.codec(conn.dialect.name).item
    before = _OPEN_BEFORE.run(conn, rep_ids=list(rep_ids), first=first)
    return Past(first, last, leads, standings, [item(row) for row in before]), cut, len(made)


def _read(
    conn: Connection, statement: Statement, item: Callable[[Any], Any], ids: Iterable[str]
) -> Iterator[Any]:
    left = iter(ids)
    while some := list(islice(left, _CHUNK)):
        yield from map(item, statement.run(conn, ids=some))


def _past_lead(lead: Lead, first: Explanation, attempts: Sequence[Assignment]) -> PastLead:
    account = (first.inputs or {}).get("account")
    return PastLead(
        lead.lead_id,
        first.decision_id,
        first.decided_at,
        lead.grade,
        Asked(lead.context(), None if account is None else LeadAccount(*account)),
        first.policy_version,
        first.unrouted_reason,
        tuple(attempts),
    )


def _standings(
    conn: Connection, decision_id: str | None, policy_of: Callable[[int], Policy | None]
) -> Mapping[str, Figures]:
    """How the reps stood before a decision; empty where that was not kept."""
    ids = [] if decision_id is None else [decision_id]
    item = DECISIONS.codec(conn.dialect.name).item
    found = next((item(row) for row in _FIRST.run(conn, ids=ids)), None)
    if found is None or found.pool_id is None:
        return {}
    records = chains(conn, [found.pool_id])
    starts: dict[str, Mapping[str, Figures]] = {}
    for _ in replayed(records, of_records(conn, records), policy_of, starts):
        pass
    return starts.get(found.pool_id, {})


def _window(since: datetime | None, until: datetime | None) -> list[Any]:
    found: list[Any] = []
    if since is not None:
        found.append(decisions.c.decided_at >= since)
    if until is not None:
        found.append(decisions.c.decided_at < until)
    return found
