"""From one version to the next: changed points, and what differs between two documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.conditions import compile_condition


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changes: what, and how it reads before and after (None: not there)."""

    what: str
    before: str | None
    after: str | None


def with_points(document: Mapping[str, Any], points: Mapping[str, int]) -> dict[str, Any]:
    """The document with other points by criterion id. Raises ValueError for an unknown id."""
    unknown = points.keys() - {criterion["id"] for criterion in document["criteria"]}
    if unknown:
        raise ValueError(f"no such criteria: {', '.join(sorted(unknown))}")
    criteria = [
        {**criterion, "points": points.get(criterion["id"], criterion["points"])}
        for criterion in document["criteria"]
    ]
    return {**document, "criteria": criteria}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What changes when ``after`` takes the place of ``before``, in the order of a page."""
    found = [
        Difference(label, str(before.get(name)), str(after.get(name)))
        for name, label in (("threshold", "Threshold"), ("cool_off_days", "Cool-off in days"))
        if before.get(name) != after.get(name)
    ]
    for part, label in (("criteria", "Criterion"), ("disqualifiers", "Disqualifier")):
        old = {item["id"]: item for item in before.get(part) or []}
        new = {item["id"]: item for item in after.get(part) or []}
        for key in [*old, *(key for key in new if key not in old)]:
            was = _words(old[key]) if key in old else None
            will = _words(new[key]) if key in new else None
            if was != will:
                found.append(Difference(f"{label} {key}", was, will))
    if (before.get("grades") or []) != (after.get("grades") or []):
        found.append(Difference("Grades", _grades(before), _grades(after)))
    return found


def _words(item: Mapping[str, Any]) -> str:
    sentence = compile_condition(item["field"], item["operator"], item.get("value")).sentence()
    if "points" not in item:
        return sentence
    half_life = item.get("half_life_days")
    fades = f", half after {half_life:g} days" if half_life else ""
    return f"{sentence}: {item['points']:+d} points ({item['group']}{fades})"


def _grades(document: Mapping[str, Any]) -> str:
    grades = document.get("grades") or []
    return ", ".join(f"{grade['grade']} from {grade['min_score']}" for grade in grades) or "none"
