"""Declare custom fields."""

from collections.abc import Sequence

from services.capture.domain.fields import FieldDeclaration
from services.capture.store.unit import Capture


def declare_fields(unit: Capture, declarations: Sequence[FieldDeclaration]) -> None:
    """Declare exactly these, in their order. Of two at once, the second replaces the first."""
    unit.lock(["fields"])
    wanted = {one.name for one in declarations}
    for before in unit.fields.all():
        if before.name not in wanted:
            unit.fields.remove(before)
    for one in declarations:
        unit.fields.put(one)
    unit.after_commit(lambda: unit.catalogue.show(declarations))


def read_catalogue(unit: Capture) -> None:
    """Bring what this process knows of custom fields up to the tables. Of those seen it needs to
    know its own only: a name that another process saw is just written again."""
    declared = sorted(unit.fields.all(), key=lambda one: one.position)
    names = [] if unit.catalogue.loaded else [one.name for one in unit.seen.all()]

    def show() -> None:
        unit.catalogue.show(declared)
        unit.catalogue.saw(names)

    unit.after_commit(show)
