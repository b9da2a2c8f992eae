"""The list of leads: filtered, sorted, page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    type_coerce,
)

from services.feedback.domain.people import WORD, wanted
from services.feedback.store.tables import lead_stages, people, people_words
from shared.contracts.vocabulary import Stage
from shared.runtime.retention import first_id_of

COUNTED: Final = 10_000
"""Leads are counted up to here: nobody reads further, and counting them all takes its time."""
SHORTEST_BEGINNING: Final = 2
FEW: Final = 20_000
"""Whoever has a word that is found so often is looked up at once; of a more frequent one the first
leads of the list are looked through."""
SCANNED: Final = 5_000
"""Leads that are looked through: a few milliseconds for each thousand."""
WORDS_COUNTED: Final = 4 * COUNTED
"""A name is in an address, too, so a lead often has several words of one beginning."""

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
    found: list[str] = []
    search = _Search.of(conn, wish.words)
    for stretch in _stretches(sort, after):
        if len(found) < limit:
            found += _ids(conn, wish, search, stretch, limit - len(found))
    c = lead_stages.c
    query = (
        select(
            c.lead_id, c.stage, c.since, c.captured_at, c.score, c.definition_version,
            c.source, c.campaign, c.form_id, c.rep_id,
            people.c.name, people.c.email, people.c.phone, people.c.company,
        )
        .outerjoin_from(lead_stages, people, people.c.lead_id == c.lead_id)
        .where(c.lead_id.in_(found))
    )  # fmt: skip
    rows = {row.lead_id: dict(row._mapping) for row in conn.execute(query)} if found else {}
    return [rows[lead_id] for lead_id in found if lead_id in rows]


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
    search = _Search.of(conn, wish.words)
    alone = search.frequent and len(search.beginnings) == 1 and not _conditions(wish)
    if alone and _very_many(conn, search.beginnings[0]):
        return COUNTED + 1
    leads = _leads(wish)
    if search.frequent and _at_most(conn, leads, SCANNED):
        return _count(conn, search.looked_through(leads, lead_stages.c.lead_id), COUNTED + 1)
    return _count(conn, search.among(leads), COUNTED + 1)


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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Leads that an index has in the order of the list, and what of them comes first. What is
    unknown is the least there is, and a stretch of its own: so says neither database by itself."""

    conditions: tuple[ColumnElement[bool], ...]
    keys: tuple[Column[Any], ...]
    falling: bool

    def order(self, columns: Any) -> list[ColumnElement[Any]]:
        """What to sort by, where the keys are these columns."""
        keys = [columns[key.name] for key in self.keys]
        return [key.desc() if self.falling else key.asc() for key in keys]


def _stretches(sort: Sort, after: Place | None) -> list[_Stretch]:
    """What of the list comes behind a place, in order."""
    c, falling = lead_stages.c, sort.value.startswith("-")
    by = _SORTED_BY.get(sort)
    value, lead_id = after or (None, None)

    def stretch(condition: Any, *keys: Column[Any], bound: Any = None) -> _Stretch:
        told = [] if condition is None else [condition]
        if bound is not None:
            place = tuple_(*keys) if len(keys) > 1 else keys[0]
            told.append(place < bound if falling else place > bound)
        return _Stretch(tuple(told), keys, falling)

    if by is None:
        return [stretch(None, c.lead_id, bound=lead_id)]
    in_unknown = after is not None and value in (_UNSCORED, _NEVER)
    unknown = stretch(by.is_(None), c.lead_id, bound=lead_id if in_unknown else None)
    place = None
    if after is not None and not in_unknown:
        place = tuple_(literal(value, by.type), literal(lead_id))
    known = stretch(by.is_not(None), by, c.lead_id, bound=place)
    if falling:
        return [unknown] if in_unknown else [known, unknown]
    return [known] if place is not None else [unknown, known]


_SORTED_BY: Final[Mapping[Sort, Column[Any]]] = {
    Sort.BEST: lead_stages.c.score,
    Sort.WORST: lead_stages.c.score,
    Sort.MOVED_LAST: lead_stages.c.since,
    Sort.WAITING_LONGEST: lead_stages.c.since,
}
"""The others are in the order of ids, which is that of capturing."""


def _ids(
    conn: Connection, wish: LeadFilter, search: "_Search", stretch: _Stretch, limit: int
) -> list[str]:
    """The first leads of a stretch."""
    leads = _leads(wish).where(*stretch.conditions)
    in_order = leads.order_by(*stretch.order(lead_stages.c))
    if search.frequent:
        # Many have these words: some of the first leads will, so those are looked at one by one.
        first = in_order.with_only_columns(*stretch.keys).limit(SCANNED).subquery()
        found = search.looked_through(select(first.c.lead_id), first.c.lead_id)
        ids = list(conn.execute(found.order_by(*stretch.order(first.c)).limit(limit)).scalars())
        if len(ids) == limit or _at_most(conn, leads, SCANNED):
            return ids
    return list(conn.execute(search.among(in_order).limit(limit)).scalars())


def _very_many(conn: Connection, word: str) -> bool:
    """Whether a word alone says that nobody counts further; it may be true all the same."""
    some = select(people_words.c.lead_id).where(_begins(word)).limit(WORDS_COUNTED).subquery()
    leads: int = conn.execute(select(func.count(some.c.lead_id.distinct()))).scalar_one()
    return leads > COUNTED


def _leads(wish: LeadFilter) -> Select[Any]:
    """The leads that fit, whatever their words."""
    return select(lead_stages.c.lead_id).where(*_conditions(wish))


def _count(conn: Connection, some: Select[Any], most: int) -> int:
    counted: int = conn.execute(
        select(func.count()).select_from(some.limit(most).subquery())
    ).scalar_one()
    return counted


def _at_most(conn: Connection, some: Select[Any], number: int) -> bool:
    return _count(conn, some, number + 1) <= number


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
    return found


_SKEW: Final = timedelta(minutes=1)
"""An id is made a moment before its lead is captured."""


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for: the beginnings of words, the rarest first, or a lead's id."""

    dialect: str
    beginnings: tuple[str, ...] = ()
    times: int = 0
    """How often the rarest of the words is found, up to ``FEW`` + 1."""
    lead_id: str | None = None
    nothing: bool = False

    @classmethod
    def of(cls, conn: Connection, words: str) -> "_Search":
        """What somebody means who types this."""
        wish, dialect = wanted(words), conn.dialect.name
        # A single letter beside a name says nearly nothing, and would be in half of all leads.
        told = [one for one in wish.beginnings if len(one) >= SHORTEST_BEGINNING]
        if wish.lead_id is not None or not told:
            nothing = wish.lead_id is None and bool(words.strip())
            return cls(dialect, lead_id=wish.lead_id, nothing=nothing)
        rows = select(people_words.c.lead_id)
        times = {one: _count(conn, rows.where(_begins(one)), FEW + 1) for one in told}
        told.sort(key=lambda one: times[one])
        return cls(dialect, tuple(told), times[told[0]])

    @property
    def frequent(self) -> bool:
        """Whether each of the words is found more than ``FEW`` times."""
        return self.times > FEW

    def among(self, leads: Select[Any]) -> Select[Any]:
        """Of these leads those that are looked for, by way of all that have the words."""
        lead_id = lead_stages.c.lead_id
        if self.nothing:
            return leads.where(literal(False))
        if self.lead_id is not None:
            return leads.where(lead_id.between(self.lead_id, self.lead_id + "~"))
        if self.frequent or not self.beginnings:
            return leads.where(*(lead_id.in_(_by_word(one)) for one in self.beginnings))
        rarest, *others = self.beginnings
        # Written out: PostgreSQL plans without looking at parameters, and would expect very many.
        most = next(most for most in _SIZES if self.times < most)
        found = _by_word(rarest).limit(literal_column(str(most)))
        return self._having(leads.where(lead_id.in_(found)), lead_id, others)

    def looked_through(self, leads: Select[Any], lead_id: ColumnElement[Any]) -> Select[Any]:
        """Of these leads those that have the words, by way of what each of them has."""
        return self._having(leads, lead_id, self.beginnings)

    def _having(
        self, leads: Select[Any], lead_id: ColumnElement[Any], beginnings: Sequence[str]
    ) -> Select[Any]:
        if not beginnings:
            return leads
        each = _EACH_OF[self.dialect](people.c.words).table_valued("value", name="one")
        word = type_coerce(each.c.value, people_words.c.word.type)
        found = leads.join(people, people.c.lead_id == lead_id)
        return found.where(
            *(select(1).select_from(each).where(_begins(one, word)).exists() for one in beginnings)
        )


_SIZES: Final = (20, 200, 2_000, FEW + 1)
_EACH_OF: Final = {"sqlite": func.json_each, "postgresql": func.jsonb_array_elements_text}


def _begins(beginning: str, word: ColumnElement[str] = people_words.c.word) -> ColumnElement[bool]:
    return word.between(beginning, beginning + "\U0010ffff")


def _by_word(word: str, *, exactly: bool = False) -> Select[Any]:
    c = people_words.c
    return select(c.lead_id).where(c.word == word if exactly else _begins(word))
