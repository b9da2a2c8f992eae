"""The evidence of a proposal: figures before and after on leads that were not seen."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from services.feedback.learning.data import MOST_STANDS_FOR, Settings, Target
from services.feedback.learning.judge import Compared, Unseen
from services.feedback.learning.material import Material
from services.feedback.learning.threshold import recent
from shared.scorecard.figures import Judged, by_part, load, precision, recall
from shared.scorecard.intervals import Interval, wilson
from shared.scorecard.table import Mask
from shared.scorecard.table_scoring import Scored

LISTED: Final = 200
"""Leads that flip and are named, at most, on each side; the newest."""


def evidence(
    found: Unseen, compared: Compared, material: Material, settings: Settings, alpha: float
) -> dict[str, Any]:
    """Everything a person needs to believe it, or not."""
    judged = found.judged(material)
    rows = found.rows
    weeks = max((material.days[rows[-1]] - material.days[rows[0]]) / 7, 1.0)
    reps = settings.target.reps or len(np.unique(material.reps[rows][material.reps[rows] > 0]))
    before = _side(found.mql_before, judged, weeks, reps)
    after = _side(found.mql_after, judged, weeks, reps)
    return {
        "leads": len(rows),
        "answers": int(judged.known.sum()),
        "from": material.samples[rows[0]].at.isoformat(),
        "to": material.samples[rows[-1]].at.isoformat(),
        "weeks_long": round(weeks, 2),
        "reps": reps,
        "label": settings.label,
        "target": _target(settings.target),
        "before": {"auc": compared.before.public()} | before,
        "after": {"auc": compared.after.public()} | after,
        "difference": {
            "auc": round(compared.difference, 5),
            "low": round(compared.low(0.025), 5),
            "high": round(2 * compared.difference - compared.low(0.025), 5),
            "chance": compared.chance,
            "margin": settings.margin,
            "alpha": round(alpha, 6),
        },
        "weeks": _weeks(found, material, judged),
        "explored": int((judged.below & judged.known).sum()),
        "half_lives": list(found.half_lives),
        "notes": notes(found, material, judged, settings),
    }


def _target(target: Target) -> str:
    """What the threshold is for, in a word."""
    if target.acceptance is not None:
        return "acceptance"
    return "load" if target.per_week is not None else "volume"


def _side(chosen: Mask, judged: Judged, weeks: float, reps: int) -> dict[str, Any]:
    share = wilson(int(chosen.sum()), len(chosen))
    mqls = int(chosen.sum())
    return {
        "precision": precision(chosen, judged).public(),
        "recall": recall(chosen, judged).public(),
        "mqls": mqls,
        "share": None if share is None else share._asdict(),
        "per_week": _times(share, len(chosen) / weeks),
        "per_rep_and_week": _times(share, len(chosen) / weeks / reps) if reps else None,
        "load": load(mqls, reps, weeks),
    }


def _times(share: Interval | None, factor: float) -> dict[str, float] | None:
    return None if share is None else {k: round(v * factor, 3) for k, v in share._asdict().items()}


def _weeks(found: Unseen, material: Material, judged: Judged) -> list[dict[str, Any]]:
    names, of_rows = material.table.weeks()
    own = of_rows[found.rows]
    held = np.unique(own)
    place = {int(week): index for index, week in enumerate(held)}
    index = np.array([place[int(week)] for week in own], np.int64)
    listed = [names[week] for week in held]
    before = by_part(listed, index, found.mql_before, judged)
    after = by_part(listed, index, found.mql_after, judged)
    return [
        {
            "week": one.name,
            "leads": one.leads,
            "answers": one.labelled,
            "mqls_before": one.mqls,
            "mqls_after": other.mqls,
            "precision_before": one.precision.public(),
            "precision_after": other.precision.public(),
        }
        for one, other in zip(before, after, strict=True)
    ]


def notes(found: Unseen, material: Material, judged: Judged, settings: Settings) -> list[str]:
    """What the reader must know before believing the numbers."""
    said = [
        "Both are judged on the same leads, which came after the answers they were learned from: "
        "each block of them by what could be learned before it began.",
    ]
    explored = int((judged.below & judged.known).sum())
    if explored:
        said.append(
            f"{explored} answered leads came from below the threshold by exploration. In shares "
            f"each stands for as many as it was drawn from; in learning and in comparing AUC for "
            f"at most {MOST_STANDS_FOR:g}."
        )
    else:
        said.append(
            "No lead from below the threshold was answered: how good those are is not known, and "
            "recall can't be given. An exploration rate would tell."
        )
    if (found.trust < 1).any():
        said.append("Answers of a rep who rejects far above the others on like leads count less.")
    return said


def flips(before: Scored, after: Scored, material: Material) -> dict[str, Any]:
    """The leads of the last weeks that change sides, by name, newest first."""
    rows, weeks = recent(material.days, np.arange(len(material.days)))

    def listed(mask: Mask) -> list[dict[str, Any]]:
        return [
            {
                "lead_id": material.samples[row].lead_id,
                "at": material.samples[row].at.isoformat(),
                "score_before": int(before.total[row]),
                "score_after": int(after.total[row]),
            }
            for row in rows[mask][::-1][:LISTED].tolist()
        ]

    comes = (~before.mql & after.mql)[rows]
    goes = (before.mql & ~after.mql)[rows]
    return {
        "leads": len(rows),
        "weeks": round(weeks, 2),
        "become_mql": int(comes.sum()),
        "no_longer_mql": int(goes.sum()),
        "in": listed(comes),
        "out": listed(goes),
    }


def status(material: Material, reasons: Mapping[str, Any]) -> dict[str, Any]:
    """What is known so far, whether or not it leads to a proposal."""
    answered = material.answered
    labels = material.labels[answered]
    return {
        "leads": len(material.days),
        "answers": len(answered),
        "accepted": int(labels.sum()),
        "rejected": int((labels == 0).sum()),
        "explored": int(material.explored[answered].sum()),
    } | dict(reasons)
