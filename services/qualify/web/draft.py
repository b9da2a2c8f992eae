"""A definition as somebody types it: form fields in, a document out, and mistakes by field. How
fields are named says ``shared.web.typed``."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.conditions import ConditionError, compile_condition
from shared.contracts.definition import DefinitionBody
from shared.scorecard.authoring import definition_of
from shared.scorecard.definition import InvalidDefinition
from shared.scorecard.documents import read_document, to_yaml
from shared.web.typed import (
    MOST_ROWS,
    Parts,
    Texts,
    counted,
    in_words,
    listed,
    nested,
    number_of,
    sent_texts,
    text_of,
    value_of,
    value_text,
)

SINGLE: Final = ("name", "note", "threshold", "cool_off_days", "exploration_rate")
CRITERIA: Final[Mapping[str, tuple[str, ...]]] = {
    "field": ("id", "label", "group", "field", "operator", "value", "points", "half_life_days"),
    "levels": ("id", "label", "group", "field", "otherwise"),
    "activity": (
        *("id", "label", "group", "activity", "count", "window_days"),
        *("points", "cap", "half_life_days"),
    ),
    "when": ("id", "label", "group", "when", "points"),
}
"""What is typed of each form of a criterion, beside its levels."""
DISQUALIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "field": ("id", "field", "operator", "value"),
    "when": ("id", "when"),
}
LEVEL: Final = ("operator", "value", "points", "label")
GRADE: Final = ("grade", "min_score")
GROUP_GRADE: Final = ("grade", "min_points")
NUMBERS: Final = frozenset(
    {"points", "otherwise", "count", "window_days", "half_life_days", "cap"}
    | {"min_score", "min_points", "threshold", "cool_off_days"}
)
DEFAULTS: Final = {"group": "fit", "operator": "equals"}


@dataclass(slots=True)
class Row:
    """A criterion or a disqualifier, in one of its forms."""

    form: str
    texts: Texts
    levels: list[Texts] = field(default_factory=list)

    @property
    def filled(self) -> bool:
        """Whether anything was typed."""
        typed = (text for name, text in self.texts.items() if text != DEFAULTS.get(name, ""))
        return any(typed) or any(map(_filled, self.levels))

    def as_tree(self) -> str:
        """Its condition as the beginning of conditions put together."""
        names = ("field", "operator", "value")
        leaf = _typed({name: self.texts[name] for name in names})
        return to_yaml({"all": [leaf]}).strip()

    def document(self) -> dict[str, Any]:
        """Its part of the document. Raises InvalidDefinition when its conditions can't be read."""
        made = _typed(self.texts)
        if self.form == "levels":
            made["levels"] = [_typed(level) for level in self.levels]
        if "when" in self.texts:
            made["when"] = read_document(self.texts["when"].encode(), "yaml") or {}
        return made


@dataclass(slots=True)
class Draft:
    """What stands in the form's fields, all of it text, so that nothing typed is lost."""

    single: Texts
    criteria: list[Row]
    disqualifiers: list[Row]
    grades: list[Texts]
    fit: list[Texts]
    engagement: list[Texts]
    grading: str = "score"
    """``score`` for one grade by the score, ``matrix`` for one each by fit and engagement."""
    errors: Texts = field(default_factory=dict)
    """Message by field name; ``""`` is the whole."""

    @classmethod
    def of_document(cls, document: Parts) -> "Draft":
        """A document that compiles, to be changed."""
        matrix = document.get("grade_matrix")
        single = {name: text_of(document.get(name)) for name in SINGLE}
        rate = document.get("exploration_rate") or 0
        single["exploration_rate"] = f"{round(rate * 100, 10):g}"
        return cls(
            single,
            [_row(one, CRITERIA) for one in document["criteria"]],
            [_row(one, DISQUALIFIERS) for one in document.get("disqualifiers") or []],
            [_texts(one, GRADE) for one in document.get("grades") or []],
            [_texts(one, GROUP_GRADE) for one in (matrix or {}).get("fit", [])],
            [_texts(one, GROUP_GRADE) for one in (matrix or {}).get("engagement", [])],
            "matrix" if matrix else "score",
        )

    @classmethod
    def of_form(cls, form: Parts) -> "Draft":
        """What was sent; rows keep their order, gaps left by removed ones close."""
        sent = nested(form)
        matrix = sent.get("grade_matrix")
        return cls(
            sent_texts(sent, SINGLE),
            [_sent_row(one, CRITERIA) for one in listed(sent.get("criteria"))],
            [_sent_row(one, DISQUALIFIERS) for one in listed(sent.get("disqualifiers"))],
            [sent_texts(one, GRADE) for one in listed(sent.get("grades"))],
            [sent_texts(one, GROUP_GRADE) for one in listed(_part(matrix, "fit"))],
            [sent_texts(one, GROUP_GRADE) for one in listed(_part(matrix, "engagement"))],
            "matrix" if sent.get("grading") == "matrix" else "score",
        )

    def check(self) -> DefinitionBody | None:
        """The definition, or None with ``errors`` filled. Blank rows are left out, and a criterion
        without a name gets one made of what it looks at."""
        self._tidy()
        self.errors = {}
        document = self.document()
        try:
            body = definition_of(document)
        except InvalidDefinition as error:
            self.add_errors(error)
            return None
        return None if self.errors else body

    def add_errors(self, error: InvalidDefinition) -> None:
        """Put every mistake where it can be mended."""
        for mistake in error.errors:
            self._add_error(mistake.pointer.split("/")[1:], in_words(mistake.detail))

    def _add_error(self, steps: list[str], words: str) -> None:
        """Put a mistake at the deepest field on the way to its place."""
        if steps == ["exploration_rate"] and "0.5" in words:
            words = "write a share from 0 to 50 %"
        names = set(self.names())
        for length in range(len(steps), 0, -1):
            name = "-".join(steps[:length])
            if name in names:
                rest = " ".join(counted(steps[length:]))
                self.errors.setdefault(name, f"at {rest}: {words}" if rest else words)
                return
        self.errors.setdefault("", words)

    def document(self) -> dict[str, Any]:
        """The document as typed, valid or not; conditions that can't be read are an error."""
        made: dict[str, Any] = _typed(self.single)
        rate = number_of(self.single["exploration_rate"])
        made["exploration_rate"] = rate / 100 if isinstance(rate, int | float) else rate
        for part, rows in (("criteria", self.criteria), ("disqualifiers", self.disqualifiers)):
            made[part] = [self._part(f"{part}-{index}-when", row) for index, row in enumerate(rows)]
        if self.grading == "matrix":
            matrix = {"fit": self.fit, "engagement": self.engagement}
            made["grade_matrix"] = {name: list(map(_typed, part)) for name, part in matrix.items()}
        else:
            made["grades"] = list(map(_typed, self.grades))
        return {name: value for name, value in made.items() if value is not None}

    def names(self) -> Iterator[str]:
        """The fields that there are, and the places of lists."""
        yield from (*SINGLE, "criteria", "disqualifiers", "grades")
        for part, rows in (("criteria", self.criteria), ("disqualifiers", self.disqualifiers)):
            for index, row in enumerate(rows):
                yield from (f"{part}-{index}-{name}" for name in row.texts)
                if row.form == "levels":
                    yield f"{part}-{index}-levels"
                for number, level in enumerate(row.levels):
                    yield from (f"{part}-{index}-levels-{number}-{name}" for name in level)
        for path in ("grades", "grade_matrix-fit", "grade_matrix-engagement"):
            for index, grade in enumerate(self.listed(path) or []):
                yield from (f"{path}-{index}-{name}" for name in grade)

    def listed(self, path: str) -> list[Any] | None:
        """The rows of a list, by the name of its fields; None for a name that is no list."""
        inner = re.fullmatch(r"criteria-([0-9]{1,3})-levels", path)
        if inner:
            rows = self.criteria[int(inner[1]) : int(inner[1]) + 1]
            return rows[0].levels if rows else None
        lists: dict[str, list[Any]] = {
            "criteria": self.criteria,
            "disqualifiers": self.disqualifiers,
            "grades": self.grades,
            "grade_matrix-fit": self.fit,
            "grade_matrix-engagement": self.engagement,
        }
        return lists.get(path)

    def _part(self, place: str, row: Row) -> dict[str, Any]:
        try:
            return row.document()
        except InvalidDefinition as error:
            self.errors.setdefault(place, error.errors[0].detail)
            return {**_typed(row.texts), "when": {"field": "touches", "operator": "is_present"}}

    def _tidy(self) -> None:
        self.criteria = [row for row in self.criteria if row.filled]
        self.disqualifiers = [row for row in self.disqualifiers if row.filled]
        self.grades, self.fit, self.engagement = (
            [row for row in rows if _filled(row)]
            for rows in (self.grades, self.fit, self.engagement)
        )
        named = [*self.criteria, *self.disqualifiers]
        taken = {row.texts["id"] for row in named}
        for row in named:
            if not row.texts["id"]:
                looks_at = row.texts.get("field") or row.texts.get("activity") or "rule"
                stem = re.sub(r"[^a-z0-9]+", "_", looks_at.lower()).strip("_")[:56] or "rule"
                names = [stem, *(f"{stem}_{n}" for n in range(2, 2 * MOST_ROWS))]
                row.texts["id"] = next(name for name in names if name not in taken)
                taken.add(row.texts["id"])


def form_of(item: Parts) -> str:
    """Which form a criterion or disqualifier has."""
    return next((name for name in ("when", "levels", "activity") if item.get(name)), "field")


def blank(form: str, kind: Mapping[str, tuple[str, ...]] = CRITERIA) -> Row:
    """A row with nothing in it."""
    made = Row(form, blank_texts(kind[form]), [blank_texts(LEVEL)] if form == "levels" else [])
    if form == "activity":
        made.texts["group"] = "engagement"
    return made


def blank_texts(names: tuple[str, ...]) -> Texts:
    """Fields with nothing typed into them."""
    return {name: DEFAULTS.get(name, "") for name in names}


def _row(item: Parts, kind: Mapping[str, tuple[str, ...]]) -> Row:
    form = form_of(item)
    levels = [_texts({**one, "field": item["field"]}, LEVEL) for one in item.get("levels") or []]
    return Row(form, _texts(item, kind[form]), levels)


def _texts(item: Parts, names: tuple[str, ...]) -> Texts:
    """The parts of an item as they are typed, the operator by the name that the form's list has."""
    if item.get("operator") and "field" in item:
        try:
            made = compile_condition(item["field"], item["operator"], item.get("value"))
            item = {**item, "operator": made.operator.value, "value": made.value}
        except ConditionError:
            pass  # of a text that is not right yet
    texts = {name: text_of(item.get(name)) for name in names}
    if "value" in names:
        texts["value"] = value_text(texts["operator"], item.get("value"))
    if "when" in names:
        texts["when"] = to_yaml(item["when"]).strip()
    return texts


def _typed(texts: Texts) -> dict[str, Any]:
    """Texts as a part of a document; what is blank is left out, or kept where it has to be said."""
    made: dict[str, Any] = {}
    for name, text in texts.items():
        if name == "value":
            value = value_of(texts["operator"], text)
            if value is not None:
                made[name] = value
        elif text or name in ("id", "name", "note"):
            made[name] = number_of(text) if name in NUMBERS else text
    return made


def _sent_row(sent: Parts, kind: Mapping[str, tuple[str, ...]]) -> Row:
    form = str(sent.get("form"))
    form = form if form in kind else "field"
    levels = (
        [sent_texts(one, LEVEL) for one in listed(sent.get("levels"))] if form == "levels" else []
    )
    return Row(form, sent_texts(sent, kind[form]), levels)


def _part(sent: Any, name: str) -> Any:
    return sent.get(name) if isinstance(sent, dict) else None


def _filled(texts: Texts) -> bool:
    return any(text != DEFAULTS.get(name, "") for name, text in texts.items())
