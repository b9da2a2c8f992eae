"""Rows: what memory says, both databases say; differences are written, others' changes noticed."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    event,
    exc,
    text,
)

from shared.db.aggregates import Aggregate, Selection
from shared.db.database import Database
from shared.db.errors import Conflict
from shared.db.rows import Rows
from shared.db.types import Json, Serial, UtcDateTime
from tests.shared.toy.service import NOW

JANE = "jane.roe@example.com"
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("owner", String(40)),
    Column("state", String(20), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("big", BigInteger),
    Column("share", Float),
    Column("open", Boolean, nullable=False),
    Column("due_at", UtcDateTime),
    Column("facts", Json, nullable=False),
    Column("raw", LargeBinary),
    Column("order", String(20)),  # a word that SQL has for itself
)
parts = Table(
    "parts",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("text", String(40)),
)
notes = Table(
    "notes",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("note_id", String(40), nullable=False),
    Column("said", String(40)),
)
seats = Table(
    "seats",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(40)),
    Column("made_by", String(40)),
    Index("one_holder", "holder", unique=True),
)


class State(StrEnum):
    """As stages are."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Thing:
    """A row with a column of each kind."""

    name: str
    owner: str | None = None
    state: State = State.OPEN
    attempt: int = 0
    big: int | None = None
    share: float | None = None
    open: bool = True
    due_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    order: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A row with two columns as its key."""

    name: str
    number: int
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A row whose order is the database's number."""

    note_id: str
    said: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A row that gives up what another takes."""

    name: str
    holder: str | None
    made_by: str = "nobody"


@dataclass(frozen=True, slots=True)
class Flat:
    """What is one JSON column in the table."""

    name: str
    state: State
    words: tuple[str, ...]


THINGS = Aggregate(things, Thing, loaded_by="owner", decode={"state": State})
FENCED = Aggregate(things, Thing, fence=["owner", "attempt"], decode={"state": State})
PARTS = Aggregate(parts, Part, loaded_by="name")
NOTES = Aggregate(notes, Note, key=["note_id"])
SEATS = Aggregate(seats, Seat, fixed=["made_by"])
IN_ORDER = Aggregate(seats, Seat, in_order=True)
FLAT = Aggregate(
    things,
    Flat,
    row=lambda one: {
        **dict.fromkeys(things.c.keys()),
        "name": one.name,
        "state": one.state,
        "attempt": 1,
        "open": True,
        "facts": {"words": list(one.words)},
    },
    item=lambda row: Flat(row["name"], State(row["state"]), tuple(row["facts"]["words"])),
)
DUE = Selection[Thing](
    "due_at <= :now AND open",
    lambda one, given: one.due_at is not None and one.due_at <= given["now"] and one.open,
    order="due_at, name",
    sort=lambda one: (one.due_at, one.name),
)
CLAIM = replace(DUE, claim=True)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database.open(database_url, "things")
    with db.begin() as conn:
        if db.dialect == "postgresql":
            conn.execute(text("CREATE SCHEMA things"))
        metadata.create_all(conn)
    yield db
    db.close()


def _write(db: Database, aggregate: Aggregate[Any], *items: Any) -> None:
    with db.begin() as conn:
        rows = Rows(aggregate, conn)
        for one in items:
            rows.put(one)
        rows.write()


def _all(db: Database, aggregate: Aggregate[Any]) -> list[Any]:
    with db.connect() as conn:
        return Rows(aggregate, conn).all()


EVERY_KIND = (
    Thing("plain"),
    Thing("full", "o", State.CLOSED, 2**31 - 1, 2**63 - 1, 0.1, False, NOW, {"a": 1}, b"\x00\xff"),
    Thing("low", "", State.OPEN, -(2**31), -(2**63), -1e300, due_at=datetime(1, 1, 1, tzinfo=UTC)),
    Thing("ünï — 東京 \U0001f98a '\"\\%(x)s :name {} \n\t"),
    Thing("microseconds", due_at=datetime(2026, 3, 1, 12, 0, 0, 1, UTC)),
    Thing("east", due_at=NOW.astimezone(timezone(timedelta(hours=13, minutes=45)))),
    Thing("facts", facts={"list": [1, 2.5, None, True, {"x": []}], "ü": "☃\u2028", "text": "null"}),
    Thing("empty", raw=b"", owner="", order="", facts={}),
)


@pytest.mark.parametrize("one", EVERY_KIND, ids=lambda one: one.name[:12])
def test_a_row_comes_back_as_it_went(db: Database, one: Thing) -> None:
    _write(db, THINGS, Thing("other", facts={"n": 1}), one)
    with db.connect() as conn:
        found = Rows(THINGS, conn).fetch(one.name)
        assert found == one
        assert found is not None
        assert type(found.state) is State
        assert type(found.open) is bool
        # By the way of pages too, which are no hot path.
        query = THINGS.query().where(things.c.name == one.name)
        assert THINGS.items(conn.execute(query)) == [one]
    # And through an update, together with others and alone.
    changed = [replace(one, attempt=5), Thing("other", facts={"n": 2})]
    for batch in (changed, [one]):
        with db.begin() as conn:
            rows = Rows(THINGS, conn)
            rows.all()
            for each in batch:
                rows.put(each)
            rows.write()
    assert {each.name: each for each in _all(db, THINGS)} == {
        one.name: one,
        "other": Thing("other", facts={"n": 2}),
    }


@pytest.mark.parametrize("one", EVERY_KIND, ids=lambda one: one.name[:12])
def test_a_row_is_found_by_each_of_its_fields(db: Database, one: Thing) -> None:
    _write(db, THINGS, one)
    for name in ("name", "owner", "state", "attempt", "big", "share", "open", "due_at", "order"):
        with db.connect() as conn:
            assert Rows(THINGS, conn).find(**{name: getattr(one, name)}) == [one], name
    with db.connect() as conn:
        assert Rows(THINGS, conn).find(name=one.name, owner=one.owner, open=one.open) == [one]
        assert Rows(THINGS, conn).find(name=one.name, attempt=77) == []


def test_what_was_not_loaded_is_not_there_and_can_be_fetched(db: Database) -> None:
    _write(db, THINGS, Thing("a", "x"), Thing("b", "y"), Thing("c", "z"))
    with db.begin() as conn:
        rows = Rows(THINGS, conn)
        rows.load(["x", "y", "nobody"])
        assert sorted(one.name for one in rows) == ["a", "b"]
        assert rows.get("c") is None
        assert rows.fetch("c") == Thing("c", "z")
        assert rows.get("c") == Thing("c", "z")
        assert rows.fetch("nothing") is None
        rows.load(["c"], by="name")
        assert not rows.touched


def test_thousands_of_rows_are_loaded_and_written_at_once(db: Database) -> None:
    """And no statement's text says how many they are."""
    seen: list[str] = []
    texts: list[list[str]] = []
    event.listen(db._writer, "before_cursor_execute", lambda *given: seen.append(given[2]))
    for count in (1, 2, 3000):
        seen.clear()
        with db.begin() as conn:
            rows = Rows(PARTS, conn)
            rows.load([f"{count}-{n}" for n in range(count)])
            for n in range(count):
                rows.put(Part(f"{count}-{n}", 1, "one"))
            rows.write()
            for n in range(count):
                rows.put(Part(f"{count}-{n}", 1, "two"))
            rows.write()
            for one in list(rows)[: count // 2 + 1]:
                rows.remove(one)
            rows.write()
        assert len(seen) == 4 + (db.dialect == "sqlite"), "BEGIN, load, insert, update, delete"
        texts.append(list(seen))
    assert texts[0] == texts[1] == texts[2]
    assert {one.text for one in _all(db, PARTS)} == {"two"}
    assert len(_all(db, PARTS)) == 1499


def test_two_columns_are_one_key(db: Database) -> None:
    _write(db, PARTS, Part("a", 1, "x"), Part("a", 2, "y"), Part("b", 1, "z"))
    with db.begin() as conn:
        rows = Rows(PARTS, conn)
        rows.load(["a"])
        assert rows.get("a", 2) == Part("a", 2, "y")
        assert rows.fetch("b", 1) == Part("b", 1, "z")
        rows.put(Part("a", 2, "new"))
        rows.remove(Part("a", 1, "whatever it holds"))
        rows.write()
    found = sorted(_all(db, PARTS), key=lambda one: (one.name, one.number))
    assert found == [Part("a", 2, "new"), Part("b", 1, "z")]


def test_what_is_as_it_was_is_not_written(db: Database) -> None:
    _write(db, THINGS, Thing("a", facts={"n": [1]}))
    statements: list[str] = []
    with db.begin() as conn:
        rows = Rows(THINGS, conn)
        rows.all()
        event.listen(conn, "before_cursor_execute", lambda *given: statements.append(given[2]))
        rows.put(Thing("a", facts={"n": [1]}))
        assert not rows.touched
        rows.write()
    assert statements == []


def test_a_transaction_sees_what_it_has_changed(db: Database) -> None:
    """By key, by field, by selection; also what the database would not find yet, or still would."""
    early, late = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    _write(db, THINGS, Thing("a", due_at=early), Thing("b", due_at=early), Thing("c", due_at=late))
    with db.begin() as conn:
        rows = Rows(THINGS, conn)
        assert [one.name for one in rows.select(DUE, now=NOW)] == ["a", "b"]
        rows.put(Thing("a", due_at=late))
        rows.remove(Thing("b"))
        rows.put(Thing("d", due_at=early))
        assert [one.name for one in rows.select(DUE, now=NOW)] == ["d"]
        assert rows.find(due_at=early) == [Thing("d", due_at=early)]
        assert rows.get("b") is None
        assert rows.fetch("b") is None, "the database still has it"
        rows.write()
        assert [one.name for one in rows.select(DUE, now=NOW)] == ["d"]
    assert sorted(one.name for one in _all(db, THINGS)) == ["a", "c", "d"]


def test_a_limit_is_filled_by_those_that_still_match(db: Database) -> None:
    """The first ones were dealt with in this very transaction: the next ones come."""
    early = [NOW - timedelta(minutes=9 - n) for n in range(9)]
    _write(db, THINGS, *(Thing(f"t{n}", due_at=at) for n, at in enumerate(early)))
    with db.begin() as conn:
        rows, taken = Rows(THINGS, conn), []
        while found := rows.select(DUE, limit=2, now=NOW):
            taken += [one.name for one in found]
            rows.put(replace(found[0], open=False))
            for one in found[1:]:
                rows.remove(one)
        assert taken == [f"t{n}" for n in range(9)]


def test_the_newest_comes_first_where_it_should(db: Database) -> None:
    newest = Selection[Part](
        "name = :name",
        lambda one, given: one.name == given["name"],
        order="number DESC",
        sort=lambda one: one.number,
        descending=True,
    )
    _write(db, PARTS, *(Part("a", n) for n in range(5)), Part("b", 9))
    with db.begin() as conn:
        rows = Rows(PARTS, conn)
        assert [one.number for one in rows.select(newest, limit=2, name="a")] == [4, 3]
        rows.put(Part("a", 7))
        assert [one.number for one in rows.select(newest, limit=2, name="a")] == [7, 4]


def test_removed_and_put_again_is_a_new_row(db: Database) -> None:
    _write(db, SEATS, Seat("a", "jim", "admin"))
    with db.begin() as conn:
        rows = Rows(SEATS, conn)
        rows.all()
        rows.remove(Seat("a", "jim"))
        rows.put(Seat("a", "jane", "somebody else"))
        rows.write()
        rows.put(Seat("a", "joe", "somebody else"))
        rows.write()
    assert _all(db, SEATS) == [Seat("a", "joe", "somebody else")]


def test_put_and_removed_again_was_never_there(db: Database) -> None:
    with db.begin() as conn:
        rows = Rows(SEATS, conn)
        rows.put(Seat("a", "jim"))
        rows.remove(Seat("a", "jim"))
        assert not rows.touched
        rows.write()
    assert _all(db, SEATS) == []


def test_what_one_gives_up_another_may_take(db: Database) -> None:
    """A unique index, an update and an insert: whichever was put first."""
    _write(db, SEATS, Seat("old", "jim"))
    with db.begin() as conn:
        rows = Rows(SEATS, conn)
        rows.all()
        rows.put(Seat("new", "jim"))
        rows.put(Seat("old", None))
        rows.write()
    assert sorted(_all(db, SEATS), key=lambda one: one.name) == [
        Seat("new", "jim"),
        Seat("old", None),
    ]


def test_updates_in_order_pass_a_unique_index(db: Database) -> None:
    _write(db, SEATS, Seat("a", "jim"), Seat("b", "jane"))
    with db.begin() as conn:
        rows = Rows(IN_ORDER, conn)
        rows.all()
        rows.put(Seat("a", None))
        rows.put(Seat("b", "jim"))
        rows.write()
    assert {one.name: one.holder for one in _all(db, SEATS)} == {"a": None, "b": "jim"}


def test_what_is_fixed_stays(db: Database) -> None:
    _write(db, SEATS, Seat("a", "jim", "admin"))
    with db.begin() as conn:
        rows = Rows(SEATS, conn)
        rows.all()
        rows.put(Seat("a", "jane", "an impostor"))
        rows.write()
    assert _all(db, SEATS) == [Seat("a", "jane", "admin")]
    replacing = Aggregate(seats, Seat, on_conflict="replace", fixed=["made_by"])
    _write(db, replacing, Seat("a", "joe", "an impostor"))
    assert _all(db, SEATS) == [Seat("a", "joe", "admin")]


def test_numbers_follow_the_order_of_putting(db: Database) -> None:
    said = [f"word {n}" for n in range(500)]
    _write(db, NOTES, *(Note(f"{hash(word) % 997}-{n}", word) for n, word in enumerate(said)))
    with db.connect() as conn:
        found = conn.execute(NOTES.query().order_by(notes.c.id))
        assert [one.said for one in NOTES.items(found)] == said


def test_a_taken_key_is_an_error_or_ignored_or_replaced(db: Database) -> None:
    _write(db, PARTS, Part("a", 1, "first"), Part("a", 2, "first"))
    with pytest.raises(exc.IntegrityError):
        _write(db, PARTS, Part("b", 1, "new"), Part("a", 1, "second"))
    assert len(_all(db, PARTS)) == 2, "all or nothing"
    ignoring = Aggregate(parts, Part, on_conflict="ignore")
    _write(db, ignoring, Part("a", 1, "second"), Part("b", 1, "new"))
    replacing = Aggregate(parts, Part, on_conflict="replace")
    _write(db, replacing, Part("a", 2, "second"), Part("b", 2, "new"))
    assert {(one.name, one.number): one.text for one in _all(db, PARTS)} == {
        ("a", 1): "first",
        ("a", 2): "second",
        ("b", 1): "new",
        ("b", 2): "new",
    }


def test_fields_that_are_no_columns(db: Database) -> None:
    _write(db, FLAT, Flat("a", State.CLOSED, ("x", "y")), Flat("b", State.OPEN, ()))
    with db.begin() as conn:
        rows = Rows(FLAT, conn)
        assert rows.fetch("a") == Flat("a", State.CLOSED, ("x", "y"))
        rows.put(Flat("a", State.OPEN, ("z",)))
        rows.write()
    assert sorted(_all(db, FLAT), key=lambda one: one.name) == [
        Flat("a", State.OPEN, ("z",)),
        Flat("b", State.OPEN, ()),
    ]


@pytest.mark.parametrize("owner", ["jim", None])
def test_somebody_else_was_faster(db: Database, owner: str | None) -> None:
    """A fenced column holds something else than was loaded, NULL too: Conflict, nothing written."""
    _write(db, THINGS, Thing("a", owner, attempt=1), Thing("b", owner, attempt=1))
    with db.begin() as conn:
        rows = Rows(FENCED, conn)
        rows.all()
        rows.put(Thing("a", "jane", attempt=1))
        rows.write()  # nobody was faster
        rows.put(Thing("a", owner, attempt=1))
        rows.write()  # and it is known what was written
    with pytest.raises(Conflict), db.begin() as conn:  # noqa: PT012
        rows = Rows(FENCED, conn)
        rows.all()
        conn.execute(things.update().where(things.c.name == "b").values(attempt=2))
        rows.put(Thing("a", "joe", attempt=1))
        rows.put(Thing("b", "joe", attempt=1))
        rows.write()
    assert {one.name: (one.owner, one.attempt) for one in _all(db, THINGS)} == {
        "a": (owner, 1),
        "b": (owner, 1),
    }


def test_a_row_that_is_gone_is_a_conflict_fenced_or_not(db: Database) -> None:
    for aggregate in (THINGS, FENCED):
        _write(db, THINGS, Thing("a"))
        with pytest.raises(Conflict), db.begin() as conn:  # noqa: PT012
            rows = Rows(aggregate, conn)
            rows.all()
            conn.execute(things.delete())
            rows.put(Thing("a", attempt=1))
            rows.write()
        with db.begin() as conn:
            conn.execute(things.delete())


def check_that_of_two_at_once_one_wins(db: Database, aggregate: Aggregate[Thing]) -> None:
    """Two transactions have read the same row, at the same time, on two connections."""
    _write(db, THINGS, Thing("a", "nobody", attempt=1))
    both = threading.Barrier(2)
    ends: dict[str, str] = {}

    def take(name: str) -> None:
        try:
            with db.begin() as conn:
                rows = Rows(aggregate, conn)
                one = rows.fetch("a")
                assert one is not None
                both.wait(10)
                rows.put(replace(one, owner=name, attempt=one.attempt + 1))
                rows.write()
        except Conflict:
            ends[name] = "lost"
        else:
            ends[name] = "won"

    threads = [threading.Thread(target=take, args=(name,)) for name in ("jim", "jane")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(ends.values()) == ["lost", "won"]
    (stored,) = _all(db, THINGS)
    assert ends[stored.owner] == "won"


@ON_POSTGRESQL
def test_of_two_at_once_one_wins(db: Database) -> None:
    check_that_of_two_at_once_one_wins(db, FENCED)


@ON_POSTGRESQL
def test_the_check_notices_a_missing_fence(db: Database) -> None:
    with pytest.raises(AssertionError):
        check_that_of_two_at_once_one_wins(db, THINGS)


@ON_POSTGRESQL
def test_claimed_rows_are_passed_over(db: Database) -> None:
    _write(db, THINGS, *(Thing(f"t{n}", due_at=NOW) for n in range(4)))
    with db.begin() as one, db.begin() as two:
        mine = Rows(THINGS, one).select(CLAIM, limit=3, now=NOW)
        others = Rows(THINGS, two).select(CLAIM, limit=3, now=NOW)
    assert [thing.name for thing in mine] == ["t0", "t1", "t2"]
    assert [thing.name for thing in others] == ["t3"]


@pytest.mark.parametrize(
    "bad",
    [{"state": None}, {"owner": JANE, "facts": None}],
    ids=["text", "JSON"],
)
def test_the_drivers_errors_are_sqlalchemys_and_quote_nothing(
    db: Database, bad: dict[str, Any]
) -> None:
    one = replace(Thing(JANE), **bad)
    with pytest.raises(exc.DBAPIError) as raised:
        _write(db, THINGS, one)
    ours = str(raised.value)
    if db.dialect == "postgresql":  # whose own words may quote: nobody ever logs them
        ours = ours.partition("[SQL:")[2]
    assert JANE not in ours
    assert "parameters hidden" in ours
    assert _all(db, THINGS) == []


# Memory and database say the same.

NAMES = st.sampled_from(["a", "b", "c", "d"])
THING = st.builds(
    Thing,
    name=NAMES,
    owner=st.sampled_from([None, "x", "y"]),
    state=st.sampled_from(State),
    attempt=st.integers(-5, 5),
    share=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    open=st.booleans(),
    due_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    facts=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.lists(st.just("ü")),
        max_size=3,
    ),
    raw=st.none() | st.binary(max_size=5),
)
STEP = (
    st.tuples(st.just("put"), THING)
    | st.tuples(st.just("remove"), NAMES)
    | st.tuples(st.just("find"), st.sampled_from([None, "x", "y"]))
    | st.tuples(st.just("select"), st.integers(0, 3))
    | st.tuples(st.just("write"), st.none())
)


def _does(rows: Rows[Thing], step: tuple[str, Any]) -> Any:
    match step:
        case ("put", one):
            rows.put(one)
        case ("remove", name):
            found = rows.fetch(name)
            if found is not None:
                rows.remove(found)
        case ("find", owner):
            return sorted(rows.find(owner=owner), key=lambda one: one.name)
        case ("select", limit):
            return rows.select(DUE, limit=limit, now=NOW)
        case ("write", _):
            rows.write()
    return None


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=st.lists(THING, unique_by=lambda one: one.name), steps=st.lists(STEP, max_size=12))
def test_memory_and_the_databases_say_the_same(
    db: Database, before: list[Thing], steps: list[tuple[str, Any]]
) -> None:
    """Whatever a handler does, the test that ran it without a database has shown it."""
    with db.begin() as conn:
        conn.execute(things.delete())
    _write(db, THINGS, *before)
    memory = Rows(THINGS)
    memory.hold(before)
    with db.begin() as conn:
        stored = Rows(THINGS, conn)
        # A put of a key that was not loaded is an insert: handlers look first.
        stored.all()
        for step in steps:
            assert _does(stored, step) == _does(memory, step), step
        stored.write()
    by_name: Callable[[Thing], str] = lambda one: one.name  # noqa: E731
    assert sorted(_all(db, THINGS), key=by_name) == sorted(memory, key=by_name)


def test_memory_alone_needs_no_database() -> None:
    rows = Rows(PARTS)
    rows.hold([Part("a", 1, "x")])
    rows.load(["a"])
    rows.put(Part("b", 1, "y"))
    assert rows.fetch("a", 1) == Part("a", 1, "x")
    assert rows.fetch("z", 1) is None
    assert rows.changed == [Part("b", 1, "y")]
    rows.write()
    assert {one.name for one in rows.all()} == {"a", "b"}
