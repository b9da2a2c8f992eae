"""A definition as somebody types it: form fields in, a document or mistakes by field out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from shared.conditions import compile_condition, operand_from_text, operand_to_text
from shared.contracts.definition import DefinitionBody
from shared.scorecard.definition import InvalidDefinition, compile_definition

Row = dict[str, str]
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "criteria": ("id", "group", "field", "operator", "value", "points", "half_life_days"),
    "disqualifiers": ("id", "field", "operator", "value"),
    "grades": ("grade", "min_score"),
}
BLANK: Final[dict[str, Row]] = {
    "criteria": {**dict.fromkeys(PARTS["criteria"], ""), "group": "fit", "operator": "equals"},
    "disqualifiers": {**dict.fromkeys(PARTS["disqualifiers"], ""), "operator": "equals"},
    "grades": dict.fromkeys(PARTS["grades"], ""),
}
SINGLE: Final = ("name", "note", "threshold", "cool_off_days")
MAX_ROWS: Final = 120

_WORDS: Final = {
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "missing": "this is needed",
    "string_too_short": "this is needed",
    "string_pattern_mismatch": "use small letters, digits, dots, dashes and underscores",
    "too_short": "add at least one",
}


@dataclass(slots=True)
class Draft:
    """What stands in the form's fields, all of it text, so that nothing typed is lost."""

    single: Row
    rows: dict[str, list[Row]]
    errors: dict[str, str] = field(default_factory=dict)
    """Message by field name, such as ``criteria-2-points``."""

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Draft":
        """A stored document, to be changed into the next version."""
        single = {name: _text(document.get(name)) for name in SINGLE}
        rows = {
            part: [
                {name: _text(plain.get(name)) for name in names}
                for plain in map(_plain, document[part])
            ]
            for part, names in PARTS.items()
        }
        return cls({**single, "note": ""}, rows)

    @classmethod
    def of_form(cls, form: Mapping[str, Any]) -> "Draft":
        """What was sent; rows keep their order, gaps left by removed ones close."""
        single = {name: _sent(form, name) for name in SINGLE}
        rows: dict[str, list[Row]] = {}
        for part, names in PARTS.items():
            numbers = {
                int(found[1])
                for key in form
                if (found := re.fullmatch(rf"{part}-([0-9]{{1,4}})-[a-z_]+", key))
            }
            rows[part] = [
                {name: _sent(form, f"{part}-{number}-{name}") for name in names}
                for number in sorted(numbers)[:MAX_ROWS]
            ]
        return cls(single, rows)

    def add(self, part: str) -> None:
        """One more blank row."""
        if part in BLANK and len(self.rows[part]) < MAX_ROWS:
            self.rows[part].append(dict(BLANK[part]))

    def remove(self, part: str, number: int) -> None:
        """One row less."""
        if part in self.rows and 0 <= number < len(self.rows[part]):
            del self.rows[part][number]

    def check(self) -> DefinitionBody | None:
        """The definition, or None with ``errors`` filled. Blank rows are left out, and a criterion
        without an id gets one made of its field."""
        for part, rows in self.rows.items():
            self.rows[part] = [row for row in rows if _is_filled(part, row)]
        self._name_rows()
        self.errors = {}
        try:
            body = DefinitionBody.model_validate(self._document())
            compile_definition(0, body.model_dump(mode="json"))
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                name = "-".join(str(step) for step in one["loc"] if not _is_type(step))
                words = _WORDS.get(one["type"]) or one["msg"].removeprefix("Input ")
                self.errors.setdefault(name, words)
            return None
        except InvalidDefinition as error:
            for mistake in error.errors:
                name = mistake.pointer.removeprefix("/").replace("/", "-")
                self.errors.setdefault(name, mistake.detail)
            return None
        return body

    def _document(self) -> dict[str, Any]:
        criteria = [
            {**_condition(row), "half_life_days": row["half_life_days"].strip() or None}
            for row in self.rows["criteria"]
        ]
        return {
            **{name: text.strip() for name, text in self.single.items()},
            "criteria": criteria,
            "disqualifiers": [_condition(row) for row in self.rows["disqualifiers"]],
            "grades": self.rows["grades"],
        }

    def _name_rows(self) -> None:
        taken = {row["id"] for part in ("criteria", "disqualifiers") for row in self.rows[part]}
        for part in ("criteria", "disqualifiers"):
            for row in self.rows[part]:
                if not row["id"]:
                    stem = re.sub(r"[^a-z0-9]+", "_", row["field"].lower()).strip("_") or "rule"
                    names = [stem[:56], *(f"{stem[:56]}_{n}" for n in range(2, 400))]
                    row["id"] = next(name for name in names if name not in taken)
                    taken.add(row["id"])


def _condition(row: Row) -> dict[str, Any]:
    return {**row, "value": operand_from_text(row["operator"], row["value"])}


def _plain(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the operator's own name, which the form's list has, whatever alias was written."""
    if "operator" not in item:
        return item
    condition = compile_condition(item["field"], item["operator"], item.get("value"))
    return {**item, "operator": condition.operator.value, "value": condition.value}


def _is_filled(part: str, row: Row) -> bool:
    return any(text != BLANK[part][name] for name, text in row.items())


def _is_type(step: Any) -> bool:
    """A step of a Pydantic location that names a member of a union and no field."""
    return step in ("str", "int", "float", "bool") or (isinstance(step, str) and "[" in step)


def _sent(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name)
    return value.strip()[:2000] if isinstance(value, str) else ""


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return operand_to_text(value)
