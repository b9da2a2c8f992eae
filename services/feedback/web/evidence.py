"""The evidence of a proposal put into the words, figures and pictures of a page.

Evidence is stored as the learner of its day told it, and pages show proposals of all days: whatever
is not in it is left out of the page.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.feedback.domain.samples import Label
from services.feedback.store.names import Told
from shared.contracts.vocabulary import RejectReason
from shared.scorecard.intervals import wilson
from shared.web.formats import number, percent, signed
from shared.web.words import REASON_NAMES

GOOD_WORDS: Final = {
    Label.ACCEPTED.value: ("Accepted, of its MQLs", "would be accepted"),
    Label.SQL.value: ("SQLs, of its MQLs", "would become an SQL"),
    Label.WON.value: ("Won, of its MQLs", "would be won"),
}
FLIPS_SHOWN: Final = 8
PLAIN_FROM: Final = 100
"""From so many leads a week on, tenths of a lead are left out."""
Found = dict[str, float]


def found_of(told: Any) -> Found | None:
    """An estimate with its interval, for a picture; of a bare number, or None where there is none.

    An interval that is not told has no width."""
    if isinstance(told, int | float) and not isinstance(told, bool):
        return {"point": float(told), "low": float(told), "high": float(told)}
    if not isinstance(told, Mapping):
        return None
    point = told.get("estimate", told.get("rate"))
    if point is None:
        return None
    low, high = told.get("low"), told.get("high")
    return {
        "point": point,
        "low": point if low is None else low,
        "high": point if high is None else high,
    }


def label_of(evidence: Mapping[str, Any]) -> str:
    """What the evidence calls a good lead."""
    label = evidence.get("label")
    return label if label in GOOD_WORDS else Label.ACCEPTED.value


def measures(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What it tells before and after, each as a row of a picture."""
    rows = (
        ("precision", GOOD_WORDS[label_of(evidence)][0], "how often an MQL is a good lead"),
        ("recall", "Of all good leads, made an MQL", "how few it misses"),
        (
            "auc",
            "Tells good leads from others (AUC)",
            "how often a good lead ranks above another; half the time is a coin",
        ),
    )
    shown = []
    for name, label, hint in rows:
        before, after = (side_of(evidence, side).get(name) for side in ("before", "after"))
        if before is None and after is None:
            continue
        shown.append(_row(label, hint, before, after, 1 if name == "auc" else 0))
    return shown


def _row(label: str, hint: str | None, before: Any, after: Any, digits: int = 0) -> dict[str, Any]:
    row = row_of(label, hint, found_of(before), found_of(after), digits)
    if row["before"] is None and row["after"] is None:
        why = next((one.get("why") for one in (after, before) if isinstance(one, Mapping)), None)
        row["text"], row["note"] = "not known", why
    return row


def row_of(
    label: str, hint: str | None, before: Found | None, after: Found | None, digits: int = 0
) -> dict[str, Any]:
    """One row of a picture of shares before and after."""
    return {
        "label": label,
        "hint": hint,
        "before": before,
        "after": after,
        "text": f"{_percent(before, digits)} → {_percent(after, digits)}",
        "note": f"{_between(before)} → {_between(after)}",
    }


def _percent(found: Found | None, digits: int) -> str:
    return "not known" if found is None else percent(found["point"], digits)


def _between(found: Found | None) -> str:
    if found is None or found["low"] == found["high"]:
        return "–"
    return f"{number(100 * found['low'])} to {percent(found['high'])}"


def side_of(evidence: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The figures of ``before`` or ``after``; none where they are not told."""
    side = evidence.get(name)
    return side if isinstance(side, Mapping) else {}


def loads(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Volume and load, before → after."""
    shown = []
    for names, label, note in (
        (("per_week", "mqls_per_week"), "MQLs a week", None),
        (("per_rep_and_week", "load"), "MQLs per rep and week", evidence.get("reps")),
    ):
        was, will = (
            next(
                filter(None, (found_of(side_of(evidence, side).get(name)) for name in names)), None
            )
            for side in ("before", "after")
        )
        if was is None or will is None:
            continue
        digits = 0 if min(was["point"], will["point"]) >= PLAIN_FROM else 1
        spread = f"{number(will['low'], digits)} to {number(will['high'], digits)} proposed"
        said = [] if will["low"] == will["high"] else [spread]
        if isinstance(note, int):
            said.append(f"{number(note)} reps")
        shown.append(
            {
                "label": label,
                "text": f"{number(was['point'], digits)} → {number(will['point'], digits)}",
                "note": "; ".join(said) or None,
            }
        )
    return shown


def sample(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What the figures rest on."""
    shown: list[tuple[str, Any]] = []
    if isinstance(evidence.get("leads"), int):
        shown.append(("Leads not seen before", number(evidence["leads"])))
    if isinstance(evidence.get("answers"), int):
        shown.append(("Of these, answered", number(evidence["answers"])))
    begin, end = _moment(evidence.get("from")), _moment(evidence.get("to"))
    if begin is not None and end is not None:
        shown.append(("They came", _days(begin, end)))
    if evidence.get("explored"):
        shown.append(("Explored, from below the threshold", number(evidence["explored"])))
    return shown


def weeks(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each week of the unseen leads as a row of a picture."""
    shown = []
    for week in evidence.get("weeks") or []:
        hint = f"{number(week.get('mqls_before'))} → {number(week.get('mqls_after'))} MQLs"
        before, after = week.get("precision_before"), week.get("precision_after")
        row = _row(week["week"], hint, before, after)
        shown.append({**row, "note": row["note"] if found_of(before) or found_of(after) else None})
    return shown


def differences(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """How the looks are paid for, in figures."""
    told = evidence.get("difference")
    if not isinstance(told, Mapping):
        return []
    shown: list[tuple[str, Any]] = []
    if isinstance(told.get("auc"), int | float):
        shown.append(("Gain in AUC", f"{signed(100 * told['auc'], 1)} points"))
    if isinstance(told.get("low"), int | float) and isinstance(told.get("high"), int | float):
        low, high = signed(100 * told["low"], 1), signed(100 * told["high"], 1)
        shown.append(("95 % interval of the gain", f"{low} to {high} points"))
    if isinstance(told.get("chance"), int | float) and isinstance(told.get("alpha"), int | float):
        allowed = f"{100 * told['alpha']:.2g} % is allowed"
        found = max(100 * told["chance"], 0.001)
        shown.append(("Chance that there is nothing to gain", f"{found:.2g} %; {allowed}"))
    if isinstance(told.get("margin"), int | float):
        shown.append(("Asked for", f"{signed(100 * told['margin'], 1)} points"))
    return shown


def reps(told: Any) -> list[dict[str, Any]]:
    """Each rep's acceptance as counted, and on like leads: the pooled shift of the log-odds,
    applied to the acceptance of the reps who are not far off the others."""
    rows = [one for one in told or [] if one.get("answers")]
    peers = [one for one in rows if not one.get("counts_less")]
    answers = sum(one["answers"] for one in peers)
    overall = sum(one["accepted"] for one in peers) / answers if answers else 0.0
    if not 0 < overall < 1:
        return []
    middle = math.log(overall / (1 - overall))

    def shifted(offset: float) -> float:
        return 1 / (1 + math.exp(-max(-30.0, min(middle + offset, 30.0))))

    shown = []
    for one in rows:
        counted = wilson(one["accepted"], one["answers"])
        alike = {
            "point": shifted(one["offset"]),
            "low": shifted(one["low"]),
            "high": shifted(one["high"]),
        }
        before = found_of(None if counted is None else counted._asdict())
        shown.append(
            {
                "label": one["rep_id"],
                "hint": one.get("text"),
                "before": before,
                "after": alike,
                "text": f"{_percent(before, 0)} → {_percent(alike, 0)}",
                "note": f"{number(one['accepted'])} of {number(one['answers'])} accepted",
            }
        )
    return shown


def drift(told: Any) -> dict[str, Any] | None:
    """Older leads against recent ones."""
    if not isinstance(told, Mapping):
        return None
    then, now = told.get("before") or {}, told.get("newest_quarter") or {}
    rows = []
    for name, label, digits in (
        ("acceptance", "Good leads, of those answered", 0),
        ("auc", "The definition in force tells them apart (AUC)", 1),
    ):
        if found_of(then.get(name)) is None and found_of(now.get(name)) is None:
            continue
        rows.append(_row(label, None, then.get(name), now.get(name), digits))
    text = told.get("text")
    said = [text] if isinstance(text, str) else list(text or [])
    change, shifts = told.get("difference") or {}, told.get("shifts") or []
    matters = change.get("low", 0) > 0 or change.get("high", 0) < 0
    return {
        "text": " ".join(map(str, said)) or None,
        "measures": rows,
        "matters": matters or any(one.get("shifted") for one in shifts),
    }


def warnings(told: Any) -> list[dict[str, Any]]:
    """What the learner warns of: a fact that is too good, one that stopped arriving."""
    shown = []
    for one in told or []:
        text = str(one.get("text", "")) if isinstance(one, Mapping) else str(one)
        too_good = text.startswith("Too good")
        shown.append(
            {
                "kind": "warn",
                "title": "Too good to be true" if too_good else "Something is not as it was",
                "text": text.removeprefix("Too good: "),
                "href": "/feedback/learning#settings" if too_good else None,
                "link": "Say how it may be used",
            }
        )
    return shown


def flips(told: Any, leads: Mapping[str, Told]) -> dict[str, Any]:
    """The leads that change sides, by name."""
    told = told if isinstance(told, Mapping) else {}
    sides = []
    for key, count, title, note in (
        ("in", "become_mql", "Would become MQLs", "nurtured today"),
        ("out", "no_longer_mql", "Would be nurtured", "MQLs today"),
    ):
        listed = list(told.get(key) or [])
        total = told.get(count)
        sides.append(
            {
                "title": title,
                "note": note,
                "count": total if isinstance(total, int) else len(listed),
                "leads": [_flip(one, leads.get(one["lead_id"])) for one in listed[:FLIPS_SHOWN]],
            }
        )
    return {"sides": sides, "count": sum(side["count"] for side in sides)}


def flipping(told: Any) -> list[str]:
    """The ids of the leads that ``flips`` names."""
    told = told if isinstance(told, Mapping) else {}
    return [one["lead_id"] for key in ("in", "out") for one in (told.get(key) or [])[:FLIPS_SHOWN]]


def _flip(one: Mapping[str, Any], told: Told | None) -> dict[str, Any]:
    said, kind = said_of(told)
    return {
        "lead_id": one["lead_id"],
        "name": name_of(one["lead_id"], told),
        "title": told.job_title if told is not None else None,
        "points": f"{number(one.get('score_before'))} → {number(one.get('score_after'))}",
        "said": said,
        "said_kind": kind,
    }


def name_of(lead_id: str, told: Told | None) -> str:
    """A lead by its company; by the end of its id while no company is known."""
    return told.company if told is not None and told.company else f"Lead …{lead_id[-6:]}"


def said_of(told: Told | None) -> tuple[str, str]:
    """What sales said of a lead, and the kind of badge it gets ("" for none)."""
    if told is None or told.answer is None:
        return "nothing yet", ""
    if told.answer == "accepted":
        return "Accepted", "ok"
    return (REASON_NAMES[RejectReason(told.reason)] if told.reason else "Rejected"), "bad"


def notes(evidence: Mapping[str, Any]) -> Sequence[str]:
    """What the reader must know before believing the figures."""
    return [str(one) for one in evidence.get("notes") or []]


def _days(begin: datetime, end: datetime) -> str:
    first, last = (f"{moment.day} {moment:%b %Y}" for moment in (begin, end))
    return first if first == last else f"{first} to {last}"


def _moment(told: Any) -> datetime | None:
    if isinstance(told, datetime):
        return told
    try:
        return datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
