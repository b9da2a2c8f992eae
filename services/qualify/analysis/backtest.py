"""What two definitions would have made of the same past leads, and which of them did better."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from services.qualify.analysis.labels import LEFT_OUT
from services.qualify.analysis.samples import Samples, load
from shared.scorecard import figures
from shared.scorecard.definition import Definition, compile_definition
from shared.scorecard.figures import Judged
from shared.scorecard.table import Mask, Table, Whole
from shared.scorecard.table_scoring import Scored, scores

NAMED: Final = 100
"""Leads that flip are named up to this many: those with a label first, then the newest."""
SHOWN: Final = ("company", "job_title")
FEW: Final = 100
"""Labels below which figures are called weak."""
WEEK_SECONDS: Final = 7 * 86400


@dataclass(frozen=True, slots=True)
class Side:
    """One definition and what it makes of the leads."""

    version: int | None
    definition: Definition
    scored: Scored

    @property
    def mql(self) -> Mask:
        """Whom it makes an MQL; nobody is explored here."""
        return self.scored.mql


def side_of(document: Mapping[str, Any], version: int | None, table: Table) -> Side:
    """Score the table by a document."""
    definition = compile_definition(version or 0, document)
    return Side(version, definition, scores(definition, table))


def backtest(conn: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    """Compare ``candidate`` with ``base`` (each ``{version, document}``) on the leads from
    ``since`` to ``until``, as of ``now``, by ``label``; ``segment`` names a field or is null."""
    since, until, now = (datetime.fromisoformat(request[one]) for one in ("since", "until", "now"))
    given = [request["candidate"], request["base"]]
    fields = {*SHOWN, *([request["segment"]] if request["segment"] else [])}
    for one in given:
        fields |= set(compile_definition(0, one["document"]).fields)
    samples = load(conn, since, until, now, request["label"], fields)
    candidate, base = (side_of(one["document"], one["version"], samples.table) for one in given)
    judged = samples.judged
    return {
        "label": request["label"],
        "window": {"since": since, "until": until},
        "leads": len(samples.table),
        "labelled": int(judged.known.sum()),
        "left_out": left_out(samples),
        "weights": _weights(samples),
        "candidate": _of_side(candidate, judged),
        "base": _of_side(base, judged),
        "difference": _difference(candidate, base, judged),
        "curve": _curve(candidate, judged),
        "weeks": _parts(*samples.table.weeks(), candidate, base, judged),
        "segments": _segments(request["segment"], samples.table, candidate, base, judged),
        "load": _load(samples, min(until, now), candidate, base),
        "flips": _flips(candidate, base, samples),
        "notes": _notes(samples, candidate, base),
    }


def left_out(samples: Samples) -> dict[str, int]:
    """How many leads have no label, by why; groups without any are not there."""
    found = Counter(one for one in samples.groups if one in LEFT_OUT)
    return {name: found[name] for name in LEFT_OUT if found[name]}


def _of_side(side: Side, judged: Judged) -> dict[str, Any]:
    return {
        "version": side.version,
        "threshold": side.scored.threshold,
        "mqls": int(side.mql.sum()),
        "disqualified": int(side.scored.disqualified.sum()),
        "precision": figures.precision(side.mql, judged).public(),
        "recall": figures.recall(side.mql, judged).public(),
        "auc": figures.auc(side.scored.rank, judged).public(),
    }


def _difference(candidate: Side, base: Side, judged: Judged) -> dict[str, Any]:
    auc = figures.auc_difference(candidate.scored.rank, base.scored.rank, judged)
    return {"auc": auc.public(), "mqls": int(candidate.mql.sum()) - int(base.mql.sum())}


def _weights(samples: Samples) -> dict[str, Any]:
    judged, known = samples.judged, samples.judged.known
    explored = int((known & samples.explored).sum())
    if not explored:
        words = "No lead below the threshold was answered, so every lead stands for itself."
    else:
        most = float(judged.weights[known].max())
        words = (
            f"{explored} of the answered leads were below the threshold and explored: each stands "
            f"for up to {most:g} like it, so that what was turned away is counted too."
        )
    return {"explored": explored, "words": words}


def _curve(side: Side, judged: Judged) -> list[dict[str, Any]]:
    points = figures.curve(side.scored.total, side.scored.disqualified, judged)
    return [
        {
            "threshold": one.threshold,
            "mqls": one.mqls,
            "precision": one.precision.public(),
            "recall": one.recall.public(),
        }
        for one in points
    ]


def _parts(
    names: list[str], of_rows: Whole, candidate: Side, base: Side, judged: Judged
) -> list[dict[str, Any]]:
    after = figures.by_part(names, of_rows, candidate.mql, judged)
    before = figures.by_part(names, of_rows, base.mql, judged)
    return [
        {
            "name": new.name,
            "leads": new.leads,
            "labelled": new.labelled,
            "good": new.good_share.public(),
            "candidate": {"mqls": new.mqls, "precision": new.precision.public()},
            "base": {"mqls": old.mqls, "precision": old.precision.public()},
        }
        for new, old in zip(after, before, strict=True)
    ]


def _segments(
    field: str | None, table: Table, candidate: Side, base: Side, judged: Judged
) -> list[dict[str, Any]]:
    if field is None or not len(table):
        return []
    names, of_rows = figures.segments(table.column(field))
    return _parts(names, of_rows, candidate, base, judged)


def _load(samples: Samples, end: datetime, candidate: Side, base: Side) -> dict[str, Any]:
    """MQLs for each rep and week, from the first lead to the end of the window."""
    at = samples.table.at
    weeks = (end.timestamp() - int(at.min()) / 1e6) / WEEK_SECONDS if len(at) else 0.0
    before, after = (int(side.mql.sum()) for side in (base, candidate))
    return {
        "reps": samples.reps,
        "per_rep_week_before": figures.load(before, samples.reps, weeks),
        "per_rep_week_after": figures.load(after, samples.reps, weeks),
    }


def _flips(candidate: Side, base: Side, samples: Samples) -> dict[str, Any]:
    into, out = figures.flips(base.mql, candidate.mql)
    flipped = np.flatnonzero(into | out)
    known = samples.judged.known[flipped]
    order = np.lexsort((-samples.table.at[flipped], ~known))
    columns = {name: samples.table.column(name) for name in SHOWN}

    def named(row: int) -> dict[str, Any]:
        shown = {name: one.values[one.codes[row]] for name, one in columns.items()}
        return {
            "lead_id": samples.table.ids[row],
            **shown,
            "before": _decided(base, row),
            "after": _decided(candidate, row),
            "label": samples.groups[row],
        }

    return {
        "in": int(into.sum()),
        "out": int(out.sum()),
        "leads": [named(int(row)) for row in flipped[order][:NAMED]],
    }


def _decided(side: Side, row: int) -> dict[str, Any]:
    verdict = "NURTURE"
    if side.scored.disqualified_by[row] >= 0:
        verdict = "DISQUALIFIED"
    elif side.mql[row]:
        verdict = "MQL"
    return {"score": int(side.scored.total[row]), "decision": verdict}


def _notes(samples: Samples, candidate: Side, base: Side) -> list[str]:
    """What to bear in mind, in words."""
    known = samples.judged.known
    labelled, notes = int(known.sum()), []
    if not len(samples.table):
        return ["No lead was decided about in this time."]
    for name, count in left_out(samples).items():
        notes.append(f"{count} {_leads(count)} left out: {LEFT_OUT[name]}.")
    if labelled < FEW:
        notes.append(f"Only {labelled} {_leads(labelled)} with a label: the intervals are wide.")
    unseen = candidate.mql & samples.judged.below & ~known
    count = int(unseen.sum())
    if count:
        notes.append(
            f"{count} of its MQLs were below the threshold then, so nobody knows how they would "
            "have been answered: precision rests on the others."
        )
    if (candidate.mql == base.mql).all():
        notes.append("Both versions make MQLs of the same leads.")
    if samples.cut:
        notes.append(f"Only the newest {len(samples.table)} leads of the window were looked at.")
    return notes


def _leads(count: int) -> str:
    return "lead" if count == 1 else "leads"
