"""Which open leads a version would move, were it published now."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
import orjson
from sqlalchemy import Connection

from services.qualify.analysis.samples import PAGE, activities_of, moment
from services.qualify.domain.lifecycle import Lead, after_score
from services.qualify.domain.rescoring import OPEN, may_move
from shared.contracts.vocabulary import Stage
from shared.db.statements import Statement
from shared.scorecard.definition import Definition, compile_definition
from shared.scorecard.scoring import Score, Verdict
from shared.scorecard.table import Row, Table
from shared.scorecard.table_scoring import Scored, grades, scores

_STAGES: Final = ", ".join(f"'{stage.value}'" for stage in OPEN)
_OPEN: Final = Statement(
    "SELECT lead_id, stage, stage_since, cycle, captured_at, declined_version, declined_score, "  # noqa: S608
    "CAST(facts AS text) AS facts, CAST(attribution AS text) AS attribution, "
    "CAST(activities AS text) AS activities "
    f"FROM leads WHERE stage IN ({_STAGES}) AND lead_id > :after ORDER BY lead_id LIMIT :limit"
)


def impact(conn: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    """What re-scoring by ``candidate`` (``{version, document}``) would change now, by stage and by
    grade; ``base`` is the document that graded so far, or null. Nobody is explored anew."""
    now = datetime.fromisoformat(request["now"])
    version = request["candidate"]["version"]
    after = compile_definition(version, request["candidate"]["document"])
    before = None if request["base"] is None else compile_definition(0, request["base"])
    leads: list[Lead] = []
    fields = {*after.fields, *(() if before is None else before.fields)}
    table = Table.of(_rows(conn, now, leads), fields)
    scored = scores(after, table)
    moves = _moves(after, scored, leads, now)
    at_stage = Counter(lead.stage for lead in leads)
    waiting = np.array([lead.stage is Stage.MQL for lead in leads], np.bool_)
    by_stage = [
        {
            "stage": stage,
            "leads": at_stage[stage],
            "to_mql": moves[stage, Stage.MQL],
            "to_nurture": moves[stage, Stage.NURTURE],
            "to_disqualified": moves[stage, Stage.DISQUALIFIED],
        }
        for stage in OPEN
        if at_stage[stage]
    ]
    return {
        "version": version,
        "leads": len(leads),
        "moved": sum(moves.values()),
        **{
            key: sum(int(one[key]) for one in by_stage)
            for key in ("to_mql", "to_nurture", "to_disqualified")
        },
        "by_stage": by_stage,
        "mqls_that_would_not_be": int((waiting & ~scored.mql).sum()),
        "grades": [] if before is None else _grades(before, after, scored, table),
    }


def _rows(conn: Connection, now: datetime, leads: list[Lead]) -> Iterator[Row]:
    """Open leads as they would be scored now; what moves them goes to the list."""
    last = ""
    while page := _OPEN.run(conn, after=last, limit=PAGE).all():
        last = page[-1].lead_id
        for one in page:
            captured = moment(one.captured_at)
            activities = activities_of(one.activities)
            since = None if one.stage_since is None else moment(one.stage_since)
            leads.append(
                Lead(
                    one.lead_id,
                    captured,
                    Stage(one.stage),
                    since,
                    one.cycle,
                    activities=activities,
                    declined_version=one.declined_version,
                    declined_score=one.declined_score,
                )
            )
            facts, attribution = orjson.loads(one.facts), orjson.loads(one.attribution)
            yield Row(one.lead_id, facts, attribution, activities, now)


def _moves(
    definition: Definition, scored: Scored, leads: list[Lead], now: datetime
) -> Counter[tuple[Stage, Stage]]:
    """How many leads go from which stage to which."""
    found: Counter[tuple[Stage, Stage]] = Counter()
    totals, mqls, out = scored.total.tolist(), scored.mql.tolist(), scored.disqualified.tolist()
    for index, lead in enumerate(leads):
        verdict: Verdict = "DISQUALIFIED" if out[index] else "MQL" if mqls[index] else "NURTURE"
        if verdict == lead.stage or not may_move(lead):
            continue
        score = Score(definition.version, totals[index], 0, None, verdict, "", ())
        moved = after_score(lead, score, now, now, definition.cool_off_days)
        if moved.stage is not lead.stage:
            found[lead.stage, moved.stage] += 1
    return found


def _grades(
    before: Definition, after: Definition, scored: Scored, table: Table
) -> list[dict[str, Any]]:
    """How many leads get which other grade, the most frequent change first."""
    old, new = grades(before, scores(before, table)), grades(after, scored)
    found = Counter((a, b) for a, b in zip(old, new, strict=True) if a != b)
    return [{"before": a, "after": b, "leads": count} for (a, b), count in found.most_common(50)]
