"""What the API and the pages read, and what may be forgotten."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from services.capture.domain.fields import FACT, FieldDeclaration, SeenField
from services.capture.domain.form import FormVersion, HostedForm, StoredForm
from services.capture.domain.lead import Lead
from services.capture.domain.source import Source
from services.capture.domain.submission import STANDARD
from services.capture.domain.synonyms import Synonym
from services.capture.store.aggregates import (
    BAD_SUBMISSIONS,
    DECLARED,
    FORM_VERSIONS,
    FORMS,
    LEADS,
    SEEN,
    SOURCES,
    SYNONYMS,
)
from services.capture.store.tables import (
    activities,
    bad_submissions,
    custom_fields,
    form_versions,
    forms,
    leads,
    seen_fields,
    sources,
    submissions,
    synonyms,
)
from shared.db.statements import Statement
from shared.runtime.retention import CHUNK, first_id_of

SENDERS: Final = ("form", "key", "open", "source")
MAX_SHOWN: Final = 200
"""Most touches and most activities shown with a lead; the newest."""

_OLD_BAD = Statement(
    "DELETE FROM bad_submissions WHERE bad_submission_id IN (SELECT bad_submission_id "
    "FROM bad_submissions WHERE bad_submission_id < :before ORDER BY bad_submission_id "
    "LIMIT :chunk)"
)
_NEWEST_TO_GO = Statement(
    "SELECT bad_submission_id FROM bad_submissions WHERE sender = :sender "
    "ORDER BY bad_submission_id DESC LIMIT 1 OFFSET :kept"
)
_SURPLUS_BAD = Statement(
    "DELETE FROM bad_submissions WHERE bad_submission_id IN (SELECT bad_submission_id "
    "FROM bad_submissions WHERE sender = :sender AND bad_submission_id <= :last "
    "ORDER BY bad_submission_id LIMIT :chunk)"
)


def lead_with_touches(conn: Connection, lead_id: str) -> dict[str, Any] | None:
    """A lead with its submissions and activities, newest first."""
    found = LEADS.items(conn.execute(LEADS.query().where(leads.c.lead_id == lead_id)))
    if not found:
        return None
    lead = found[0]
    return {
        "lead_id": lead.lead_id,
        "captured_at": lead.captured_at,
        "updated_at": lead.updated_at,
        "contact": lead.contact,
        "facts": lead.all_facts(),
        "fields_dropped": lead.fields_dropped,
        "attribution": lead.attribution,
        "consent": [{"purpose": name, **answer} for name, answer in lead.consent.items()],
        "consents_dropped": lead.consents_dropped,
        "unread": _unread(conn, lead),
        "touch_count": lead.touches,
        "touches": _touches(conn, lead_id),
        "activities": _activities(conn, lead_id),
    }


def _unread(conn: Connection, lead: Lead) -> list[str]:
    """Names of fields whose value was sent, could not be read, and is among the custom fields."""
    facts = {f"{FACT}{name}": name for name in lead.contact.get("fields", {})}
    known = lead.contact.keys() | lead.facts.keys()
    own = [name for name in facts.values() if name in STANDARD and name not in known]
    declared = {FACT + one.name for one in declared_fields(conn) if one.is_fact} if facts else set()
    return sorted([*own, *(name for name in facts if name in declared - lead.facts.keys())])


def _touches(conn: Connection, lead_id: str) -> list[dict[str, Any]]:
    c = submissions.c
    rows = conn.execute(
        select(c.submission_id, c.status, c.received_at, c.attribution)
        .where(c.lead_id == lead_id)
        .order_by(c.submission_id.desc())
        .limit(MAX_SHOWN)
    )
    return [dict(row._mapping) for row in rows]


def _activities(conn: Connection, lead_id: str) -> list[dict[str, Any]]:
    c = activities.c
    rows = conn.execute(
        select(c.activity_id, c.kind, c.occurred_at)
        .where(c.lead_id == lead_id)
        .order_by(c.occurred_at.desc(), c.activity_id.desc())
        .limit(MAX_SHOWN)
    )
    return [dict(row._mapping) for row in rows]


def leads_after(
    conn: Connection, after: str, limit: int, identity: str | None = None
) -> list[dict[str, Any]]:
    """Ids and times, in the order of the ids, which is that of capturing; ``identity``: of the one
    lead that it is."""
    query = (
        select(leads.c.lead_id, leads.c.captured_at)
        .where(leads.c.lead_id > after)
        .order_by(leads.c.lead_id)
        .limit(limit)
    )
    if identity is not None:
        query = query.where(leads.c.identity == identity)
    return [dict(row._mapping) for row in conn.execute(query)]


def bad_before(conn: Connection, before: str, limit: int) -> list[dict[str, Any]]:
    """Bad submissions, newest first; ``before`` empty starts with the newest."""
    query = BAD_SUBMISSIONS.query().order_by(bad_submissions.c.bad_submission_id.desc())
    if before:
        query = query.where(bad_submissions.c.bad_submission_id < before)
    found = [dict(row._mapping) for row in conn.execute(query.limit(limit))]
    for one in found:
        one["body"] = bytes(one["body"]).decode("utf-8", "replace")
        del one["sender"]  # its source says more
    return found


def forget_bad_submissions(conn: Connection, older_than: datetime) -> int:
    """Delete some of those that came before a time; returns how many."""
    return _OLD_BAD.run(conn, before=first_id_of(older_than), chunk=CHUNK).rowcount


def keep_newest_bad_submissions(conn: Connection, count: int) -> int:
    """Delete some of those beyond the newest ``count`` of each kind of sender; returns how many."""
    gone = 0
    for sender in SENDERS:
        last = _NEWEST_TO_GO.run(conn, sender=sender, kept=count).scalar()
        if last is not None:
            gone += _SURPLUS_BAD.run(conn, sender=sender, last=last, chunk=CHUNK - gone).rowcount
    return gone


def declared_fields(conn: Connection) -> list[FieldDeclaration]:
    """The declarations, in their order."""
    return DECLARED.items(conn.execute(DECLARED.query().order_by(custom_fields.c.position)))


def seen_undeclared(conn: Connection) -> list[SeenField]:
    """Fields that came and are not declared, by name."""
    query = (
        SEEN.query()
        .where(seen_fields.c.name.not_in(select(custom_fields.c.name)))
        .order_by(seen_fields.c.name)
    )
    return SEEN.items(conn.execute(query))


def added_synonyms(conn: Connection) -> list[Synonym]:
    """The names that were added to the table that comes with the product."""
    return SYNONYMS.items(conn.execute(SYNONYMS.query().order_by(synonyms.c.name)))


def every_source(conn: Connection) -> list[Source]:
    """The tools that are set up, the oldest first."""
    return SOURCES.items(conn.execute(SOURCES.query().order_by(sources.c.created_at)))


def find_source(conn: Connection, source_id: str) -> Source | None:
    """A tool that is set up, active or not."""
    found = SOURCES.items(conn.execute(SOURCES.query().where(sources.c.source_id == source_id)))
    return found[0] if found else None


def find_form(conn: Connection, form_id: str) -> HostedForm | None:
    """An active form, or None."""
    query = select(forms.c.version, forms.c.document).where(
        forms.c.form_id == form_id, forms.c.active
    )
    row = conn.execute(query).first()
    return None if row is None else HostedForm.of(form_id, row.version, row.document)


def form_at(conn: Connection, form_id: str, version: int) -> HostedForm | None:
    """What a form asked and said in a version of its; None where it has none of this number."""
    c = form_versions.c
    query = select(c.document).where(c.form_id == form_id, c.version == version)
    document = conn.execute(query).scalar()
    return None if document is None else HostedForm.of(form_id, version, document)


def list_forms(conn: Connection) -> list[StoredForm]:
    """Every form, by id."""
    return FORMS.items(conn.execute(FORMS.query().order_by(forms.c.form_id)))


def stored_form(conn: Connection, form_id: str) -> StoredForm | None:
    """A form, also one that is closed."""
    found = FORMS.items(conn.execute(FORMS.query().where(forms.c.form_id == form_id)))
    return found[0] if found else None


def versions_of(conn: Connection, form_id: str) -> list[FormVersion]:
    """What a form has been, newest first."""
    query = FORM_VERSIONS.query().where(form_versions.c.form_id == form_id)
    return FORM_VERSIONS.items(conn.execute(query.order_by(form_versions.c.version.desc())))
