"""From weights to whole points: a criterion's levels in a definition's words.

Log-odds times a scale, rounded. The scale makes the widest criterion as wide as a level may have
points; what is then needed for the threshold to be the number people know (50, say) is added to or
taken from all levels of criteria that have several, so no lead changes side by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from services.feedback.learning.candidates import Candidate
from services.feedback.learning.facts import Floats
from services.feedback.learning.today import cap_of
from services.feedback.learning.weigh import Weights

MAX_SCALE: Final = 40.0
"""Points for one unit of log-odds, at most: weak criteria look weak."""


@dataclass(eq=False)
class Draft:
    """A criterion on its way to points. ``points`` belong to its conditions, ``otherwise`` to who
    holds none; ``shift`` is how far all of them may still move: down, up."""

    candidate: Candidate
    points: list[int]
    otherwise: int
    sign: str = "free"
    used: list[bool] = field(default_factory=list)

    def room(self, max_points: int, inside_out: bool) -> tuple[int, int]:
        """How far the whole criterion may move, down and up: as far as its levels allow. Turned
        ``inside_out``, a condition that takes points gives them to all others instead."""
        low, high = self.span
        if self.candidate.codes is None or self.sign != "free":
            return 0, 0
        if len(self.points) > 1:
            return high - low, max_points - high
        return 0, min(-low, max_points - high) if inside_out and low < 0 and self.used[-1] else 0

    @property
    def span(self) -> tuple[int, int]:
        """Its fewest and most points, of levels that leads have."""
        every = [*self.points, self.otherwise]
        held = [one for one, used in zip(every, self.used, strict=True) if used] or every
        return min(held), max(held)

    def move(self, by: int) -> None:
        """Move every level; what no lead was ever in stays at 0."""
        self.points = [one + by for one in self.points]
        if self.used[-1]:
            self.otherwise += by

    def totals(self) -> Floats:
        """What it gives each lead."""
        if self.candidate.codes is None:
            assert self.candidate.share is not None
            return np.round(self.candidate.share * self.points[0])
        return np.array([*self.points, self.otherwise], float)[self.candidate.codes]


def scale_of(
    weights: Weights, fixed: Candidate | None, signs: Mapping[str, str], max_points: int
) -> float:
    """Points for one unit of log-odds. Criteria that must keep their points set it, within reason:
    what they are worth in log-odds is known, and so are their points."""
    widest = 0.0
    own: float | None = None
    for candidate, levels in zip(weights.candidates, weights.levels, strict=True):
        if candidate is fixed:
            own = 1.0 / levels[0] if levels[0] > 0 else None
        else:
            steps = _log_odds(candidate, levels, sign_of(candidate, signs))
            widest = max(
                widest, float(np.ptp(np.append(steps, 0.0) if _plain(candidate) else steps))
            )
    scale = min(max_points / widest, MAX_SCALE) if widest > 0 else MAX_SCALE
    return scale if own is None else float(min(max(own, scale / 10), scale))


def sign_of(candidate: Candidate, signs: Mapping[str, str]) -> str:
    """The limit a marketer set for a criterion or its fact."""
    today = candidate.today["id"] if candidate.today is not None else None
    return signs.get(today or "", signs.get(candidate.field, "free"))


def _plain(candidate: Candidate) -> bool:
    """Whether it is a condition that gives its points or nothing."""
    return candidate.codes is None or len(candidate.conditions) == 1


def _log_odds(candidate: Candidate, levels: Floats, sign: str) -> Floats:
    """What each level says, kept within the sign limit; the last is for who holds none."""
    if candidate.codes is None:
        value = levels[0]
        return np.array([max(value, 0.0) if sign == "more" else min(value, 0.0) if sign == "less"
                         else value])  # fmt: skip
    if sign == "free":
        return levels
    up = 1.0 if sign == "more" else -1.0
    limited = levels * up
    first = candidate.ordered_from
    if first is not None:  # bins of a number: pool neighbours that go the wrong way
        counts = np.bincount(candidate.codes, minlength=len(levels)).astype(float)
        limited[first:-1] = _rising(limited[first:-1], np.maximum(counts[first:-1], 1.0))
    else:
        limited[:-1] = np.maximum(limited[:-1], limited[-1])
    return np.asarray(limited * up)


def _rising(values: Floats, weights: Floats) -> Floats:
    """The nearest values that never fall (pool adjacent violators, Ayer et al. 1955)."""
    means: list[float] = []
    sizes: list[float] = []
    runs: list[int] = []
    for value, weight in zip(values, weights, strict=True):
        means.append(float(value))
        sizes.append(float(weight))
        runs.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size = sizes[-2] + sizes[-1]
            means[-2] = (means[-2] * sizes[-2] + means[-1] * sizes[-1]) / size
            sizes[-2], runs[-2] = size, runs[-2] + runs[-1]
            means.pop(), sizes.pop(), runs.pop()
    return np.repeat(means, runs)


def drafts_of(
    weights: Weights,
    fixed: Candidate | None,
    signs: Mapping[str, str],
    scale: float,
    max_points: int,
) -> list[Draft]:
    """Criteria whose lowest level is worth nothing, and conditions with their points; those that
    round to a single point are left out."""
    drafts = []
    for candidate, levels in zip(weights.candidates, weights.levels, strict=True):
        if candidate is fixed:
            continue
        sign = sign_of(candidate, signs)
        steps = _log_odds(candidate, levels, sign)
        if candidate.codes is None:
            draft = Draft(candidate, [_whole(steps[0] * scale, max_points)], 0, sign, [True, True])
        else:
            used = np.bincount(candidate.codes, minlength=len(levels)) > 0
            if len(candidate.conditions) == 1:
                zero = steps[1]
            else:
                zero = steps[used].max() if sign == "less" else steps[used].min()
            points = [_whole((one - zero) * scale, max_points) for one in steps]
            otherwise = points[-1] if used[-1] else 0
            draft = Draft(candidate, points[:-1], otherwise, sign, [bool(one) for one in used])
        low, high = draft.span
        if high - low > 1:
            drafts.append(draft)
    return drafts


def _whole(value: float, limit: int) -> int:
    return int(max(-limit, min(limit, round(float(value)))))


def settle(drafts: Sequence[Draft], threshold: int, wanted: int, max_points: int) -> int:
    """Move levels so that the threshold becomes ``wanted``, or the round number nearest to it that
    can be had; returns what it became. Conditions are turned inside out only where else everybody
    would reach it of whom nothing is known."""
    down, up = zip(*(draft.room(max_points, False) for draft in drafts), strict=True)
    if threshold + sum(up) <= 0:
        down, up = zip(*(draft.room(max_points, True) for draft in drafts), strict=True)
    lowest, highest = threshold - sum(down), threshold + sum(up)
    if lowest <= wanted <= highest:
        goal = wanted
    else:
        nearest = lowest if wanted < lowest else highest
        rounded = [10 * (nearest // 10), -10 * (-nearest // 10), threshold]
        goal = next(one for one in rounded if lowest <= one <= highest)
    left = goal - threshold
    room = down if left < 0 else up
    for draft, by in zip(drafts, _spread(abs(left), room), strict=True):
        draft.move(-by if left < 0 else by)
    return goal


def _spread(total: int, room: Sequence[int]) -> list[int]:
    """Whole parts of ``total``, in proportion to what each has room for."""
    whole = sum(room)
    if not whole:
        return [0] * len(room)
    parts = [total * one // whole for one in room]
    for index in sorted(range(len(room)), key=lambda one: parts[one] - room[one]):
        step = min(total - sum(parts), room[index] - parts[index])
        parts[index] += max(step, 0) if sum(parts) < total else 0
    return parts


def criterion_of(draft: Draft, name: str) -> dict[str, Any]:
    """A draft as a criterion of a definition document."""
    candidate, today = draft.candidate, draft.candidate.today
    known = {"id": name, "group": candidate.group}
    if candidate.codes is None:
        assert today is not None
        kept = {key: value for key, value in today.items() if value is not None}
        made = {**kept, "id": name, "points": draft.points[0]}
        if today.get("cap") is not None:
            made["cap"] = cap_of(today, draft.points[0])
        return made
    if today is not None and today.get("label"):
        known["label"] = today["label"]
    field_name = {"field": candidate.field}
    if len(candidate.conditions) == 1 and draft.otherwise == 0:
        only = {**field_name, **candidate.conditions[0], "points": draft.points[0]}
        return {**known, **only}
    levels = _joined(draft)
    if today is None:
        _label(candidate.field, levels)
    made = {**known, **field_name, "levels": levels}
    return {**made, "otherwise": draft.otherwise} if draft.otherwise else made


def _joined(draft: Draft) -> list[dict[str, Any]]:
    """Levels of the same points as one, where that keeps their meaning. Today's stay as they are:
    people know them."""
    if draft.candidate.today is not None:
        pairs = zip(draft.candidate.conditions, draft.points, strict=True)
        return [{**condition, "points": points} for condition, points in pairs]
    levels: list[dict[str, Any]] = []
    for condition, points in zip(draft.candidate.conditions, draft.points, strict=True):
        level = {**condition, "points": points}
        before = levels[-1] if levels else None
        if before is not None and before["points"] == points:
            pair = (before["operator"], level["operator"])
            if pair == ("less_than", "less_than"):
                levels[-1] = level
                continue
            if pair == ("in", "in"):
                before["value"] = [*before["value"], *level["value"]]
                continue
        levels.append(level)
    chain = [one for one in levels if one["operator"] in ("less_than", "at_least")]
    if len(chain) > 1 and chain[-1]["operator"] == "at_least":
        _end_chain(levels, chain)
    if draft.candidate.ordered_from is None and draft.used[-1]:
        rest = [one for one in levels if one["points"] != draft.otherwise]
        if rest and all(one["operator"] in ("in", "is_missing", "is_true") for one in levels):
            return rest
    return levels


def _label(name: str, levels: list[dict[str, Any]]) -> None:
    """Bins between two cuts say both: by itself "less than 500" hides that it is from 50 on."""
    low = None
    for level in levels:
        if level["operator"] == "less_than":
            if low is not None:
                level["label"] = f"{name[:80]} is {low} to under {level['value']}"
            low = level["value"]


def _end_chain(levels: list[dict[str, Any]], chain: list[dict[str, Any]]) -> None:
    """The last bin starts where the one before it ends, also when they were joined."""
    last, before = chain[-1], chain[-2]
    if last["points"] == before["points"]:
        levels.remove(before)
        rest = list(chain[:-2])
        if rest:
            last["value"] = rest[-1]["value"]
        else:
            del last["value"]
            last["operator"] = "is_present"
    else:
        last["value"] = before["value"]
