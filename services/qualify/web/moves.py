"""What the editor's small buttons do to a draft: add, take away, move and turn rows."""

from typing import Any

from services.qualify.web.draft import (
    CRITERIA,
    DISQUALIFIERS,
    GRADE,
    GROUP_GRADE,
    LEVEL,
    Draft,
    Row,
    blank,
    blank_texts,
)
from shared.web.typed import MOST_ROWS, shifted

FIRST_FIELD = {"field": "field", "levels": "field", "activity": "activity", "when": "when"}
"""Where typing begins in each form of a criterion."""


def moved(draft: Draft, action: str) -> str | None:
    """Do what a button says; the name of the field to go on in, None for a button unknown to us."""
    verb, _, rest = action.partition(":")
    place, _, form = rest.partition(":")
    if verb == "grading":
        draft.grading = "matrix" if rest == "matrix" else "score"
        return "grading"
    if verb == "add":
        return _add(draft, place, form)
    if verb == "turn":
        return _turn(draft, place, form)
    if verb in ("remove", "up"):
        return _take(draft, place, up=verb == "up")
    return None


def _add(draft: Draft, path: str, form: str) -> str | None:
    rows = draft.listed(path)
    if rows is None or len(rows) >= MOST_ROWS:
        return None
    kind = {"criteria": CRITERIA, "disqualifiers": DISQUALIFIERS}.get(path)
    here = f"{path}-{len(rows)}"
    if kind is not None:
        form = form if form in kind else "field"
        rows.append(blank(form, kind))
        return f"{here}-{FIRST_FIELD[form]}"
    if path.endswith("-levels"):
        rows.append(blank_texts(LEVEL))
        return f"{here}-value"
    rows.append(blank_texts(GRADE if path == "grades" else GROUP_GRADE))
    return f"{here}-grade"


def _take(draft: Draft, place: str, *, up: bool) -> str | None:
    """Take a row away, or put it before the one above it."""
    path, _, number = place.rpartition("-")
    rows: list[Any] | None = draft.listed(path)
    to = None if rows is None else shifted(rows, number, "up" if up else "remove")
    if rows is None or to is None:
        return None
    if up:
        return f"{path}-{to}-value"
    return f"{path}-{to}" if rows else path


def _turn(draft: Draft, place: str, form: str) -> str | None:
    """Give a criterion on a field levels, or write its condition out to put others beside it."""
    path, _, number = place.rpartition("-")
    rows = draft.listed(path) if path == "criteria" else None
    at = int(number) if number.isdecimal() and len(number) < 5 else -1
    if rows is None or not 0 <= at < len(rows) or rows[at].form != "field":
        return None
    old: Row = rows[at]
    if form not in ("levels", "when"):
        return None
    new = blank(form)
    new.texts.update({name: old.texts[name] for name in new.texts if name in old.texts})
    if form == "levels":
        new.levels = [{name: old.texts[name] for name in LEVEL if name != "label"} | {"label": ""}]
    else:
        new.texts["when"] = old.as_tree()
    rows[at] = new
    return f"{place}-levels-0-value" if form == "levels" else f"{place}-when"
