"""The editor's rows and fields in words."""

import re
from dataclasses import dataclass
from typing import Any, Final

from services.qualify.domain.decision import REJECTED, Decision
from services.qualify.web.draft import Draft, Row
from shared.contracts.definition import DefinitionBody
from shared.contracts.vocabulary import Stage
from shared.scorecard.definition import Definition, compile_definition

LABELS: Final = {
    "id": "name",
    "field": "fact",
    "operator": "condition",
    "when": "conditions",
    "half_life_days": "half-life",
    "window_days": "within days",
    "count": "times",
    "cap": "most in all",
    "label": "called",
    "min_score": "from points",
    "min_points": "from points",
    "note": "why this version",
    "cool_off_days": "cool-off",
    "exploration_rate": "exploration",
}
GROUPS: Final = {
    "good": "good",
    "bad": "not good",
    "below": "nobody was asked",
    "waiting": "no answer yet",
    "timed_out": "not answered in time",
    "procedural": "turned down, procedural",
    "clerical": "turned down for its data",
    "not_due": "not due yet",
}
_PARTS: Final = (
    (r"criteria-(\d+)", "Criterion {}"),
    (r"disqualifiers-(\d+)", "Disqualifier {}"),
    (r"grades-(\d+)", "Grade {}"),
    (r"grade_matrix-(fit|engagement)-(\d+)", "Grade of {} {}"),
)


@dataclass(frozen=True, slots=True)
class RowView:
    """How a row stands in the list: in words, the span of its points, and whether it is open."""

    says: str
    range: str
    open: bool


def views_of(draft: Draft, at: str | None) -> dict[str, list[RowView]]:
    """Each row in words; open are those with a mistake, and the one to go on in."""
    return {
        part: [
            _view(
                row,
                part,
                any(name.startswith(f"{part}-{index}-") for name in (at or "", *draft.errors)),
            )
            for index, row in enumerate(rows)
        ]
        for part, rows in (("criteria", draft.criteria), ("disqualifiers", draft.disqualifiers))
    }


def place_words(name: str) -> str:
    """``criteria-2-points`` as people count and the page calls it: ``Criterion 3, points: ``."""
    for pattern, words in _PARTS:
        found = re.match(pattern, name)
        if found:
            numbers = [str(int(one) + 1) if one.isdecimal() else one for one in found.groups()]
            level = re.match(r"-levels-(\d+)", name[found.end() :])
            said = [words.format(*numbers)]
            said += [f"level {int(level[1]) + 1}"] if level else []
            last = name.rpartition("-")[2]
            said += [] if last.isdecimal() else [LABELS.get(last, last)]
            return f"{', '.join(said)}: "
    return f"{LABELS.get(name, name).capitalize()}: " if name else ""


def pointer_words(pointer: str) -> str:
    """A JSON pointer into a definition, as the page calls the place."""
    return place_words(pointer.removeprefix("/").replace("/", "-")).removesuffix(": ")


def label_group(name: str) -> str:
    """What is known of a past lead."""
    return GROUPS.get(name, name.replace("_", " "))


def decision_words(decision: Decision, stage: Stage) -> str:
    """What was decided about a lead and why, in a sentence; ``stage`` is where it is."""
    score = str(decision.score).replace("-", "\N{MINUS SIGN}")
    has = f"{score} points, {decision.threshold} make an MQL"
    if decision.trigger == REJECTED:
        reason = decision.reason.replace("_", " ").lower()
        return f"A rep turned it down: {reason}. It had {has}."
    if decision.verdict == "DISQUALIFIED":
        said = f"It has {has}; the disqualifier {decision.reason} holds"
        return f"{said}, so it is out." if stage is Stage.DISQUALIFIED else f"{said}."
    if decision.explored:
        return f"It has {has}; it reached a rep all the same, as one of the sample."
    if stage.value != decision.verdict:
        return f"It has {has}; where it is now was decided before, or by others."
    return f"It has {has}: it is {'one' if stage is Stage.MQL else 'nurtured until it does more'}."


def error_list(draft: Draft) -> list[tuple[str, str]]:
    """Every mistake with the field to go to, in the order of the page."""
    order = {name: index for index, name in enumerate(draft.names())}
    found = sorted(draft.errors.items(), key=lambda one: order.get(one[0], -1))
    return [(name, place_words(name) + words) for name, words in found]


def _view(row: Row, part: str, marked: bool) -> RowView:
    compiled = _compiled(row, part)
    if compiled is None:
        return RowView("" if not row.filled else "not complete yet", "", True)
    if part == "disqualifiers":
        return RowView(compiled.disqualifiers[0].test.sentence(), "", marked)
    rule = compiled.criteria[0].rule
    span = f"{rule.worst:+d} to {rule.best:+d}".replace("-", "\N{MINUS SIGN}")
    return RowView(rule.sentence(), span, marked)


def _compiled(row: Row, part: str) -> Definition | None:
    """A definition of this row alone; None while it is not right."""
    try:
        item: dict[str, Any] = {**row.document(), "id": row.texts["id"] or "x"}
        fill = {"id": "x", "group": "fit", "field": "touches", "operator": "exists", "points": 0}
        criteria = [item] if part == "criteria" else [fill]
        document = {
            "threshold": -100000,
            "criteria": criteria,
            "disqualifiers": [item] if part == "disqualifiers" else [],
        }
        body = DefinitionBody.model_validate(document)
        return compile_definition(0, body.model_dump(mode="json"))
    except (ValueError, TypeError):
        return None
