"""What a proposal changes, in words, with the answers that speak for it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from services.feedback.learning.material import Material
from services.feedback.learning.today import form_of
from shared.conditions import compile_condition
from shared.scorecard.definition import compile_definition
from shared.scorecard.differences import differences
from shared.scorecard.intervals import newcombe, wilson
from shared.scorecard.table import Mask
from shared.scorecard.table_scoring import gives, holds


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], material: Material
) -> list[dict[str, Any]]:
    """Each thing that changes: what, before, after, why, and counts by level."""
    old = {one["id"]: one for one in before["criteria"]}
    new = {one["id"]: one for one in after["criteria"]}
    ended = {one["id"]: one for one in after.get("disqualifiers") or []}
    told = []
    for one in differences(before, after):
        name = one.what.partition(": ")[0].partition(" ")[2]
        document: dict[str, Any] = {"what": one.what, "before": one.before, "after": one.after}
        if one.what.startswith("Criterion") and (name in new or name in old):
            document |= {"criterion_id": name} | _of_criterion(
                old.get(name), new.get(name), material
            )
        elif one.what.startswith("Disqualifier") and name in ended:
            document |= {"disqualifier_id": name} | _of_disqualifier(ended[name], material)
        elif one.what == "Threshold":
            document["why"] = "Set for the target; points have another scale than before."
        told.append(document)
    return told


def _of_criterion(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, material: Material
) -> dict[str, Any]:
    shown = new if new is not None else old
    assert shown is not None
    levels = _levels(shown, material)
    if new is None:
        why = "Beside the other criteria it no longer tells good leads from others. " + _told(
            levels
        )
    elif old is None:
        why = "It tells leads apart that the criteria so far treat alike. " + _told(levels)
    else:
        why = "Weighed together with the other criteria. " + _told(levels)
    return {"why": why, "levels": levels}


def _of_disqualifier(one: Mapping[str, Any], material: Material) -> dict[str, Any]:
    test = compile_condition(one["field"], one["operator"], one.get("value"))
    level = _counts(test.sentence(), None, holds(test, material.table), material)
    return {"why": "Reps as good as never accept these. " + _told([level]), "levels": [level]}


def _levels(criterion: Mapping[str, Any], material: Material) -> list[dict[str, Any]]:
    """Each level with its answers; a condition and who does not meet it."""
    rows = material.table
    if form_of(criterion) != "levels":
        document = {"threshold": -1_000_000, "criteria": [_bare(criterion)]}
        rule = compile_definition(1, document).criteria[0].rule
        mask = gives(rule, rows)
        return [
            _counts(rule.sentence(), criterion["points"], mask, material),
            _counts("otherwise", 0, ~mask, material),
        ]
    left = np.ones(len(rows), bool)
    told = []
    for level in criterion["levels"]:
        test = compile_condition(criterion["field"], level["operator"], level.get("value"))
        mask = holds(test, rows) & left
        left &= ~mask
        words = level.get("label") or test.sentence()
        told.append(_counts(words, level["points"], mask, material))
    return [*told, _counts("otherwise", criterion.get("otherwise") or 0, left, material)]


def _bare(criterion: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in criterion.items() if value is not None}


def _counts(words: str, points: int | None, mask: Mask, material: Material) -> dict[str, Any]:
    labels = material.labels[mask]
    labels = labels[~np.isnan(labels)]
    interval = wilson(int(labels.sum()), len(labels))
    return {
        "text": words,
        "points": points,
        "answers": len(labels),
        "accepted": int(labels.sum()),
        "share": None if interval is None else round(interval.estimate, 4),
        "low": None if interval is None else round(interval.low, 4),
        "high": None if interval is None else round(interval.high, 4),
    }


def _told(levels: list[dict[str, Any]]) -> str:
    """The best and the worst level, and how sure it is that they differ."""
    known = [one for one in levels if one["answers"]]
    if not known:
        return "No answered lead has it."
    best = max(known, key=lambda one: one["share"])
    worst = min(known, key=lambda one: one["share"])
    if best is worst:
        return f"Accepted: {_share(best)}."
    gap = newcombe(best["accepted"], best["answers"], worst["accepted"], worst["answers"])
    assert gap is not None
    return (
        f"Accepted: {_share(best)}; {_share(worst)}. Difference {gap.estimate:.0%}, 95 % interval "
        f"{gap.low:.0%} to {gap.high:.0%}."
    )


def _share(one: Mapping[str, Any]) -> str:
    return f"{one['share']:.0%} of {one['answers']} ({one['text']})"
