"""The rows of a transaction: loaded, changed, written in bulk.

``Rows`` holds what was loaded and takes what is changed; ``write`` finds the differences and writes
them, one statement for all updates and one for all inserts, whatever their number. Without a
connection it is plain memory: so handlers run, and are tested, without a database.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, cast

from sqlalchemy import Connection

from shared.db.aggregates import Aggregate, Selection, T
from shared.db.statements import one_of


class Rows(Generic[T]):
    """The rows of one aggregate in one transaction."""

    def __init__(self, aggregate: Aggregate[T], conn: Connection | None = None) -> None:
        self.aggregate = aggregate
        self._conn = conn
        self._stored: dict[Any, T] = {}
        self._items: dict[Any, T] = {}
        self._changed: dict[Any, None] = {}
        self._removed: dict[Any, T] = {}

    def __iter__(self) -> Iterator[T]:
        """All that is loaded, as changed."""
        return iter(list(self._items.values()))

    @property
    def changed(self) -> list[T]:
        """What was put in this transaction and will be written."""
        return [self._items[key] for key in self._changed]

    @property
    def touched(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._changed or self._removed)

    def get(self, *key: Any) -> T | None:
        """A loaded row, as changed in this transaction; None for one that was not loaded."""
        return self._items.get(key if len(key) > 1 else key[0])

    def fetch(self, *key: Any) -> T | None:
        """A row, asked of the database if it was not loaded."""
        found = self.get(*key)
        if found is None and self._conn is not None:
            self.find(**dict(zip(self.aggregate.key, key, strict=True)))
            found = self.get(*key)
        return found

    def find(self, **equal: Any) -> list[T]:
        """The rows whose fields are these values, as changed in this transaction."""
        names = tuple(equal)
        if self._conn is not None:
            nulls = tuple(name for name in names if equal[name] is None)
            statement = self.aggregate.statement(
                (names, nulls),
                lambda _: self.aggregate.select(
                    " AND ".join(
                        f'"{name}" IS NULL' if name in nulls else f'"{name}" = :{name}'
                        for name in names
                    )
                    or "1 = 1"
                ),
            )
            given = {name: value for name, value in equal.items() if value is not None}
            self._take(statement.run(self._conn, **given))
        return [
            one
            for one in self._items.values()
            if all(getattr(one, name) == equal[name] for name in names)
        ]

    def all(self) -> list[T]:
        """Every row of the table: for small ones."""
        return self.find()

    def select(self, selection: Selection[T], *, limit: int = 0, **params: Any) -> list[T]:
        """The rows of a selection, as changed in this transaction, in its order; with a ``limit``
        the first of them."""
        if self._conn is not None:
            statement = self.aggregate.statement(
                (id(selection), bool(limit)),
                lambda dialect: self.aggregate.select(
                    selection.where,
                    (f"ORDER BY {selection.order} " if selection.order else "")
                    + ("LIMIT :limit " if limit else "")
                    + (
                        "FOR UPDATE SKIP LOCKED"
                        if selection.claim and dialect == "postgresql"
                        else ""
                    ),
                ),
            )
            # What this transaction has changed may match no more: the next ones take its place.
            changed = len(self._changed) + len(self._removed)
            bound = {"limit": limit + changed} if limit else {}
            self._take(statement.run(self._conn, **params, **bound))
        found = [one for one in self._items.values() if selection.matches(one, params)]
        if selection.sort is not None:
            found.sort(key=selection.sort, reverse=selection.descending)
        return found[:limit] if limit else found

    def load(self, values: Sequence[Any], by: str | None = None) -> None:
        """Read the rows whose column ``by`` (``loaded_by``) is one of these texts, at once."""
        column = by or self.aggregate.loaded_by
        if self._conn is None or column is None or not values:
            return
        statement = self.aggregate.statement(
            ("load", column),
            lambda dialect: self.aggregate.select(one_of(f'"{column}"', "keys", dialect)),
        )
        self._take(statement.run(self._conn, keys=list(values)))

    def hold(self, items: Iterable[T]) -> None:
        """Take instances as loaded: what a test begins with."""
        for one in items:
            key = self.aggregate.key_of(one)
            self._items[key] = self._stored[key] = one

    def put(self, one: T) -> None:
        """Insert a row, or replace the one with its key."""
        key = self.aggregate.key_of(one)
        if self._items.get(key) != one:
            self._items[key] = one
            self._changed[key] = None

    def remove(self, one: T) -> None:
        """Delete a loaded row."""
        key = self.aggregate.key_of(one)
        if self._items.pop(key, None) is not None:
            self._changed.pop(key, None)
            if key in self._stored:
                self._removed[key] = one

    def write(self) -> None:
        """Write the differences. Raises Conflict when a row is not what was loaded any more, and
        IntegrityError when somebody else inserted the same key."""
        if self._conn is None or not self.touched:
            return
        codec = self.aggregate.codec(self._conn.dialect.name)
        if self._removed:
            codec.delete(self._conn, self._removed.values())
            for key in self._removed:
                del self._stored[key]
        # Updates come first: what a row gives up (a lead's owner), a new one may take. Everything
        # is in the order it was put in: serial numbers follow it.
        known = () if self.aggregate.on_conflict == "replace" else self._stored
        if updates := [
            (self._stored[key], self._items[key]) for key in self._changed if key in known
        ]:
            for part in [[one] for one in updates] if self.aggregate.in_order else [updates]:
                codec.update(self._conn, part)
        if inserts := [key for key in self._changed if key not in known]:
            codec.insert(self._conn, [self._items[key] for key in inserts])
        self._stored.update({key: self._items[key] for key in self._changed})
        self._changed.clear()
        self._removed.clear()

    def _take(self, result: Any) -> None:
        codec = self.aggregate.codec(cast(Connection, self._conn).dialect.name)
        for one in map(codec.item, result.all()):
            key = self.aggregate.key_of(one)
            if key not in self._stored and key not in self._removed:
                self._stored[key] = one
                self._items.setdefault(key, one)
