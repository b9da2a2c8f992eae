"""A proposed document as somebody edits it: as points in a table, or as text."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from shared.contracts.definition import DefinitionBody
from shared.contracts.problems import Problem
from shared.scorecard.authoring import definition_of
from shared.scorecard.definition import InvalidDefinition, compile_definition
from shared.scorecard.documents import Form, read_document, to_yaml
from shared.scorecard.rules import Levels

TEXT_LENGTH: Final = 200_000
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,6}")


@dataclass(slots=True)
class Row:
    """One amount of points: ``pointer`` is where it stands in the document."""

    pointer: str
    label: str
    when: str
    points: str
    first: bool
    error: str | None = None

    @property
    def name(self) -> str:
        """The name of its field."""
        return "points" + self.pointer.replace("/", "-")


@dataclass(slots=True)
class Editing:
    """What stands in both forms, and what is wrong with it by field."""

    threshold: str
    rows: list[Row]
    text: str
    saved_text: str
    seen: str
    error_of: dict[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> list[tuple[str, str]]:
        """For the summary above the forms: field and message, with its place."""
        found = [(name, text) for name, text in self.error_of.items()]
        found += [
            (row.name, f"{row.label}, {row.when}: {row.error}") for row in self.rows if row.error
        ]
        return found

    @property
    def lines(self) -> int:
        """How tall the text is."""
        return max(12, min(self.text.count("\n") + 2, 40))


def editing_of(document: Mapping[str, Any], seen: str) -> Editing:
    """A stored document, to be changed. ``seen`` tells its edits apart."""
    text = to_yaml(document)
    return Editing(str(document["threshold"]), list(_rows(document)), text, text, seen)


def with_points(
    form: Editing, document: Mapping[str, Any], sent: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The document with the points that were typed; None when some are no whole numbers, which
    then stands in the form."""
    changed = deepcopy(dict(document))
    form.threshold = _typed(sent, "threshold")
    number = _number(form.threshold)
    if number is None:
        form.error_of["threshold"] = "Threshold: write a whole number"
    changed["threshold"] = number
    for row in form.rows:
        row.points = _typed(sent, row.name, row.points)
        points = _number(row.points)
        if points is None:
            row.error = "write a whole number"
        _set(changed, row.pointer, points)
    return None if form.errors else changed


def with_text(form: Editing, sent: Mapping[str, Any]) -> Any:
    """The document that was written; None when it can't be read, which then stands in the form."""
    value = sent.get("document")
    form.text = value.replace("\r\n", "\n") if isinstance(value, str) else ""
    if len(form.text) > TEXT_LENGTH:
        form.error_of["document"] = "The document is too long"
        return None
    form_of: Form = "json" if form.text.lstrip()[:1] == "{" else "yaml"
    try:
        found = read_document(form.text.encode(errors="replace"), form_of)
    except InvalidDefinition as error:
        form.error_of["document"] = "; ".join(
            _said(place_words({}, one.pointer), one.detail) for one in error.errors
        )
        return None
    if not isinstance(found, dict):
        form.error_of["document"] = "A definition has a threshold and criteria"
        return None
    return found


def checked(form: Editing, document: Mapping[str, Any]) -> DefinitionBody | None:
    """The document as a definition that can score; None with its mistakes in the form."""
    try:
        return definition_of(document)
    except InvalidDefinition as found:
        for mistake in found.errors:
            _place(form, document, mistake.pointer, mistake.detail)
    return None


def refused(form: Editing, problem: Problem, document: Mapping[str, Any]) -> None:
    """What a handler found wrong, in the form."""
    for one in problem.extra.get("errors", []):
        pointer = str(one["pointer"]).removeprefix("/definition")
        _place(form, document, pointer, str(one["detail"]))
    if not form.errors:
        form.error_of["document"] = problem.detail


def place_words(document: Mapping[str, Any], pointer: str) -> str:
    """``/criteria/2/points`` as people say it: ``Criterion senior, points``."""
    steps = [one for one in pointer.split("/") if one]
    if len(steps) >= 2 and steps[0] in _PARTS and steps[1].isdecimal():
        listed = document.get(steps[0])
        number = int(steps[1])
        item = listed[number] if isinstance(listed, list) and number < len(listed) else None
        known = item.get("id") if isinstance(item, Mapping) else None
        rest = [str(int(s) + 1) if s.isdecimal() else s.replace("_", " ") for s in steps[2:]]
        said = f"{_PARTS[steps[0]]} {known if isinstance(known, str) else number + 1}"
        return f"{said}, {' '.join(rest)}" if rest else said
    return " ".join(step.replace("_", " ") for step in steps).capitalize()


_PARTS: Final = {
    "criteria": "Criterion",
    "disqualifiers": "Disqualifier",
    "grades": "Grade",
}


def _place(form: Editing, document: Mapping[str, Any], pointer: str, detail: str) -> None:
    """Into the field where it can be mended: of the points, or of the text as a whole."""
    in_table = form.text == form.saved_text
    row = next((one for one in form.rows if one.pointer == pointer), None)
    if row is None:  # of the same criterion, such as a cap that the points are beyond
        steps = pointer.split("/")
        own = "/".join(steps[:3]) + "/"
        of_one = len(steps) > 3
        row = next((one for one in form.rows if of_one and one.pointer.startswith(own)), None)
        detail = _said(place_words(document, pointer), detail)
    if in_table and row is not None:
        row.error = detail
        return
    if row is not None and row.pointer == pointer:
        detail = _said(place_words(document, pointer), detail)
    key = "threshold" if in_table else "document"
    before = form.error_of.get(key)
    form.error_of[key] = f"{before}; {detail}" if before else detail


def _rows(document: Mapping[str, Any]) -> Iterator[Row]:
    compiled = compile_definition(0, document)
    for index, (item, criterion) in enumerate(
        zip(document["criteria"], compiled.criteria, strict=True)
    ):
        at, label, rule = f"/criteria/{index}", item.get("label") or item["id"], criterion.rule
        if not isinstance(rule, Levels):
            yield Row(f"{at}/points", label, rule.sentence(), str(item["points"]), True)
            continue
        for place, level in enumerate(rule.levels):
            when = level.label or level.condition.sentence()
            yield Row(f"{at}/levels/{place}/points", label, when, str(level.points), place == 0)
        yield Row(f"{at}/otherwise", label, "otherwise", str(rule.otherwise), False)


def _set(document: dict[str, Any], pointer: str, value: Any) -> None:
    *steps, last = pointer.strip("/").split("/")
    place: Any = document
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if last == "otherwise" and not value and place.get(last) is None:
        return  # what nobody wrote is 0 anyhow
    place[last] = value


def _said(place: str, detail: str) -> str:
    text = f"{place}: {detail}" if place else detail
    return text[:1].upper() + text[1:]


def _typed(sent: Mapping[str, Any], name: str, default: str = "") -> str:
    value = sent.get(name, default)
    return value.strip()[:40] if isinstance(value, str) else default


def _number(text: str) -> int | None:
    plain = text.replace("\N{MINUS SIGN}", "-").replace(" ", "")
    return int(plain) if _WHOLE.fullmatch(plain) else None
