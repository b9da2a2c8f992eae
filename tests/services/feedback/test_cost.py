"""What a batch costs does not depend on how much is in it."""

from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.services.feedback.lives import Feedback, Life, random_life


def statements(engine: Engine) -> list[str]:
    """Notes every statement from here on."""
    seen: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    return seen


@pytest.mark.parametrize("kind", ["first", "later"])
async def test_a_batch_takes_a_fixed_number_of_statements(feedback: Feedback, kind: str) -> None:
    """``later`` events find their leads, and change them."""
    random = Random(3)
    lives = [Life().captured().qualified().assigned("anna").accepted()]
    lives += [random_life(random) for _ in range(120)]
    if kind == "later":
        await feedback.read([life.events.pop(0) for life in lives])
    seen = statements(feedback.db._writer)
    counts = []
    for some in (lives[:1], lives[1:20], lives[20:]):
        events = [event for life in some for event in life.events][:450]
        del seen[:]
        await feedback.read(events)
        counts.append(len(seen))
    assert counts[1] == counts[2]
    assert counts[0] <= counts[1] <= 22
    assert len(set(seen)) == len(seen)  # each statement once
