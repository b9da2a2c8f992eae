"""Qualify's unit of work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from services.qualify.domain.decision import Decision
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

_PUBLISHED = Statement("SELECT version FROM definitions WHERE status = 'published'")


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
        """Compile a definition."""
        return self._by_version.setdefault(version, compile_definition(version, document))


class Qualify(Unit):
    """One transaction of qualify."""

    service = "qualify"

    def __init__(
        self, now: datetime, conn: Connection | None = None, compiled: Compiled | None = None
    ) -> None:
        super().__init__(now, conn)
        self.leads = self.rows(LEADS)
        self.decisions = self.rows(DECISIONS)
        self.definitions = self.rows(DEFINITIONS)
        self.answers = self.rows(ANSWERS)
        self.rescores = self.rows(RESCORES)
        self._compiled = compiled or Compiled()
        self._scoring: Definition | None = None

    def scoring(self) -> Definition:
        """The published definition, compiled. Raises NoDefinitionPublished."""
        if self.definitions.touched:  # published by an earlier event of this batch
            self._scoring = None
        elif self._scoring is None:
            number = _PUBLISHED.run(self.conn).scalar() if self.conn is not None else None
            self._scoring = self._compiled.get(number)
        if self._scoring is None:
            version = self.published()
            if version is None:
                raise NoDefinitionPublished("no definition is published: publish one")
            self._scoring = self._compiled.add(version.version, version.document)
        return self._scoring

    def published(self) -> Version | None:
        """The version that scores, as stored."""
        found = self.definitions.find(status="published")
        return found[0] if found else None

    def latest_decision(self, lead_id: str) -> Decision | None:
        """A lead's newest decision, also one of this transaction."""
        found = self.decisions.select(LATEST, limit=1, lead_id=lead_id)
        return found[0] if found else None
