"""Ids of criteria, and the document they make."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.feedback.learning.candidates import Candidate


class Names:
    """Readable ids. Today's criterion keeps its own; no new one takes an id of today's, because
    ids name contributions for ever."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        parts = [*base["criteria"], *(base.get("disqualifiers") or [])]
        self._today = {one["id"]: one for one in base["criteria"]}
        self._taken: set[str] = {one["id"] for one in parts}

    def take(self, ids: Iterable[str]) -> None:
        """These are in use."""
        for one in ids:
            self._today.pop(one, None)

    def of(self, candidate: Candidate) -> str:
        """The id of a candidate; a fact whose levels are learned again keeps that of its levels."""
        if candidate.today is not None:
            return str(candidate.today["id"])
        for name, one in self._today.items():
            same = one.get("levels") and one.get("field") == candidate.field == candidate.key
            if same:
                self._today.pop(name)
                return name
        return self.new(candidate.key)

    def new(self, key: str) -> str:
        """A free id that says what it is about."""
        plain = re.sub(r"^activity\.any\b", "activities", key.lower())
        plain = re.sub(r"^(fields|activity)\.", "", plain)
        plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:56] or "criterion"
        name, number = plain, 2
        while name in self._taken:
            name, number = f"{plain}_{number}", number + 1
        self._taken.add(name)
        return name


def in_order(
    base: Mapping[str, Any],
    criteria: Sequence[dict[str, Any]],
    threshold: int,
    disqualifiers: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The new document: today's criteria first, in today's order; then new ones by what they are
    worth. Grades keep their distance from the threshold."""
    order = {one["id"]: index for index, one in enumerate(base["criteria"])}
    listed = sorted(
        criteria, key=lambda one: (order.get(one["id"], len(order)), -spread(one), one["id"])
    )
    moved = threshold - base["threshold"]
    document: dict[str, Any] = {
        key: value
        for key, value in base.items()
        if value is not None and key not in ("version", "status")
    }
    document |= {
        "threshold": threshold,
        "criteria": listed,
        "disqualifiers": [*(base.get("disqualifiers") or []), *disqualifiers],
    }
    if base.get("grades"):
        document["grades"] = [
            {**one, "min_score": one["min_score"] + moved} for one in base["grades"]
        ]
    return document


def spread(criterion: Mapping[str, Any]) -> int:
    """How far apart a criterion can put two leads, in points."""
    if criterion.get("levels"):
        every = [one["points"] for one in criterion["levels"]] + [criterion.get("otherwise") or 0]
        return int(max(every) - min(every))
    return abs(int(criterion.get("cap") or criterion["points"]))
