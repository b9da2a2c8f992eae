"""The events of ``lead.feedback`` in the order of their commits, for readers with a cursor."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from shared.contracts.envelope import Event
from shared.db.statements import Statement

TOPIC = "lead.feedback"

_ADVANCE = Statement("UPDATE log_head SET seq = seq + :count WHERE id = 1 RETURNING seq")
_INSERT = Statement(
    lambda dialect: (
        "INSERT INTO feedback_log (seq, type, event) VALUES (:seq, :type, :event)"
        if dialect == "sqlite"
        else "INSERT INTO feedback_log (seq, type, event) "
        "SELECT (value->>0)::bigint, value->>1, value->>2 "
        "FROM jsonb_array_elements(CAST(:rows AS jsonb))"
    )
)


def add(conn: Connection, events: Sequence[Event[Any]]) -> int:
    """Give those of the topic the next numbers; returns how many they are.

    The head row is a queue: whoever has moved it holds it until the commit, so numbers become
    visible in their order, and it must be the last lock that a transaction takes.
    """
    told = [event for event in events if event.data.topic == TOPIC]
    if not told:
        return 0
    first = _ADVANCE.run(conn, count=len(told)).scalar_one() - len(told) + 1
    rows = [
        (seq, event.type, orjson.dumps(event.json()).decode())
        for seq, event in enumerate(told, first)
    ]
    if conn.dialect.name == "sqlite":
        _INSERT.run_rows(conn, rows)
    else:
        _INSERT.run(conn, rows=rows)
    return len(told)
