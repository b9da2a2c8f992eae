"""Capture's unit of work."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from services.capture.domain.fields import SeenField
from services.capture.domain.lead import Lead
from services.capture.domain.submission import Declared, Taken
from services.capture.store.aggregates import (
    ACTIVITIES,
    BAD_SUBMISSIONS,
    DECLARED,
    FORMS,
    LEADS,
    SEEN,
    SUBMISSIONS,
)
from services.capture.store.catalogue import Catalogue
from shared.db.statements import Statement
from shared.runtime.unit import Unit

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
