"""Tables and the dataclasses that their rows are: what a service declares, once, of each.

``shared.db.rows`` loads, changes and writes them: the one way in which services do so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Generic, Literal, TypeVar, cast

import orjson
from sqlalchemy import Boolean, Connection, Select, Table, select
from sqlalchemy.types import JSON

from shared.db.errors import Conflict
from shared.db.statements import Statement, as_json, recordset
from shared.db.types import UtcDateTime, read_time, stored_time

T = TypeVar("T")
OnConflict = Literal["fail", "ignore", "replace"]


@dataclass(frozen=True)
class Selection(Generic[T]):
    """A query for rows of an aggregate that also holds in memory.

    ``where`` and ``order`` are SQL with ``:name`` parameters, ``matches`` and ``sort`` say the same
    in Python. ``claim`` passes over rows that somebody else has claimed, and claims what it finds
    until the transaction ends.
    """

    where: str
    matches: Callable[[T, Mapping[str, Any]], bool]
    order: str = ""
    sort: Callable[[T], Any] | None = None
    descending: bool = False
    """Of ``sort``; in ``order`` it has to be written out."""
    claim: bool = False


class Aggregate(Generic[T]):
    """A table whose rows are instances of the dataclass ``of``, field by field.

    ``key`` names the fields that identify one (the primary key, where left out). ``loaded_by`` is
    the column by which a batch's keys find their rows before the handlers run. ``fence`` names
    fields that must still hold what was loaded when a row is updated: if not, somebody else was
    faster, and ``Conflict`` is raised. ``on_conflict`` says what to do about a row whose key is
    taken; with ``replace`` and ``ignore`` rows need not be loaded to be put. ``in_order`` updates
    rows one after the other, where a unique index allows no other order. ``fixed`` names columns
    that never change once a row is there. ``alike`` names JSON columns that hold the same in many
    rows: each text is read once, and the rows share what it says, which nobody may change.

    ``decode`` turns a column's value (JSON already read) into the field's. Where fields and columns
    differ, ``row`` gives an instance's columns and ``item`` makes an instance of them.
    """

    def __init__(
        self,
        table: Table,
        of: type[T],
        *,
        key: Sequence[str] = (),
        loaded_by: str | None = None,
        fence: Sequence[str] = (),
        on_conflict: OnConflict = "fail",
        in_order: bool = False,
        fixed: Sequence[str] = (),
        alike: Sequence[str] = (),
        decode: Mapping[str, Callable[[Any], Any]] | None = None,
        row: Callable[[T], Mapping[str, Any]] | None = None,
        item: Callable[[Mapping[str, Any]], T] | None = None,
    ) -> None:
        self.table = table
        self.of = of
        self.loaded_by = loaded_by
        self.on_conflict = on_conflict
        self.in_order = in_order
        self.fixed = frozenset(fixed)
        self.alike = frozenset(alike)
        self.fence = tuple(fence)
        # As plain texts: orjson takes no subclass, which SQLAlchemy's names are, as a key.
        self.key = tuple(key) or tuple(str(column.name) for column in table.primary_key)
        self._row, self._item = row, item
        if row is None:
            names = [field.name for field in fields(cast(Any, of)) if field.name in table.c]
        else:
            columns = [str(column.name) for column in table.c]
            names = [name for name in columns if name != "id" or "id" in self.key]
        self.columns = tuple(names)
        self._values = _tuple_of(names)
        self._ordered = itemgetter(*names)
        self.key_of: Callable[[T], Any] = attrgetter(*self.key)
        if row is not None and not all(hasattr(of, name) for name in self.key):
            self.key_of = lambda one: itemgetter(*self.key)(row(one))
        self._decode = dict(decode or {})
        self._codecs: dict[str, Codec[T]] = {}
        self._statements: dict[Any, Statement] = {}

    def values_of(self, one: T) -> tuple[Any, ...]:
        """The columns of an instance, in their order, as Python has them."""
        if self._row is None:
            return self._values(one)
        return cast(tuple[Any, ...], self._ordered(self._row(one)))

    def codec(self, dialect: str) -> "Codec[T]":
        """How rows are stored in this dialect."""
        if dialect not in self._codecs:
            self._codecs[dialect] = Codec(self, dialect, self._decode, self._row, self._item)
        return self._codecs[dialect]

    def select(self, condition: str, tail: str = "") -> str:
        """SQL for the rows for which ``condition`` holds."""
        names = ", ".join(
            f'CAST("{name}" AS text) AS "{name}"' if name in self.alike else f'"{name}"'
            for name in self.columns
        )
        return f'SELECT {names} FROM "{self.table.name}" WHERE {condition} {tail}'  # noqa: S608

    def query(self) -> Select[Any]:
        """An expression to read rows with, for ``items``: where no hot path is."""
        return select(*(self.table.c[name] for name in self.columns))

    def items(self, rows: Iterable[Any]) -> list[T]:
        """The instances behind the rows of a ``query``."""
        found = []
        for values in rows:
            named = {
                name: self._decode[name](value)
                if name in self._decode and value is not None
                else value
                for name, value in zip(self.columns, values, strict=True)
            }
            found.append(self._item(named) if self._item is not None else self.of(**named))
        return found

    def statement(self, name: Any, build: Callable[[str], str]) -> Statement:
        """The statement of this name, made by ``build`` the first time."""
        found = self._statements.get(name)
        if found is None:
            found = self._statements[name] = Statement(build)
        return found


class Codec(Generic[T]):
    """How an aggregate's rows are stored in one dialect, and the statements that write them."""

    def __init__(
        self,
        aggregate: Aggregate[T],
        dialect: str,
        decode: Mapping[str, Callable[[Any], Any]],
        row: Callable[[T], Mapping[str, Any]] | None,
        item: Callable[[Mapping[str, Any]], T] | None,
    ) -> None:
        self._aggregate = aggregate
        self._sqlite = dialect == "sqlite"
        self._plain = row is None
        self._make = item
        of = [field.name for field in fields(cast(Any, aggregate.of)) if field.init]
        self._in_place = tuple(of[: len(aggregate.columns)]) == aggregate.columns
        table, columns = aggregate.table, aggregate.columns
        kinds = [table.c[name].type for name in columns]
        self._encoders = [
            (at, encoder)
            for at, kind in enumerate(kinds)
            if self._sqlite and (encoder := _encoder(kind)) is not None
        ]
        self._decoders = [
            (at, decoder)
            for at, (name, kind) in enumerate(zip(columns, kinds, strict=True))
            if (
                decoder := _reads_once(decode.get(name))
                if name in aggregate.alike
                else _decoder(kind, self._sqlite, decode.get(name))
            )
            is not None
        ]
        typed = list(zip(columns, kinds, strict=True))
        names = ", ".join(f'"{name}"' for name in columns)
        taken = _on_conflict(aggregate)
        still = {*aggregate.key, *aggregate.fixed}
        changing = [name for name in columns if name not in still]
        fences = [(f"was_{name}", table.c[name].type) for name in aggregate.fence]
        same = [f't."{name}" = r."{name}"' for name in aggregate.key]
        same += [f't."{name}" IS NOT DISTINCT FROM r."was_{name}"' for name in aggregate.fence]
        if self._sqlite:
            marks = ", ".join(f":{name}" for name in columns)
            insert = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) {taken}'  # noqa: S608
            changes = ", ".join(f'"{name}" = :{name}' for name in changing)
            where = [f'"{name}" = :{name}' for name in aggregate.key]
            where += [f'"{name}" IS :was_{name}' for name in aggregate.fence]
            only = " AND ".join(where)
            update = f'UPDATE "{table.name}" SET {changes} WHERE {only}'  # noqa: S608
            delete = f'DELETE FROM "{table.name}" WHERE ' + " AND ".join(  # noqa: S608
                f'"{name}" = :{name}' for name in aggregate.key
            )
        else:
            ordered = ", ".join(f'r."{name}"' for name in columns)
            insert = (
                f'INSERT INTO "{table.name}" ({names}) SELECT {ordered} '  # noqa: S608
                f"FROM {recordset(typed)} {taken}"
            )
            changes = ", ".join(f'"{name}" = r."{name}"' for name in changing)
            update = (
                f'UPDATE "{table.name}" AS t SET {changes} '  # noqa: S608
                f"FROM {recordset([*typed, *fences])} WHERE {' AND '.join(same)}"
            )
            keys = [(name, table.c[name].type) for name in aggregate.key]
            delete = (
                f'DELETE FROM "{table.name}" AS t USING {recordset(keys)} '  # noqa: S608
                f"WHERE {' AND '.join(same[: len(keys)])}"
            )
        self._insert, self._update, self._delete = map(Statement, (insert, update, delete))
        at = {name: number for number, name in enumerate(columns)}
        self._update_order = itemgetter(*(at[name] for name in (*changing, *aggregate.key)))
        self._key_order = _tuple_at([at[name] for name in aggregate.key])
        self._fence_order = _tuple_at([at[name] for name in aggregate.fence])

    def item(self, values: Any) -> T:
        """The instance behind a row of the database."""
        if self._decoders:
            values = list(values)
            for at, decoder in self._decoders:
                if values[at] is not None:
                    values[at] = decoder(values[at])
        if self._make is not None:
            return self._make(dict(zip(self._aggregate.columns, values, strict=True)))
        if self._in_place:
            return self._aggregate.of(*values)
        return self._aggregate.of(**dict(zip(self._aggregate.columns, values, strict=True)))

    def insert(self, conn: Connection, items: Sequence[T]) -> None:
        """New rows, in order."""
        if self._sqlite:
            self._insert.run_rows(conn, [self._stored(one) for one in items])
        else:
            self._insert.run(conn, rows=self._json(items))

    def update(self, conn: Connection, changes: Sequence[tuple[T, T]]) -> None:
        """``changes`` are pairs: as it was loaded, as it should be. Raises Conflict."""
        if self._sqlite:
            rows = [
                self._update_order(self._stored(after))
                if not self._aggregate.fence
                else (
                    *self._update_order(self._stored(after)),
                    *self._fence_order(self._stored(before)),
                )
                for before, after in changes
            ]
            done = self._update.run_rows(conn, rows)
        elif not self._aggregate.fence:
            done = self._update.run(conn, rows=self._json([after for _, after in changes]))
        else:
            names = self._aggregate.columns
            fences = [f"was_{name}" for name in self._aggregate.fence]
            documents = [
                {
                    **dict(zip(names, self._aggregate.values_of(after), strict=True)),
                    **dict(
                        zip(
                            fences,
                            self._fence_order(self._aggregate.values_of(before)),
                            strict=True,
                        )
                    ),
                }
                for before, after in changes
            ]
            done = self._update.run(conn, rows=as_json(documents))
        if done.rowcount != len(changes):
            raise Conflict(self._aggregate.table.name)

    def delete(self, conn: Connection, items: Iterable[T]) -> None:
        """The rows with the keys of these."""
        keys = [self._key_order(self._stored(one)) for one in items]
        if self._sqlite:
            self._delete.run_rows(conn, keys)
        else:
            named = [dict(zip(self._aggregate.key, key, strict=True)) for key in keys]
            self._delete.run(conn, rows=named)

    def _stored(self, one: T) -> tuple[Any, ...]:
        values = self._aggregate.values_of(one)
        if not self._encoders:
            return values
        encoded = list(values)
        for at, encoder in self._encoders:
            if encoded[at] is not None:
                encoded[at] = encoder(encoded[at])
        return tuple(encoded)

    def _json(self, items: Sequence[T]) -> str:
        if self._plain:
            return as_json(items)  # dataclasses go as they are
        names = self._aggregate.columns
        values = self._aggregate.values_of
        return as_json([dict(zip(names, values(one), strict=True)) for one in items])


def _on_conflict(aggregate: Aggregate[Any]) -> str:
    if aggregate.on_conflict == "fail":
        return ""
    if aggregate.on_conflict == "ignore":
        return "ON CONFLICT DO NOTHING"
    keys = ", ".join(f'"{name}"' for name in aggregate.key)
    changes = ", ".join(
        f'"{name}" = excluded."{name}"'
        for name in aggregate.columns
        if name not in aggregate.key and name not in aggregate.fixed
    )
    return f"ON CONFLICT ({keys}) DO UPDATE SET {changes}"


def _encoder(kind: Any) -> Callable[[Any], Any] | None:
    """Python to SQLite."""
    if isinstance(kind, UtcDateTime):
        return stored_time
    if isinstance(kind, JSON):
        return as_json
    return None


def _decoder(
    kind: Any, sqlite: bool, decode: Callable[[Any], Any] | None
) -> Callable[[Any], Any] | None:
    """The database's value to the field's."""
    stored: Callable[[Any], Any] | None = None
    if sqlite and isinstance(kind, UtcDateTime):
        stored = read_time
    elif sqlite and isinstance(kind, JSON):
        stored = orjson.loads
    elif sqlite and isinstance(kind, Boolean):
        stored = bool
    if stored is None or decode is None:
        return stored or decode
    return lambda value: decode(stored(value))


def _reads_once(decode: Callable[[Any], Any] | None) -> Callable[[str], Any]:
    """The value of a JSON text, which is read when it comes for the first time."""

    @lru_cache(maxsize=4096)
    def read(text: str) -> Any:
        value = orjson.loads(text)
        return value if decode is None or value is None else decode(value)

    return read


def _tuple_of(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    single = attrgetter(*names)
    return lambda one: (single(one),)


def _tuple_at(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    return lambda values: tuple(values[at] for at in places)
