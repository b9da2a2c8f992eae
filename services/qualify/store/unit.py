"""Qualify's unit of work."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from services.qualify.domain.decision import Decision
from services.qualify.domain.rescoring import OPEN
from services.qualify.domain.versions import Version
from services.qualify.store.aggregates import (
    ANSWERS,
    DECISIONS,
    DEFINITIONS,
    LATEST,
    LEADS,
    RESCORES,
)
from shared.db.statements import Statement
from shared.runtime.parts import NotYet
from shared.runtime.unit import Unit
from shared.scorecard.definition import Definition, compile_definition

_IN_USE = Statement(
    "SELECT status, version FROM definitions WHERE status IN ('published', 'challenger')"
)
_OPEN = ", ".join(f"'{stage.value}'" for stage in OPEN)
_HOW_MANY = Statement(f"SELECT count(*) FROM leads WHERE stage IN ({_OPEN})")  # noqa: S608
_NEXT = Statement(
    f"SELECT lead_id FROM leads WHERE stage IN ({_OPEN}) AND lead_id > :cursor "  # noqa: S608
    "ORDER BY lead_id LIMIT :limit"
)
_LEASE = Statement("SELECT pg_try_advisory_xact_lock(hashtext('leadloop-qualify-rescore'))")


class NoDefinitionPublished(NotYet):
    """Nothing can be scored until somebody publishes a definition: worth waiting for."""


class Compiled:
    """Compiled definitions by version, for the life of the process: documents never change."""

    def __init__(self) -> None:
        self._by_version: dict[int, Definition] = {}

    def get(self, version: int | None) -> Definition | None:
        """A definition that was compiled before."""
        return self._by_version.get(version) if version is not None else None

    def add(self, version: int, document: Mapping[str, Any]) -> Definition:
        """Compile a definition, unless it is known."""
        found = self._by_version.get(version)
        if found is None:
            made = compile_definition(version, document)
            found = self._by_version.setdefault(version, made)
        return found


class Qualify(Unit):
    """One transaction of qualify."""

    service = "qualify"

    def __init__(
        self,
        now: datetime,
        conn: Connection | None = None,
        compiled: Compiled | None = None,
        rescoring: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(now, conn)
        self.leads = self.rows(LEADS)
        self.decisions = self.rows(DECISIONS)
        self.definitions = self.rows(DEFINITIONS)
        self.answers = self.rows(ANSWERS)
        self.rescores = self.rows(RESCORES)
        self._compiled = compiled or Compiled()
        self._rescoring = rescoring
        self._mine = Compiled()
        self._used: dict[str, Definition] | None = None

    def scoring(self) -> Definition:
        """The published definition, compiled. Raises NoDefinitionPublished."""
        found = self._in_use().get("published")
        if found is None:
            raise NoDefinitionPublished("no definition is published: publish one")
        return found

    def shadowing(self) -> Definition | None:
        """The challenger, compiled."""
        return self._in_use().get("challenger")

    def _in_use(self) -> dict[str, Definition]:
        """The versions that score, by status; asked of the database once in a transaction, and
        again when an event of its batch changes them."""
        if self.definitions.touched:  # not for the process to remember: it may be rolled back
            return self._compiled_in(self._mine)
        if self._used is None:
            numbers = dict(_IN_USE.run(self.conn)) if self.conn is not None else {}
            known = {status: self._compiled.get(number) for status, number in numbers.items()}
            found = {status: one for status, one in known.items() if one is not None}
            if self.conn is None or len(found) < len(numbers):
                found = self._compiled_in(self._compiled)
            self._used = found
        return self._used

    def _compiled_in(self, store: Compiled) -> dict[str, Definition]:
        used = [
            one
            for status in ("published", "challenger")
            for one in self.definitions.find(status=status)
        ]
        return {one.status: store.add(one.version, one.document) for one in used}

    def published(self) -> Version | None:
        """The version that scores, as stored."""
        found = self.definitions.find(status="published")
        return found[0] if found else None

    def challenger(self) -> Version | None:
        """The version that shadow-scores, as stored."""
        found = self.definitions.find(status="challenger")
        return found[0] if found else None

    def rescoring_begun(self) -> None:
        """Have it looked at as soon as this transaction is committed."""
        self.after_commit(self._rescoring)

    def open_leads(self) -> int:
        """How many leads a new version takes on."""
        if self.conn is None:
            return sum(lead.stage in OPEN for lead in self.leads)
        return int(_HOW_MANY.run(self.conn).scalar_one())

    def open_after(self, cursor: str, limit: int) -> list[str]:
        """The next of those leads, in the order of their ids."""
        if self.conn is None:
            found = [lead.lead_id for lead in self.leads if lead.stage in OPEN]
            return sorted(one for one in found if one > cursor)[:limit]
        return list(_NEXT.run(self.conn, cursor=cursor, limit=limit).scalars())

    def lease(self) -> bool:
        """Whether this transaction, and no other of any process, re-scores until it ends. Never
        waits, so that nobody who holds a lead ever waits for a lease that wants it."""
        if self.conn is None or self.conn.dialect.name != "postgresql":
            return True
        return bool(_LEASE.run(self.conn).scalar_one())

    def latest_decision(self, lead_id: str) -> Decision | None:
        """A lead's newest decision, also one of this transaction."""
        found = self.decisions.select(LATEST, limit=1, lead_id=lead_id)
        return found[0] if found else None
