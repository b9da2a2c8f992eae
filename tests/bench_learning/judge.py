"""A definition's document read as the product reads it, and its score of many leads at once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.scorecard.definition import compile_definition
from shared.scorecard.table import Row, Table
from shared.scorecard.table_scoring import Scored, scores
from tests.bench_learning.figures import Floats

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""When leads are scored that have no activities: any moment gives the same."""


def table_of(leads: Iterable[Mapping[str, Any]]) -> Table:
    """Leads by column; their facts are named as in definitions."""
    return Table.of(Row(str(number), facts, {}, {}, MOMENT) for number, facts in enumerate(leads))


def ranked(document: Mapping[str, Any], table: Table) -> Floats:
    """The order a definition puts leads in: by score, whoever it disqualifies below all others."""
    return scores(compile_definition(1, document), table).rank.astype(float)


def read(document: Mapping[str, Any], table: Table) -> Scored:
    """Every lead's points and verdict."""
    return scores(compile_definition(1, document), table)


def fields_of(document: Mapping[str, Any]) -> set[str]:
    """The facts that a definition uses: in criteria that can give points, and disqualifiers."""
    found: set[str] = set()
    for one in document["criteria"]:
        levels = [level["points"] for level in one.get("levels") or ()]
        if any([*levels, one.get("otherwise"), one.get("points")]):
            found |= set(_leaves(one.get("when") or one))
    for one in document.get("disqualifiers") or ():
        found |= set(_leaves(one.get("when") or one))
    return found


def _leaves(part: Mapping[str, Any]) -> list[str]:
    inner: Sequence[Mapping[str, Any]] = [*(part.get("all") or ()), *(part.get("any") or ())]
    inner = [*inner, part["not"]] if part.get("not") else inner
    own = part.get("field") or (f"activity.{part['activity']}" if part.get("activity") else None)
    return [name for one in inner for name in _leaves(one)] + ([own] if own else [])
