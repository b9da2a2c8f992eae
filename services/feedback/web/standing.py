"""Where learning stands, in the words of a page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.feedback.domain.samples import Group
from services.feedback.web.evidence import measures
from shared.web.formats import number, percent, when

TITLES: Final = {
    "no_definition": "No definition is published",
    "looking": "It looks at the answers right now",
    "retrying": "The last look was broken off; it is taken again soon",
    "due": "A look at the answers is due",
    "collecting": "Nothing to propose now",
}
LEFT_OUT_WORDS: Final = {
    Group.NOT_DUE: "Accepted, outcome not due yet",
    Group.PROCEDURAL: "Turned down for routing's sake",
    Group.CLERICAL: "Turned down for faulty data",
    Group.WAITING: "Wait for an answer",
    Group.TIMED_OUT: "Not answered in time",
    Group.BELOW: "Never reached a rep",
}


def standing(status: Mapping[str, Any]) -> dict[str, Any]:
    """Where learning stands, from ``learning_status``."""
    state, last, coming = status["state"], status["last_look"], status["next_look"]
    looked_at = None if last is None else last["at"]
    count, missing = status["answers"]["count"], coming["missing"]
    title = TITLES[state]
    if status["open_proposal"] is not None and state in ("collecting", "due"):
        title = "A proposal waits for your decision"
    elif state == "collecting" and looked_at is None:
        title = f"{_more(missing)} until the first look"
    facts = [("Answers that count", number(count))]
    if last is not None and looked_at is not None:
        facts.append(("Last look", when(looked_at)))
        facts.append(("Answers then", number(last.get("answers"))))
    if state in ("collecting", "due"):
        facts.append(("Next look", "now" if not missing or state == "due" else _more(missing)))
    early = (last or {}).get("too_early")
    if early is not None:
        facts.append(("Looked too early", when(datetime.fromisoformat(early["at"]))))
    failure = status["failure"]
    return {
        "ready": state != "no_definition",
        "title": title,
        "why": None
        if last is None or status["open_proposal"] is not None
        else (early or last).get("missing") or last.get("why") or None,
        "facts": facts,
        "href": status["open_proposal"] and f"/feedback/proposals/{status['open_proposal']}",
        "exploration": (status.get("exploration") or {}).get("text"),
        "best": _best(last, status["version"]) if status["open_proposal"] is None else None,
        "failure": None if failure is None else failure["why"],
        "may_ask": state in ("collecting", "retrying"),
    }


def _best(last: Mapping[str, Any] | None, version: int | None) -> dict[str, Any] | None:
    """What the last look found, though it was not good enough to be proposed."""
    if last is None or last.get("base_version") != version:
        return None
    rows = measures(last.get("evidence") or {})
    return {"version": version, "measures": rows} if rows else None


def account(state: Mapping[str, Any], alpha: float) -> list[tuple[str, Any]]:
    """What the looks of the last year have cost, from the learner's own account."""
    taken = state.get("taken") or []
    if not taken:
        return []
    spent = percent(sum(one["alpha"] for one in taken), 1)
    return [
        ("Looks in a year", number(len(taken))),
        ("Chance of a false proposal, used up", f"{spent} of {percent(alpha, 1)}"),
    ]


def groups(status: Mapping[str, Any]) -> dict[str, Any]:
    """The leads that are learned from and those that are not, for pictures."""
    answers = status["answers"]
    used = [
        {"label": "Good leads", "value": answers["good"], "tone": "ok"},
        {"label": "Turned down as not fitting", "value": answers["bad"], "tone": "bad"},
    ]
    if status["label"] != "accepted":
        used[1]["label"] = "Turned down, or came to nothing"
    return {
        "used": used if answers["count"] else [],
        "left_out": [
            {"label": LEFT_OUT_WORDS[Group(one["group"])], "value": one["leads"]}
            for one in answers["left_out"]
            if one["leads"]
        ],
    }


def _more(count: int) -> str:
    return f"{number(count)} more answered {'lead' if count == 1 else 'leads'}"
