"""The list of leads: filtered, sorted, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, tuple_

from services.feedback.domain.people import WORD, wanted
from services.feedback.store.tables import lead_stages, people, people_words
from shared.contracts.vocabulary import Stage
from shared.runtime.retention import first_id_of

COUNTED: Final = 10_000
"""Leads are counted up to here: nobody reads further, and counting them all takes its time."""
SHORTEST_BEGINNING: Final = 2

WITH_SALES: Final = (
    Stage.ASSIGNED,
    Stage.ACKNOWLEDGED,
    Stage.ACCEPTED,
    Stage.SQL,
    Stage.OPPORTUNITY,
    Stage.WON,
    Stage.LOST,
    Stage.RECYCLED,
    Stage.DISQUALIFIED,
)
"""Stages in which the last rep is the one who has the lead, or who worked it to its end."""


class Sort(StrEnum):
    """Orders of the list; a minus turns them round."""

    NEWEST = "-captured_at"
    OLDEST = "captured_at"
    MOVED_LAST = "-since"
    WAITING_LONGEST = "since"
    BEST = "-score"
    WORST = "score"


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads: all of what is given has to hold. ``words`` is as somebody types it."""

    words: str = ""
    email: str | None = None
    stages: tuple[Stage, ...] = ()
    rep_id: str | None = None
    source: str | None = None
    campaign: str | None = None
    form_id: str | None = None
    captured_from: datetime | None = None
    captured_to: datetime | None = None
    own_of: str | None = None
    """A rep who may see no others."""


Place = tuple[Any, str]
"""Where a page ends: the value it is sorted by, and the lead."""


def list_leads(
    conn: Connection, wish: LeadFilter, sort: Sort, after: Place | None, limit: int
) -> list[dict[str, Any]]:
    """A page of leads behind a place."""
    c, by = lead_stages.c, _sorted_by(sort)
    query = (
        select(
            c.lead_id, c.stage, c.since, c.captured_at, c.score, c.definition_version,
            c.source, c.campaign, c.form_id, c.rep_id,
            people.c.name, people.c.email, people.c.phone, people.c.company,
        )
        .outerjoin_from(lead_stages, people, people.c.lead_id == c.lead_id)
        .where(*_conditions(wish))
        .limit(limit)
    )  # fmt: skip
    if after is not None:
        value, lead_id = after
        place = tuple_(by, c.lead_id) if by is not c.lead_id else c.lead_id
        bound = (
            tuple_(literal(value, by.type), literal(lead_id)) if by is not c.lead_id else lead_id
        )
        query = query.where(place < bound if _falling(sort) else place > bound)
    order = [by, c.lead_id] if by is not c.lead_id else [c.lead_id]
    query = query.order_by(*(one.desc() if _falling(sort) else one.asc() for one in order))
    return [dict(row._mapping) for row in conn.execute(query)]


def place_of(row: dict[str, Any], sort: Sort) -> Place:
    """Where a page ends that this row is the last of."""
    match sort:
        case Sort.BEST | Sort.WORST:
            return (_UNSCORED if row["score"] is None else row["score"]), row["lead_id"]
        case Sort.MOVED_LAST | Sort.WAITING_LONGEST:
            return (row["since"] or _NEVER), row["lead_id"]
    return None, row["lead_id"]


def count_leads(conn: Connection, wish: LeadFilter) -> int:
    """How many there are, up to ``COUNTED`` + 1."""
    some = select(lead_stages.c.lead_id).where(*_conditions(wish)).limit(COUNTED + 1)
    counted: int = conn.execute(select(func.count()).select_from(some.subquery())).scalar_one()
    return counted


def known_values(conn: Connection) -> dict[str, list[str]]:
    """What leads may be filtered by, the most frequent of the newest leads first."""
    c = lead_stages.c
    newest = (
        select(c.source, c.campaign, c.form_id, c.rep_id)
        .order_by(c.lead_id.desc())
        .limit(COUNTED)
        .subquery()
    )
    found = {}
    for name in ("source", "campaign", "form_id", "rep_id"):
        column = newest.c[name]
        query = (
            select(column)
            .where(column.is_not(None))
            .group_by(column)
            .order_by(func.count().desc(), column)
            .limit(_VALUES)
        )
        found[name] = list(conn.execute(query).scalars())
    return found


_UNSCORED: Final = -(2**31)
_NEVER: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_VALUES: Final = 200


def _falling(sort: Sort) -> bool:
    return sort.value.startswith("-")


def _sorted_by(sort: Sort) -> ColumnElement[Any]:
    c = lead_stages.c
    match sort:
        case Sort.BEST | Sort.WORST:
            return func.coalesce(c.score, _UNSCORED)
        case Sort.MOVED_LAST | Sort.WAITING_LONGEST:
            return func.coalesce(c.since, literal(_NEVER, c.since.type), type_=c.since.type)
    return c.lead_id


def _conditions(wish: LeadFilter) -> list[ColumnElement[bool]]:
    c = lead_stages.c
    found: list[ColumnElement[bool]] = []
    same = {"rep_id": wish.rep_id, "source": wish.source, "campaign": wish.campaign,
            "form_id": wish.form_id}  # fmt: skip
    found += [c[name] == value for name, value in same.items() if value is not None]
    if wish.stages:
        found.append(c.stage.in_([stage.value for stage in wish.stages]))
    if wish.captured_from is not None:
        found += [
            c.lead_id >= first_id_of(wish.captured_from - _SKEW),
            c.captured_at >= wish.captured_from,
        ]
    if wish.captured_to is not None:
        found += [
            c.lead_id < first_id_of(wish.captured_to + _SKEW),
            c.captured_at < wish.captured_to,
        ]
    if wish.own_of is not None:
        found += [c.rep_id == wish.own_of, c.stage.in_([one.value for one in WITH_SALES])]
    if wish.email is not None:
        found.append(c.lead_id.in_(_by_word(wish.email.strip().lower()[:WORD], exactly=True)))
    return [*found, *_searched(wish.words)]


_SKEW: Final = timedelta(minutes=1)
"""An id is made a moment before its lead is captured."""


def _searched(words: str) -> Sequence[ColumnElement[bool]]:
    wish = wanted(words)
    if wish.lead_id is not None:
        return [lead_stages.c.lead_id.between(wish.lead_id, wish.lead_id + "~")]
    if words.strip() and not any(len(one) >= SHORTEST_BEGINNING for one in wish.beginnings):
        return [literal(False)]
    # A single letter beside a name says nearly nothing, and would be in half of all leads.
    told = [one for one in wish.beginnings if len(one) >= SHORTEST_BEGINNING]
    return [lead_stages.c.lead_id.in_(_by_word(one)) for one in told]


def _by_word(word: str, *, exactly: bool = False) -> Select[Any]:
    c = people_words.c
    fits = c.word == word if exactly else c.word.between(word, word + "\U0010ffff")
    return select(c.lead_id).where(fits)
