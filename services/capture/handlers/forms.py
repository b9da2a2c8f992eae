"""Make and change the forms that leads come by."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.capture.domain.form import FormVersion, StoredForm
from services.capture.store.unit import Capture
from shared.contracts.problems import Problem


def save_form(
    unit: Capture,
    form_id: str,
    document: Mapping[str, Any],
    by: str | None,
    *,
    based_on: int | None = None,
) -> StoredForm:
    """Put a form's next version in place of the one before, or make the form. The same document
    again is the same version. ``based_on``: only if nobody has changed it since that version.
    Raises Problem 412."""
    unit.lock([f"form:{form_id}"])
    before = unit.forms.fetch(form_id)
    if based_on is not None and (before is None or before.version != based_on):
        raise Problem(
            412,
            "Somebody else changed the form",
            "Load it again, and make your change to what it is now. Nothing was changed.",
        )
    if before is not None and before.active and before.document == document:
        return before
    if before is None:
        after = StoredForm(form_id, True, document, unit.now, 1, unit.now, by)
    else:
        after = replace(
            before,
            active=True,
            document=document,
            version=before.version + 1,
            updated_at=unit.now,
            updated_by=by,
        )
    unit.forms.put(after)
    unit.form_versions.put(FormVersion(form_id, after.version, document, unit.now, by))
    return after


def close_form(unit: Capture, form_id: str) -> StoredForm:
    """Take no more leads by a form; what came stays. Raises Problem 404."""
    unit.lock([f"form:{form_id}"])
    found = unit.forms.fetch(form_id)
    if found is None:
        raise Problem(404, "No such form", "There is no form with this id.")
    closed = replace(found, active=False, updated_at=unit.now)
    unit.forms.put(closed)
    return closed
