"""The newest answers with what the leads were like: what hints are counted from."""

from typing import Final

import orjson
from sqlalchemy import Connection

from services.feedback.domain.hints import Answer
from shared.db.statements import Statement

NEWEST: Final = 10_000
"""Hints are about today's forms and rules: older answers than so many say nothing of them."""

_ANSWERS = Statement(
    "SELECT a.lead_id, a.rep_id, a.answer, a.reason, a.reason_class, s.facts, s.attribution "
    "FROM (SELECT * FROM attempts WHERE answered_at IS NOT NULL "
    "ORDER BY answered_at DESC LIMIT :limit) AS a "
    "JOIN samples AS s ON s.lead_id = a.lead_id AND s.cycle = a.cycle"
)


def newest_answers(conn: Connection) -> list[Answer]:
    """The newest answers of reps, with the facts of the leads."""
    sqlite = conn.dialect.name == "sqlite"
    return [
        Answer(
            row.lead_id,
            row.rep_id,
            row.reason if row.answer == "rejected" else None,
            row.reason_class,
            orjson.loads(row.facts) if sqlite else row.facts,
            orjson.loads(row.attribution) if sqlite else row.attribution,
        )
        for row in _ANSWERS.run(conn, limit=NEWEST)
    ]
