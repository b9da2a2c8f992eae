"""Key figures put into the words and rows of the overview."""

from typing import Any, Final

from shared.contracts.vocabulary import ReasonClass, RejectReason, Stage
from shared.web.words import LEARNS_WORDS, MILESTONE_WORDS, REASON_NAMES, STAGE_WORDS

TONES: Final = {
    ReasonClass.DEFINITIONAL: "accent",
    ReasonClass.CLERICAL: "warn",
    ReasonClass.PROCEDURAL: "back",
}


def figures_view(metrics: dict[str, Any], stages: dict[str, Any]) -> dict[str, Any]:
    """All that the template needs of them."""
    acceptance = metrics["acceptance"]
    return {
        "overall": acceptance["overall"],
        "sla": metrics["sla_attainment"],
        "touch": metrics["time_to_first_touch"],
        "conversion": metrics["mql_to_sql"],
        "funnel": [
            {"label": MILESTONE_WORDS[Stage(step["stage"])], "value": step["leads"]}
            for step in metrics["funnel"]
        ],
        "by_version": _acceptance(acceptance["by_version"], "definition_version"),
        "reasons": [_class(row) for row in metrics["reasons"]["by_class"]],
        "cohorts": metrics["cohorts"],
        "stages": [
            {"label": STAGE_WORDS[Stage(name)], "value": count}
            for name, count in stages["stages"].items()
            if count
        ],
        "stuck": [_stuck(row) for row in stages["stuck"][:10]],
        "stuck_by_stage": [_stuck(row) for row in stages["stuck_by_stage"]],
        "stuck_count": stages["stuck_count"],
        "captured": stages["captured"],
    }


def _acceptance(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    def name(value: Any) -> str:
        if by == "definition_version":
            return f"Version {value}" if value is not None else "Not known yet"
        return str(value) if value is not None else "No source given"

    return [{**row, "label": name(row[by])} for row in rows]


def _stuck(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "stage": STAGE_WORDS[Stage(row["stage"])]}


def _class(row: dict[str, Any]) -> dict[str, Any]:
    name = ReasonClass(row["reason_class"])
    return {
        "title": LEARNS_WORDS[name],
        "name": name.value,
        "count": row["count"],
        "tone": TONES[name],
        "items": [
            {"label": REASON_NAMES[RejectReason(r["reason"])], "value": r["count"]}
            for r in row["reasons"]
        ],
    }
