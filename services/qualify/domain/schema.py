"""The JSON Schema (draft 2020-12) of a definition, for editors and other programs."""

from functools import cache
from typing import Any, Final

from shared.conditions import OPERATORS, Operator, Takes
from shared.conditions.tree import MOST_LEAVES, MOST_LEVELS
from shared.contracts.definition import DefinitionBody
from shared.scorecard.authoring import GIVEN
from shared.scorecard.facts import KNOWN_FIELDS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SCALAR: Final = {"type": ["string", "number", "boolean"]}
_VALUE: Final = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}, {"type": "null"}]}
_FORMS: Final = (
    {"required": ["field", "operator", "points"]},
    {"required": ["when", "points"]},
    {"required": ["field", "levels"]},
    {"required": ["activity", "points"]},
)


@cache
def definition_schema() -> dict[str, Any]:
    """The schema. What it lets through may still be refused: that nobody reaches the threshold, or
    that a fact is personal, no schema says."""
    made = DefinitionBody.model_json_schema()
    parts: dict[str, Any] = made["$defs"]
    parts["Fact"] = _fact()
    parts["Operator"] = {
        "type": "string",
        "description": "Common aliases (gte, ==, exists, …) are taken too.",
        "examples": [operator.value for operator in Operator],
    }
    parts["Condition"] = _condition()
    parts["When"] = _when()
    for name in ("Criterion", "Disqualifier"):
        properties = parts[name]["properties"]
        properties["when"] = {"$ref": "#/$defs/When"}
        properties["field"] = {"$ref": "#/$defs/Fact"}
        properties["operator"] = {"$ref": "#/$defs/Operator"}
        properties["value"] = _VALUE
    parts["Level"]["properties"] |= {"operator": {"$ref": "#/$defs/Operator"}, "value": _VALUE}
    parts["Criterion"]["oneOf"] = list(_FORMS)
    parts["Disqualifier"]["oneOf"] = [{"required": ["field", "operator"]}, {"required": ["when"]}]
    for part in (*parts.values(), made):
        if part.get("type") == "object" and "properties" in part:
            part["additionalProperties"] = False
    made["properties"] |= {name: {"readOnly": True} for name in sorted(GIVEN)}
    return {"$schema": DIALECT, **made, "title": "Lead definition"}


def _fact() -> dict[str, Any]:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": 120,
        "description": "A fact of a lead, fields.<name> of a declared custom field, or "
        "activity.<kind> (how often) and activity.<kind>.days_ago.",
        "examples": list(KNOWN_FIELDS),
    }


def _condition() -> dict[str, Any]:
    without = [o.value for o, info in OPERATORS.items() if info.takes is Takes.NOTHING]
    return {
        "type": "object",
        "properties": {
            "field": {"$ref": "#/$defs/Fact"},
            "operator": {"$ref": "#/$defs/Operator"},
            "value": _VALUE,
        },
        "required": ["field", "operator"],
        "description": f"Without a value: {', '.join(without)}.",
        "additionalProperties": False,
    }


def _when() -> dict[str, Any]:
    several = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/When"}}
    groups = {"all": several, "any": several, "not": {"$ref": "#/$defs/When"}}
    return {
        "description": f"A condition, or all, any or not of conditions: at most {MOST_LEAVES} of "
        f"them, {MOST_LEVELS} levels deep.",
        "oneOf": [
            {"$ref": "#/$defs/Condition"},
            *(
                {
                    "type": "object",
                    "properties": {word: inner},
                    "required": [word],
                    "additionalProperties": False,
                }
                for word, inner in groups.items()
            ),
        ],
    }
