"""The challenger against the published version, on the same leads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from services.qualify.analysis.backtest import left_out, side_of
from services.qualify.analysis.samples import load
from shared.scorecard import figures
from shared.scorecard.definition import compile_definition
from shared.scorecard.figures import Estimate


def compare(conn: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    """Both versions on the leads that were decided about since ``since``, when the second began to
    challenge: the figures of ``domain.promotion.Comparison``, intervals as three numbers."""
    since, now = (datetime.fromisoformat(request[one]) for one in ("since", "now"))
    before, after = request["before"], request["after"]
    fields = {*compile_definition(0, before).fields, *compile_definition(0, after).fields}
    samples = load(conn, since, now, now, request["label"], fields)
    old, new = (side_of(document, None, samples.table) for document in (before, after))
    judged = samples.judged
    old_auc, new_auc = (figures.auc(one.scored.rank, judged).interval for one in (old, new))
    return {
        "leads": len(samples.table),
        "labelled": int(judged.known.sum()),
        "left_out": left_out(samples),
        "auc_before": None if old_auc is None else old_auc.estimate,
        "auc_after": None if new_auc is None else new_auc.estimate,
        "auc_difference": _bounds(figures.auc_difference(new.scored.rank, old.scored.rank, judged)),
        "precision_before": _bounds(figures.precision(old.mql, judged)),
        "precision_after": _bounds(figures.precision(new.mql, judged)),
        "mqls_before": int(old.mql.sum()),
        "mqls_after": int(new.mql.sum()),
    }


def _bounds(found: Estimate) -> list[float] | None:
    """Estimate, low and high."""
    return None if found.interval is None else list(found.interval)
