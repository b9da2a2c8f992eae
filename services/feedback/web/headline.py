"""A proposal in a few sentences: what gets better, and by how much it is known to."""

from collections.abc import Mapping
from typing import Any, Final

from services.feedback.web.evidence import (
    GOOD_WORDS,
    found_of,
    label_of,
    loads,
    side_of,
)
from shared.web.formats import number, percent, signed

VOLUME_CHANGES: Final = 0.05
"""A number of MQLs that differs by more from today's is explained."""


def headline(evidence: Mapping[str, Any]) -> str | None:
    """What it would do: first what is better beyond its interval, then what may be chance."""
    said = [one for one in (_ranks(evidence), _good(evidence), _volume(evidence)) if one]
    if not said:
        return None
    leads = evidence.get("leads")
    unseen = f" {number(leads)}" if isinstance(leads, int) else ""
    return f"{' '.join(said)} Judged on{unseen} leads it has not seen."


def _ranks(evidence: Mapping[str, Any]) -> str | None:
    was, will = (found_of(side_of(evidence, side).get("auc")) for side in ("before", "after"))
    gain = evidence.get("difference")
    if was is None or will is None or not isinstance(gain, Mapping):
        return None
    low, high = gain.get("low"), gain.get("high")
    if not isinstance(low, int | float) or not isinstance(high, int | float) or low <= 0:
        return None
    return (
        f"It tells good leads from others better: AUC {percent(was['point'], 1)} → "
        f"{percent(will['point'], 1)}, a gain of {signed(100 * low, 1)} to "
        f"{signed(100 * high, 1)} points."
    )


def _good(evidence: Mapping[str, Any]) -> str | None:
    was, will = (found_of(side_of(evidence, side).get("precision")) for side in ("before", "after"))
    if was is None or will is None:
        return None
    words = GOOD_WORDS[label_of(evidence)][1]
    if was["low"] <= will["high"] and will["low"] <= was["high"] and was["low"] < was["high"]:
        return (
            f"About as many of its MQLs {words} ({percent(will['point'])}, today "
            f"{percent(was['point'])}: that may be chance)."
        )
    return f"Of its MQLs, {percent(will['point'])} {words} instead of {percent(was['point'])}."


def _volume(evidence: Mapping[str, Any]) -> str | None:
    volume = next((one for one in loads(evidence) if one["label"] == "MQLs a week"), None)
    if volume is None:
        return None
    before, after = volume["text"].split(" → ")
    said = f"There would be {after} MQLs a week instead of {before}."
    was, will = (found_of(side_of(evidence, side).get("per_week")) for side in ("before", "after"))
    if evidence.get("target") != "volume" or not was or not will or not was["point"]:
        return said
    if abs(will["point"] / was["point"] - 1) <= VOLUME_CHANGES:
        return said
    return (
        f"{said} The threshold was put where as many of the last weeks' leads reach it as today; "
        "these are other leads, and those with equal points go together."
    )
