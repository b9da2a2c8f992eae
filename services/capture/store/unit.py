"""Capture's unit of work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from services.capture.domain.fields import SeenField
from services.capture.domain.lead import Lead
from services.capture.domain.submission import Declared, Taken
from services.capture.store.aggregates import (
    ACTIVITIES,
    BAD_SUBMISSIONS,
    DECLARED,
    FORM_VERSIONS,
    FORMS,
    LEADS,
    REREADS,
    SEEN,
    SOURCES,
    SUBMISSIONS,
    SYNONYMS,
)
from services.capture.store.catalogue import Catalogue
from shared.db.statements import Statement, one_of
from shared.runtime.unit import Unit

REREAD_CHUNK: Final = 500
"""Most leads that one transaction looks at when fields are read anew."""

_WINDOW = Statement(
    "SELECT max(lead_id) FROM (SELECT lead_id FROM leads WHERE lead_id > :after "
    "ORDER BY lead_id LIMIT :chunk) AS next"
)
_WITH_FIELDS = Statement(
    lambda dialect: (
        "SELECT identity FROM leads WHERE lead_id > :after AND lead_id <= :upto "  # noqa: S608
        "AND EXISTS (SELECT 1 "
        + (
            f"FROM json_each(leads.field_order) AS f WHERE {one_of('f.value', 'names', dialect)})"
            if dialect == "sqlite"
            else "FROM jsonb_array_elements_text(leads.field_order) AS f(value) "
            f"WHERE {one_of('f.value', 'names', dialect)})"
        )
    )
)
_IDENTITY = Statement("SELECT identity FROM leads WHERE lead_id = :lead_id")


class Capture(Unit):
    """One transaction of capture. Leads are known, and locked, by their identities."""

    service = "capture"

    def __init__(
        self, now: datetime, conn: Connection | None = None, catalogue: Catalogue | None = None
    ) -> None:
        super().__init__(now, conn)
        self.leads = self.rows(LEADS)
        self.submissions = self.rows(SUBMISSIONS)
        self.activities = self.rows(ACTIVITIES)
        self.bad_submissions = self.rows(BAD_SUBMISSIONS)
        self.fields = self.rows(DECLARED)
        self.seen = self.rows(SEEN)
        self.forms = self.rows(FORMS)
        self.synonyms = self.rows(SYNONYMS)
        self.rereads = self.rows(REREADS)
        self.form_versions = self.rows(FORM_VERSIONS)
        self.sources = self.rows(SOURCES)
        self.catalogue = catalogue or Catalogue()
        self._answered: dict[str, Taken] = {}
        self._new_names: set[str] = set()

    @property
    def declared(self) -> Declared:
        """The declared custom fields, by name."""
        return self.catalogue.declared

    def load_for(self, identities: Sequence[str], idempotency_keys: Sequence[str]) -> None:
        """Lock these and read what there is of them, at once."""
        self.lock([*identities, *(f"key:{key}" for key in idempotency_keys)])
        self.leads.load(identities)
        if idempotency_keys:
            self.submissions.load(idempotency_keys)
            for one in self.submissions:
                self._answered[one.idempotency_key or ""] = one

    def answered(self, idempotency_key: str) -> Taken | None:
        """What was taken under this key, before or in this transaction."""
        return self._answered.get(idempotency_key)

    def take(self, taken: Taken) -> None:
        """Store a submission."""
        self.submissions.put(taken)
        if taken.idempotency_key is not None:
            self._answered[taken.idempotency_key] = taken

    def see(self, undeclared: Sequence[str]) -> None:
        """Remember the names of fields that came undeclared."""
        for name in undeclared:
            if name not in self._new_names and self.catalogue.unseen(name, len(self._new_names)):
                if not self._new_names:
                    self.after_commit(lambda: self.catalogue.saw(self._new_names))
                self._new_names.add(name)
                self.seen.put(SeenField(name, self.now))

    def with_fields(self, names: Sequence[str], after: str) -> tuple[list[Lead], str | None]:
        """Of the next leads behind ``after``: those that have one of these custom fields, locked,
        and the last one that was looked at (None when there are no more)."""
        if self.conn is None:
            found = [one for one in self.leads if set(one.field_order) & set(names)]
            return found, None
        looked = _WINDOW.run(self.conn, after=after, chunk=REREAD_CHUNK).scalar()
        if looked is None:
            return [], None
        rows = _WITH_FIELDS.run(self.conn, after=after, upto=looked, names=list(names))
        identities = rows.scalars()
        self.load_for(identities, [])
        return [one for one in map(self.leads.get, identities) if one is not None], looked

    def find_lead(self, *, lead_id: str | None, identity: str | None) -> Lead | None:
        """Lock and read one lead; both names must be its own where both are given."""
        if identity is None:
            identity = self._identity_of(lead_id)
        if identity is None:
            return None
        self.load_for([identity], [])
        lead = self.leads.get(identity)
        return lead if lead is not None and lead_id in (None, lead.lead_id) else None

    def _identity_of(self, lead_id: str | None) -> str | None:
        if self.conn is not None:  # the lead itself is read once it is locked
            found: str | None = _IDENTITY.run(self.conn, lead_id=lead_id).scalar()
            return found
        return next((lead.identity for lead in self.leads.find(lead_id=lead_id)), None)
