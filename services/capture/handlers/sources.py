"""Set up other tools that may post."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from services.capture.domain.source import Kind, Source
from services.capture.store.unit import Capture
from shared.contracts.problems import Problem

MAX_SOURCES: Final = 200
"""Most tools that are set up."""


def add_source(
    unit: Capture,
    source_id: str,
    kind: Kind,
    *,
    active: bool,
    document: Mapping[str, Any],
    secret: str,
) -> Source:
    """Set up one more. Raises Problem 409 for a taken id, 422 when there are too many."""
    unit.lock(["sources"])
    known = unit.sources.all()
    if any(one.source_id == source_id for one in known):
        raise Problem(409, "There is one already", f"PUT changes the source {source_id}.")
    if len(known) >= MAX_SOURCES:
        raise Problem(422, "Too many sources", f"At most {MAX_SOURCES} can be set up.")
    source = Source(source_id, kind, active, document, secret, unit.now, unit.now)
    unit.sources.put(source)
    return source


def change_source(
    unit: Capture,
    source_id: str,
    kind: Kind,
    *,
    active: bool,
    document: Mapping[str, Any],
    secret: str | None,
) -> Source:
    """Change one; without a secret it keeps the one it has. Raises Problem 404, 422."""
    unit.lock(["sources"])
    before = _known(unit, source_id)
    if before.kind != kind:
        raise Problem(422, "Another kind", "A source keeps its kind: add one, and remove this.")
    after = replace(
        before,
        active=active,
        document=document,
        secret=before.secret if secret is None else secret,
        updated_at=unit.now,
    )
    unit.sources.put(after)
    return after


def remove_source(unit: Capture, source_id: str) -> None:
    """Remove one: what it posts is refused from now on. Raises Problem 404."""
    unit.lock(["sources"])
    unit.sources.remove(_known(unit, source_id))


def _known(unit: Capture, source_id: str) -> Source:
    found = next((one for one in unit.sources.all() if one.source_id == source_id), None)
    if found is None:
        raise Problem(404, "Unknown source", "No source has this id.")
    return found
