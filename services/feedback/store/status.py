"""Where learning stands, and what became of what it proposed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from services.feedback.domain.follow_up import FollowUp
from services.feedback.domain.learning import Schedule, missing_answers
from services.feedback.domain.proposals import Proposal, Status, Version
from services.feedback.domain.samples import LEFT_OUT, Group, Label
from services.feedback.domain.wishes import not_seen
from services.feedback.store import queries, samples
from services.feedback.store.names import facts_seen
from services.feedback.store.tables import definitions

REPORTED: Final = ("drift", "reps", "warnings")
"""What the newest look found beside a proposal."""


def learning_status(conn: Connection, now: datetime) -> dict[str, Any]:
    """Marketing's wishes, the answers so far, what is left out and why, and the looks."""
    choices, looks = queries.choices(conn), queries.schedule(conn)
    groups = samples.count_groups(conn, choices.label, now)
    good, bad = groups[Group.GOOD], groups[Group.BAD]
    version = queries.version_in_force(conn)
    waiting = queries.open_proposal(conn)
    missing = missing_answers(looks, choices, good + bad, now)
    last = dict(looks.last or {})
    return {
        **choices.document(),
        "version": None if version is None else version.version,
        "answers": {
            "count": good + bad,
            "good": good,
            "bad": bad,
            "left_out": [
                {"group": group.value, "leads": groups[group], "why": why}
                for group, why in LEFT_OUT.items()
            ],
        },
        "state": _state(looks, missing, version is not None, now),
        "last_look": {"at": looks.looked_at, **last} if last else None,
        "next_look": {
            "at_answers": good + bad + missing,
            "missing": missing,
            "asked_at": looks.asked_at,
        },
        "failure": None
        if looks.failure is None
        else {"why": looks.failure, "times": looks.failures, "retry_at": looks.retry_at},
        "exploration": _exploration(version, last),
        "open_proposal": None if waiting is None else waiting.proposal_id,
        "not_seen": not_seen(choices, facts_seen(conn)),
        **{name: last.get(name) for name in REPORTED},
    }


def _exploration(version: Version | None, last: Mapping[str, Any]) -> dict[str, Any]:
    """Whether it can be known what the definition misses, said in words."""
    rate = 0.0 if version is None else float(version.document.get("exploration_rate") or 0)
    explored = int(last.get("explored") or 0)
    if rate > 0:
        text = (
            f"{100 * rate:g} % of the leads below the threshold reach a rep; at the last look "
            f"{explored} of them had an answer, each of which stands for the others."
        )
    else:
        text = "No lead below the threshold reaches a rep, so what is missed there is not known."
    return {"rate": rate, "answers": explored, "text": text}


def _state(looks: Schedule, missing: int, published: bool, now: datetime) -> str:
    if looks.running(now):
        return "looking"
    if not published:
        return "no_definition"
    if looks.retry_at is not None and now < looks.retry_at:
        return "retrying"
    return "due" if looks.asked_at is not None or missing == 0 else "collecting"


def followed_up(
    conn: Connection, proposals: Sequence[Proposal], now: datetime
) -> list[dict[str, Any]]:
    """The proposals as the interface shows them; published ones with their effect so far."""
    in_force = queries.version_in_force(conn)
    chosen = queries.choices(conn).label
    by_label: dict[Label, dict[int, datetime]] = defaultdict(dict)
    for one in proposals:
        if one.published_version is not None and one.published_at is not None:
            by_label[_label(one, chosen)][one.published_version] = one.published_at
    counts = {
        (label, version): found
        for label, versions in by_label.items()
        for version, found in samples.judged(conn, label, now, versions).items()
    }
    published = conn.execute(select(definitions.c.version, definitions.c.published_at)).all()
    shown = []
    for one in proposals:
        effect = None
        if one.status is Status.PUBLISHED and one.published_version and one.published_at:
            effect = FollowUp(
                one.published_version,
                one.base_version,
                one.published_at,
                in_force is not None and in_force.version == one.published_version,
                counts.get((_label(one, chosen), one.published_version), {}),
                until=_replaced_at(one.published_version, one.published_at, published),
                **_predicted(one),
            ).document(now)
        shown.append({**one.document(), "follow_up": effect})
    return shown


def _replaced_at(version: int, since: datetime, published: Iterable[Any]) -> datetime | None:
    """When the next version was published after this one."""
    later = (one.published_at for one in published if one.version != version)
    return min((at for at in later if at > since), default=None)


def _label(proposal: Proposal, chosen: Label) -> Label:
    """What the evidence calls a good lead."""
    said = proposal.evidence.get("label")
    return Label(said) if said in set(Label) else chosen


def _predicted(proposal: Proposal) -> dict[str, float | None]:
    """The figures of the evidence that can be seen later; an edited document has none."""
    before = proposal.evidence.get("before") or {}
    after = proposal.evidence.get("after") or {}
    edited = proposal.edited_at is not None
    return {
        "before": _estimate(before.get("precision")),
        "predicted": None if edited else _estimate(after.get("precision")),
        "predicted_per_week": None if edited else _estimate(after.get("per_week")),
    }


def _estimate(figure: Any) -> float | None:
    """The estimate of a figure with its interval."""
    return figure.get("estimate") if isinstance(figure, dict) else None
