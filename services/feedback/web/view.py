"""Figures put into the words and rows of the page."""

from datetime import datetime
from typing import Any, Final

STAGES: Final = {
    "INQUIRY": "Inquiries",
    "MQL": "MQLs",
    "ASSIGNED": "Given to a rep",
    "ACCEPTED": "Accepted by sales",
    "SQL": "SQLs",
    "OPPORTUNITY": "Opportunities",
    "WON": "Won",
}

NOW: Final = {
    "INQUIRY": "Inquiry",
    "NURTURE": "Nurtured",
    "DISQUALIFIED": "Disqualified",
    "MQL": "MQL",
    "UNROUTED": "Waiting for a rep",
    "ASSIGNED": "Given to a rep",
    "ACKNOWLEDGED": "Seen by the rep",
    "ACCEPTED": "Accepted by sales",
    "REJECTED": "Rejected by the rep",
    "SQL": "SQL",
    "OPPORTUNITY": "Opportunity",
    "WON": "Won",
    "LOST": "Lost",
    "RECYCLED": "Recycled",
}

REASONS: Final = {
    "WRONG_TERRITORY": "Wrong territory",
    "WRONG_PRODUCT": "Wrong product",
    "ALREADY_OWNED": "Already owned",
    "NO_CAPACITY": "No capacity",
    "INVALID_DATA": "Invalid data",
    "INCOMPLETE": "Incomplete",
    "DUPLICATE": "Duplicate",
    "SPAM": "Spam",
    "OUTSIDE_ICP": "Outside our profile",
    "BELOW_ACTIVITY": "Too little activity",
    "NOT_A_BUYER": "Not a buyer",
}

CLASSES: Final = {
    "definitional": ("Teaches the definition", "accent"),
    "clerical": ("Teaches capture", "warn"),
    "procedural": ("Teaches routing", "back"),
}

DONE: Final = {
    "approved": ("ok", "Approved", "The new version is being made and published."),
    "published": ("ok", "Published", "The new version is in force."),
    "dismissed": (
        "info",
        "Dismissed",
        "The proposal comes back only when there is half as much evidence again.",
    ),
    "conflict": (
        "warn",
        "Nothing was changed",
        "This proposal was settled already, or another version has been published meanwhile.",
    ),
}

BADGES: Final = {
    "open": "info",
    "approved": "warn",
    "published": "ok",
    "dismissed": "",
    "superseded": "",
    "withdrawn": "",
}


def feedback_view(
    metrics: dict[str, Any],
    stages: dict[str, Any],
    proposals: list[dict[str, Any]],
    evidence: dict[str, Any] | None,
    missing: int,
) -> dict[str, Any]:
    """All the template needs."""
    acceptance = metrics["acceptance"]
    return {
        "notices": DONE,
        "overall": acceptance["overall"],
        "sla": metrics["sla_attainment"],
        "touch": metrics["time_to_first_touch"],
        "conversion": metrics["mql_to_sql"],
        "funnel": [
            {"label": STAGES[step["stage"]], "value": step["leads"]} for step in metrics["funnel"]
        ],
        "by_version": _acceptance(acceptance["by_version"], "definition_version"),
        "by_source": _acceptance(acceptance["by_source"], "source")[:12],
        "reasons": [_class(row) for row in metrics["reasons"]["by_class"]],
        "cohorts": metrics["cohorts"],
        "stages": [
            {"label": NOW[name], "value": count}
            for name, count in stages["stages"].items()
            if count
        ],
        "stuck": [_stuck(row) for row in stages["stuck"][:10]],
        "stuck_by_stage": [_stuck(row) for row in stages["stuck_by_stage"]],
        "stuck_count": stages["stuck_count"],
        "captured": stages["captured"],
        "open": [_proposal(p) for p in proposals if p["status"] in ("open", "approved")],
        "settled": [_proposal(p) for p in proposals if p["status"] not in ("open", "approved")],
        "evidence": evidence,
        "plot": _plot(evidence) if evidence else [],
        "waiting": _waiting(evidence) if evidence else [],
        "missing": missing,
    }


def _acceptance(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    def name(value: Any) -> str:
        if by == "definition_version":
            return f"Version {value}" if value is not None else "Not known yet"
        return str(value) if value is not None else "No source given"

    return [{**row, "label": name(row[by])} for row in rows]


def _stuck(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "stage": NOW[row["stage"]], "since": _moment(row["since"])}


def _class(row: dict[str, Any]) -> dict[str, Any]:
    title, tone = CLASSES.get(row["reason_class"], (row["reason_class"], "accent"))
    return {
        "title": title,
        "name": row["reason_class"],
        "count": row["count"],
        "tone": tone,
        "items": [
            {"label": REASONS.get(r["reason"], r["reason"]), "value": r["count"]}
            for r in row["reasons"]
        ],
    }


def _proposal(proposal: dict[str, Any]) -> dict[str, Any]:
    texts = {c["criterion_id"]: c["text"] for c in proposal["evidence"]["criteria"]}
    return {
        **proposal,
        "badge": BADGES[proposal["status"]],
        "plot": _plot(proposal["evidence"]),
        "changes": [
            {**change, "text": texts.get(change["criterion_id"], "")}
            for change in proposal["changes"]
        ],
        "proposed_at": _moment(proposal["proposed_at"]),
        "resolved_at": _moment(proposal["resolved_at"]),
    }


def _plot(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    """The criteria that could be compared, the clearest difference first."""
    compared = [c for c in evidence["criteria"] if c["difference"] is not None]
    compared.sort(key=lambda c: -abs(c["difference"]))
    return [
        {
            "label": c["criterion_id"],
            "point": c["difference"],
            "low": c["low"],
            "high": c["high"],
            "text": None,
            "note": None,
        }
        for c in compared
    ]


def _waiting(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    """The criteria that can't be compared yet, the nearest first."""
    return sorted((c for c in evidence["criteria"] if c["missing"]), key=lambda c: c["missing"])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
