"""A proposal put into the words, steps and pictures of its pages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.feedback.domain.proposals import Status
from services.feedback.store.names import Told
from services.feedback.web import evidence as shown_by
from services.feedback.web.headline import headline
from shared.scorecard.documents import to_yaml
from shared.web.formats import number, percent, signed

STATUS_WORDS: Final = {
    Status.OPEN: ("open", "info"),
    Status.APPROVED: ("approved", "warn"),
    Status.CHALLENGER: ("challenger", "info"),
    Status.PUBLISHED: ("published", "ok"),
    Status.DROPPED: ("tried and dropped", ""),
    Status.DISMISSED: ("dismissed", ""),
    Status.SUPERSEDED: ("overtaken", ""),
    Status.WITHDRAWN: ("withdrawn", ""),
}
LONGEST: Final = 160
"""Characters of a condition that are shown in a list of changes."""

DONE: Final = {
    "edited": ("ok", "Saved", "The proposal has the document that you wrote."),
    "approved": ("ok", "Approved", "The new version is being made. Reload this page to see it."),
    "dismissed": ("info", "Dismissed", "The same comes back with half as much evidence again."),
    "conflict": (
        "warn",
        "Nothing was changed",
        "This proposal was settled or edited meanwhile, or another version has been published. "
        "Read it again.",
    ),
}


def proposal_view(
    told: Mapping[str, Any], in_force: int | None, leads: Mapping[str, Told]
) -> dict[str, Any]:
    """A proposal as ``followed_up`` tells it, for its page. ``leads`` are those that flip."""
    evidence = told["evidence"]
    return {
        **listed(told),
        "summary": headline(evidence),
        "measures": shown_by.measures(evidence),
        "loads": shown_by.loads(evidence),
        "sample": shown_by.sample(evidence),
        "weeks": shown_by.weeks(evidence),
        "looks": shown_by.differences(evidence),
        "notes": shown_by.notes(evidence),
        "flips": shown_by.flips(evidence.get("flips"), leads),
        "life": life(told),
        "can_approve": told["base_version"] == in_force and told["definition"] is not None,
        "document_text": to_yaml(told["definition"]) if told["definition"] else None,
        "version_href": _version_href(told),
        "follow_up": follow_up(told),
    }


def listed(told: Mapping[str, Any]) -> dict[str, Any]:
    """A proposal as a list shows it."""
    words, badge = STATUS_WORDS[Status(told["status"])]
    if told["published_version"] is not None:
        words = f"{words} as version {told['published_version']}"
    names = list(dict.fromkeys(one["what"].partition(":")[0] for one in told["changes"]))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return {
        **{key: told[key] for key in _PLAIN},
        "href": f"/feedback/proposals/{told['proposal_id']}",
        "status_words": words,
        "badge": badge,
        "changes": grouped(told["changes"]),
        "changes_short": (", ".join(names[:3]) + more) or "–",
    }


_PLAIN: Final = (
    "proposal_id",
    "status",
    "base_version",
    "answers",
    "proposed_at",
    "evidence_at",
    "edited_at",
    "refusal",
    "resolved_at",
    "note",
    "published_version",
)


def grouped(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Changes of one criterion together: its parts, why, and the answers by level. What goes stands
    last."""
    found: dict[str, dict[str, Any]] = {}
    for one in changes:
        what, _, part = one["what"].partition(": ")
        group = found.setdefault(
            what, {"what": what, "kind": "changed", "parts": [], "why": "", "levels": []}
        )
        before, after = _short(one["before"]), _short(one["after"])
        group["parts"].append({"part": _short(part), "before": before, "after": after})
        if not part and (before is None or after is None):
            group["kind"] = "new" if before is None else "removed"
        group["why"] = group["why"] or one.get("why", "")
        group["levels"] = group["levels"] or _levels(one.get("levels") or ())
    return sorted(found.values(), key=lambda one: bool(one["kind"] == "removed"))


def _levels(told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Levels without the name of the fact that all of them are about."""
    first = {one["text"].split(" ", 1)[0] for one in told if one["text"] != "otherwise"}
    about = f"{first.pop()} " if len(first) == 1 else ""
    return [
        {
            "label": one["text"].removeprefix(about),
            "points": "" if one.get("points") is None else signed(one["points"]),
            "value": one["share"] or 0,
            "text": f"{percent(one['share'])} of {number(one['answers'])}"
            if one["answers"]
            else "none yet",
            "note": None,
        }
        for one in told
    ]


def _short(text: str | None) -> str | None:
    """The beginning of a long list; all of it is in the document below."""
    if text is None or len(text) <= LONGEST:
        return text
    parts = text[:LONGEST].split(", ")
    return ", ".join(parts[:-1] or parts) + " …"


def life(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened to a proposal in order, and what may come."""
    status = Status(told["status"])
    steps = [_step("Proposed", told["proposed_at"], f"from {number(told['answers'])} answers")]
    if told["evidence_at"] != told["proposed_at"]:
        steps.append(_step("Looked at again", told["evidence_at"], "with newer answers"))
    if told["edited_at"] is not None:
        steps.append(_step("Edited by hand", told["edited_at"]))
    if status is Status.OPEN:
        if told["refusal"]:
            steps.append(_step("Approved, and refused", None, None, "bad"))
        return [
            *steps,
            _step("Waits for your decision", None, None, "now"),
            _step("Challenger, or published", None, None, "ahead"),
        ]
    return [*steps, *_settled(told, status)]


def _settled(told: Mapping[str, Any], status: Status) -> list[dict[str, Any]]:
    at, note = told["resolved_at"], told["note"] or None
    version = told["published_version"]
    if status is Status.APPROVED:
        how = "as challenger" if told["publish_as"] == "challenger" else "to be published"
        making = "If this lasts longer than ten minutes, take it back."
        return [
            _step(f"Approved {how}", at, note),
            _step("The version is being made", None, making, "now"),
            _step("Shadow-scores" if "challenger" in how else "Scores", None, None, "ahead"),
        ]
    approved = _step("Approved", None, note)
    if status is Status.CHALLENGER:
        trial = f"Version {version} scores beside version {told['base_version']}."
        return [
            approved,
            _step("Challenger", at, trial, "now"),
            _step("Promoted, or dropped", None, None, "ahead"),
        ]
    if status is Status.PUBLISHED:
        effect = told["follow_up"] or {}
        early = effect.get("too_early", True)
        return [
            approved,
            _step(f"Published as version {version}", told["published_at"] or at),
            _step("Its effect is seen", None, effect.get("text"), "now" if early else ""),
        ]
    titles = {
        Status.DROPPED: "Tried as a challenger, and dropped",
        Status.DISMISSED: "Dismissed",
        Status.SUPERSEDED: "Overtaken by another version or a better proposal",
        Status.WITHDRAWN: "Withdrawn: newer answers support it no longer",
    }
    return [_step(titles[status], at, note)]


def _step(
    title: str, at: datetime | None, text: str | None = None, kind: str = ""
) -> dict[str, Any]:
    return {"title": title, "at": at, "text": text, "kind": kind}


def _version_href(told: Mapping[str, Any]) -> str | None:
    version = told["published_version"]
    return None if version is None else f"/qualify/definitions/{version}"


def follow_up(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was predicted of a published proposal, and what happened."""
    effect = told.get("follow_up")
    if not effect:
        return None
    predicted, happened = effect.get("predicted") or {}, effect.get("happened") or {}
    evidence = told["evidence"]
    rows = []
    found = shown_by.found_of(happened.get("rate"))
    if found is not None:
        found = shown_by.found_of(happened)
    after = (evidence.get("after") or {}).get("precision")
    expected = shown_by.found_of(after if predicted.get("rate") is not None else None)
    if expected is not None or found is not None:
        rows.append(
            shown_by.row_of(
                shown_by.GOOD_WORDS[shown_by.label_of(evidence)][0],
                _volume(predicted, happened),
                expected,
                found,
            )
        )
    rollback = effect.get("suggestion") or {}
    back = rollback.get("version")
    return {
        "text": effect["text"],
        "measures": rows,
        "advice": f"Version {told['base_version']} did better. You can publish it again.",
        "rollback_href": f"/qualify/definitions/{back}/publish" if back is not None else None,
    }


def _volume(predicted: Mapping[str, Any], happened: Mapping[str, Any]) -> str | None:
    was = shown_by.found_of(predicted.get("mqls_per_week"))
    now = shown_by.found_of(happened.get("mqls_per_week"))
    if was is None or now is None:
        return None
    return f"{number(now['point'], 1)} MQLs a week; {number(was['point'], 1)} were predicted"
