"""The rows that a transaction of capture works on."""

from services.capture.domain.activity import Activity
from services.capture.domain.fields import FieldDeclaration, SeenField
from services.capture.domain.form import FormVersion, StoredForm
from services.capture.domain.lead import Lead
from services.capture.domain.rereading import Reread
from services.capture.domain.source import Source
from services.capture.domain.submission import BadSubmission, Taken
from services.capture.domain.synonyms import Synonym
from services.capture.store.tables import (
    activities,
    bad_submissions,
    custom_fields,
    form_versions,
    forms,
    leads,
    rereads,
    seen_fields,
    sources,
    submissions,
    synonyms,
)
from shared.db.aggregates import Aggregate

LEADS = Aggregate(
    leads,
    Lead,
    key=("identity",),
    loaded_by="identity",
    fixed=("lead_id", "attribution", "captured_at"),
)
SUBMISSIONS = Aggregate(submissions, Taken, loaded_by="idempotency_key")
ACTIVITIES = Aggregate(activities, Activity)
BAD_SUBMISSIONS = Aggregate(bad_submissions, BadSubmission)
DECLARED = Aggregate(custom_fields, FieldDeclaration, decode={"options": tuple})
SEEN = Aggregate(seen_fields, SeenField, on_conflict="ignore")
SYNONYMS = Aggregate(synonyms, Synonym)
SOURCES = Aggregate(sources, Source)
REREADS = Aggregate(rereads, Reread, decode={"names": tuple})
FORMS = Aggregate(forms, StoredForm)
FORM_VERSIONS = Aggregate(form_versions, FormVersion)
