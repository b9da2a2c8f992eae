"""The declarations of custom fields, kept in memory for the many requests that need them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, select, text

from services.capture.domain.fields import FieldDeclaration
from services.capture.store.tables import custom_fields, seen_fields
from shared.db.engine import Database

REFRESH_SECONDS: Final = 1.0
"""Longest time until a declaration made through another process counts in this one."""
MAX_SEEN: Final = 1000
"""Most undeclared names remembered: a form that makes names up must not fill the list."""


class SeenField(NamedTuple):
    """A custom field that came without a declaration."""

    name: str
    first_seen_at: datetime


class Catalogue:
    """What is declared, and which undeclared names are known to have been seen."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.loaded = False
        self.declared: dict[str, FieldDeclaration] = {}
        self._seen: set[str] = set()

    async def refresh(self) -> int:
        """Read the tables again. Raises what the database raises; returns 0."""
        async with self._db.read() as conn:
            rows = await conn.execute(select(custom_fields).order_by(custom_fields.c.position))
            declared = {
                row.name: FieldDeclaration(
                    row.name, row.label, row.type, row.kind, tuple(row.options)
                )
                for row in rows
            }
            seen = set((await conn.execute(select(seen_fields.c.name))).scalars())
        self.declared, self._seen, self.loaded = declared, seen, True
        return 0

    def unseen(self, name: str) -> bool:
        """Whether this undeclared name should be remembered."""
        return name not in self._seen and len(self._seen) < MAX_SEEN

    def saw(self, names: Iterable[str]) -> None:
        """These names are in the table now."""
        self._seen.update(names)

    async def replace(self, declarations: Sequence[FieldDeclaration]) -> None:
        """Declare exactly these from now on."""
        rows = [
            {
                "name": d.name,
                "position": position,
                "label": d.label,
                "type": d.type,
                "kind": d.kind,
                "options": list(d.options),
            }
            for position, d in enumerate(declarations)
        ]
        async with self._db.write() as conn:
            if conn.dialect.name == "postgresql":  # of two at once, the second replaces the first
                await conn.execute(text("LOCK TABLE custom_fields IN SHARE ROW EXCLUSIVE MODE"))
            await conn.execute(delete(custom_fields))
            if rows:
                await conn.execute(custom_fields.insert(), rows)
        await self.refresh()

    async def seen(self) -> list[SeenField]:
        """Names that came and are not declared, by name."""
        async with self._db.read() as conn:
            rows = await conn.execute(select(seen_fields).order_by(seen_fields.c.name))
            return [
                SeenField(row.name, row.first_seen_at)
                for row in rows
                if row.name not in self.declared
            ]
