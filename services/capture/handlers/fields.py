"""Declare custom fields, add synonyms, and read anew what came before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.capture.domain.fields import FieldDeclaration
from services.capture.domain.rereading import Reread, read_anew
from services.capture.domain.synonyms import Synonym, Synonyms, fold
from services.capture.store.synonym_table import known_synonyms
from services.capture.store.unit import Capture
from shared.contracts.events import ActivityRecorded, ContactUpdated
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import FIELDS_READ

MAX_DECLARED: Final = 200
"""Most custom fields that are declared."""
SETTLED: Final = timedelta(seconds=3)
"""How long what came before waits to be read anew: until no process reads by older declarations."""


def declare_fields(unit: Capture, declarations: Sequence[FieldDeclaration]) -> None:
    """Declare exactly these, in their order. Of two at once, the second replaces the first."""
    unit.lock(["fields"])
    before = {one.name: one for one in unit.fields.all()}
    wanted = {one.name for one in declarations}
    for name, one in before.items():
        if name not in wanted:
            unit.fields.remove(one)
    for one in declarations:
        unit.fields.put(one)
    changed = {
        one.name
        for one in declarations
        if one.name not in before or _meaning(one) != _meaning(before[one.name])
    }
    _read_again(unit, sorted(changed | (before.keys() - wanted)))
    unit.after_commit(lambda: unit.catalogue.show(declarations))


def declare_one(unit: Capture, declaration: FieldDeclaration) -> None:
    """Declare one more, or one anew. Raises Problem 422 when there are too many."""
    unit.lock(["fields"])
    before = sorted(unit.fields.all(), key=lambda one: one.position)
    others = [one for one in before if one.name != declaration.name]
    if len(others) >= MAX_DECLARED:
        raise Problem(422, "Too many fields", f"At most {MAX_DECLARED} can be declared.")
    place = next((one.position for one in before if one.name == declaration.name), None)
    last = before[-1].position + 1 if before else 0
    at = last if place is None else place
    after = [*others, replace(declaration, position=at)]
    declare_fields(unit, sorted(after, key=lambda one: one.position))


def understand_names(unit: Capture, added: Sequence[Synonym]) -> None:
    """Have exactly these names understood beside those that come with the product."""
    unit.lock(["fields"])
    before = {one.name: one for one in unit.synonyms.all()}
    wanted = {one.name: one for one in added}
    for name, one in before.items():
        if name not in wanted:
            unit.synonyms.remove(one)
    for one in added:
        unit.synonyms.put(one)
    changed = {name for name, one in wanted.items() if before.get(name) != one and one.field}
    if changed:
        came = [one.name for one in unit.seen.all() if fold(one.name) in changed]
        _read_again(unit, came)
    unit.after_commit(lambda: unit.catalogue.understand(added))


def understand_one(unit: Capture, synonym: Synonym) -> None:
    """Have one more name understood."""
    unit.lock(["fields"])
    others = [one for one in unit.synonyms.all() if one.name != synonym.name]
    understand_names(unit, [*others, synonym])


def read_catalogue(unit: Capture) -> None:
    """Bring what this process knows of custom fields up to the tables. Of those seen it needs to
    know its own only: a name that another process saw is just written again."""
    declared = sorted(unit.fields.all(), key=lambda one: one.position)
    added = unit.synonyms.all()
    names = [] if unit.catalogue.loaded else [one.name for one in unit.seen.all()]

    def show() -> None:
        unit.catalogue.show(declared)
        unit.catalogue.understand(added)
        unit.catalogue.saw(names)

    unit.after_commit(show)


def read_some_again(unit: Capture) -> bool:
    """Read what waits for it anew on the next leads; scoring hears of those that it changes.

    Returns whether there was something to do."""
    unit.lock(["fields"])
    waiting = [r for r in unit.rereads.find(finished_at=None) if r.asked_at + SETTLED <= unit.now]
    if not waiting:
        return False
    reread = waiting[0]
    declared = {one.name: one for one in unit.fields.all()}
    synonyms = Synonyms(known_synonyms(), unit.synonyms.all())
    leads, looked = unit.with_fields(reread.names, reread.after)
    changed = 0
    for before in leads:
        lead = read_anew(before, reread.names, declared, synonyms)
        if lead == before:
            continue
        changed += 1
        unit.leads.put(lead)
        unit.emit(
            ActivityRecorded(
                lead_id=lead.lead_id,
                activity_id=new_id(),
                kind=FIELDS_READ,
                occurred_at=lead.updated_at,  # nothing happened since
                facts=lead.all_facts(),
            )
        )
        if lead.contact != before.contact:
            unit.emit(ContactUpdated(lead_id=lead.lead_id, **{"fields": {}, **lead.contact}))
    after = replace(
        reread,
        after=looked or reread.after,
        changed=reread.changed + changed,
        finished_at=unit.now if looked is None else None,
    )
    unit.rereads.put(after)
    return True


def _meaning(one: FieldDeclaration) -> tuple[object, ...]:
    return one.type, one.kind, one.options


def _read_again(unit: Capture, names: Sequence[str]) -> None:
    """Have the leads that have these fields read anew; what was still to be read comes with it."""
    if not names:
        return
    every = dict.fromkeys(names)
    for other in unit.rereads.find(finished_at=None):
        every |= dict.fromkeys(other.names)
        unit.rereads.put(replace(other, finished_at=unit.now))
    unit.rereads.put(Reread(new_id(), tuple(every), unit.now))
