"""Qualify's unit of work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from services.qualify.domain.decision import Decision
from services.qualify.domain.definition import Definition, compile_definition
from services.qualify.domain.versions import Version
from services.qualify.store.aggregates import DECISIONS, DEFINITIONS, LATEST, LEADS
from shared.runtime.parts import NotYet
from shared.runtime.unit import Unit


class NoDefinitionPublished(NotYet):
    """Nothing can be scored until somebody publishes a definition: worth waiting for."""


class Compiled:
    """Compiled definitions by version, for the life of the process: documents never change."""

    def __init__(self) -> None:
        self._by_version: dict[int, Definition] = {}

    def of(self, version: int, document: Mapping[str, Any]) -> Definition:
        """The definition, compiled the first time."""
        found = self._by_version.get(version)
        if found is None:
            found = self._by_version[version] = compile_definition(version, document)
        return found


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
        self._compiled = compiled or Compiled()
        self._scoring: Definition | None = None

    def scoring(self) -> Definition:
        """The published definition, compiled. Raises NoDefinitionPublished."""
        if self._scoring is None:
            version = self.published()
            if version is None:
                raise NoDefinitionPublished("no definition is published: publish one")
            self._scoring = self._compiled.of(version.version, version.document)
        return self._scoring

    def published(self) -> Version | None:
        """The version that scores, as stored."""
        found = self.definitions.find(status="published")
        return found[0] if found else None

    def latest_decision(self, lead_id: str) -> Decision | None:
        """A lead's newest decision, also one of this transaction."""
        found = self.decisions.select(LATEST, limit=1, lead_id=lead_id)
        return found[0] if found else None
