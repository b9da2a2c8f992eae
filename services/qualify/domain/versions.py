"""Versions of the definition: one as it is kept, from one to the next, and what differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shared.conditions import OPERATORS, compile_condition, operand_to_text

Status = Literal["draft", "published", "retired"]


@dataclass(frozen=True, slots=True)
class Version:
    """A stored definition: its document never changes, its status does."""

    version: int
    status: Status
    document: Mapping[str, Any]
    created_at: datetime
    published_at: datetime | None = None
    retired_at: datetime | None = None
    proposal_id: str | None = None
    """The proposal it was made of."""
    request_key: str | None = None
    """The idempotency key of the request that made it."""

    def public(self) -> dict[str, Any]:
        """The definition in the shape of the public interface."""
        return {"version": self.version, "status": self.status, **self.document}


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
            found += _of_one(f"{label} {key}", old.get(key), new.get(key))
    if (before.get("grades") or []) != (after.get("grades") or []):
        found.append(Difference("Grades", _grades(before), _grades(after)))
    return found


def _of_one(
    what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[Difference]:
    """What differs in one criterion or disqualifier: all of it, or part by part."""
    if before is None or after is None:
        return [
            Difference(
                what,
                None if before is None else _whole(before),
                None if after is None else _whole(after),
            )
        ]
    was, will = _parts(before), _parts(after)
    return [
        Difference(f"{what}: {part}", was[part], will[part])
        for part in was
        if was[part] != will[part]
    ]


def _parts(item: Mapping[str, Any]) -> dict[str, str]:
    """Each thing that matters in a criterion, in words; lists in full, however long."""
    condition = compile_condition(item["field"], item["operator"], item.get("value"))
    label = OPERATORS[condition.operator].label
    value = operand_to_text(condition.value)
    parts = {"condition": f"{condition.field} {label} {value}".strip()}
    if "points" in item:
        half_life = item.get("half_life_days")
        parts["points"] = f"{item['points']:+d}"
        parts["group"] = str(item["group"])
        parts["half-life"] = f"{half_life:g} days" if half_life else "none"
    return parts


def _whole(item: Mapping[str, Any]) -> str:
    parts = _parts(item)
    if "points" not in parts:
        return parts["condition"]
    fades = f", half after {parts['half-life']}" if parts["half-life"] != "none" else ""
    return f"{parts['condition']}: {parts['points']} points ({parts['group']}{fades})"


def _grades(document: Mapping[str, Any]) -> str:
    grades = document.get("grades") or []
    return ", ".join(f"{grade['grade']} from {grade['min_score']}" for grade in grades) or "none"
