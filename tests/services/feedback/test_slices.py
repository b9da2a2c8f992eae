"""Figures of a part of the leads, against the whole and against examples counted by hand."""

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import pytest

from services.feedback.domain.slices import By, Slice
from services.feedback.store import breakdown as telling_apart
from services.feedback.store.breakdown import breakdown
from services.feedback.store.figures import metrics
from shared.access import Role
from shared.contracts.vocabulary import RejectReason
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import START, Feedback, Life

SECOND_WEEK = START + timedelta(days=7)


def lives() -> list[Life]:
    """Two weeks, two sources, two campaigns, two versions, two reps."""
    taken = Life(source="search", campaign="autumn").captured().qualified().assigned("ana")
    taken.accepted()
    moved = Life(source="search", campaign="winter").captured().qualified().assigned("ana")
    moved.later(20).breached().assigned("ben").rejected(RejectReason.NOT_A_BUYER)
    late = Life(source="fair", campaign="winter", version=2, at=SECOND_WEEK)
    late.captured().qualified().assigned("ben").rejected(RejectReason.OUTSIDE_ICP)
    open_one = Life(source="fair", campaign=None, version=2, at=SECOND_WEEK)
    open_one.captured().qualified().assigned("ben", minutes=600)
    inquiry = Life(source=None, campaign=None, at=SECOND_WEEK).captured()
    return [taken, moved, late, open_one, inquiry]


async def told(feedback: Feedback, some: Sequence[Life]) -> None:
    await feedback.read([event for life in some for event in life.events])
    feedback.clock.advance(timedelta(days=13))


def rate(found: dict[str, Any]) -> tuple[int, int]:
    return found["count"], found["of"]


CASES: Final[tuple[Any, ...]] = (
    (Slice(), 5, (1, 3), (3, 5), {"NOT_A_BUYER", "OUTSIDE_ICP"}),
    (Slice(source="search"), 2, (1, 2), (2, 3), {"NOT_A_BUYER"}),
    (Slice(campaign="winter"), 2, (0, 2), (2, 3), {"NOT_A_BUYER", "OUTSIDE_ICP"}),
    (Slice(campaign="winter", source="fair"), 1, (0, 1), (1, 1), {"OUTSIDE_ICP"}),
    (Slice(version=2), 2, (0, 1), (1, 2), {"OUTSIDE_ICP"}),
    # What ana let pass is hers to answer for, and the lead that ben then turned down his.
    (Slice(rep_id="ana"), 1, (1, 1), (1, 2), set()),
    (Slice(rep_id="ben"), 3, (0, 2), (2, 3), {"NOT_A_BUYER", "OUTSIDE_ICP"}),
    (Slice(until=SECOND_WEEK), 2, (1, 2), (2, 3), {"NOT_A_BUYER"}),
    (Slice(since=SECOND_WEEK), 3, (0, 1), (1, 2), {"OUTSIDE_ICP"}),
    (Slice(source="nobody's"), 0, (0, 0), (0, 0), set()),
)
"""A part; its leads, accepted of answered, met of due, and the reasons."""


async def test_slices_by_hand(feedback: Feedback) -> None:
    await told(feedback, lives())
    for part, leads, answered, sla, reasons in CASES:
        found = await feedback.ask(metrics, feedback.clock.now(), part)
        assert found["funnel"][0]["leads"] == leads, part
        assert rate(found["acceptance"]["overall"]["of_answered"]) == answered, part
        assert rate(found["sla_attainment"]) == sla, part
        classes = found["reasons"]["by_class"]
        assert {one["reason"] for group in classes for one in group["reasons"]} == reasons, part
        mqls = found["funnel"][1]["leads"]
        assert found["time_to_first_touch"]["leads"] == mqls
        assert sum(week["mqls"] for week in found["cohorts"]) == mqls


async def test_a_breakdown_is_the_slices_beside_each_other(feedback: Feedback) -> None:
    await told(feedback, lives())
    feedback.clock.advance(timedelta(days=100))
    for by in By:
        await the_same_as_slices(feedback, by)


async def the_same_as_slices(feedback: Feedback, by: By) -> None:
    now = feedback.clock.now()
    found = await feedback.ask(breakdown, now, by)
    assert found["others"] is None
    assert sum(row["leads"] for row in found["items"]) == 5
    name = {By.REP: "rep_id"}.get(by, by.value)
    for row in found["items"]:
        if row["value"] is None:
            continue
        alone = await feedback.ask(metrics, now, Slice(**{name: row["value"]}))
        assert list(row["stages"].values()) == [step["leads"] for step in alone["funnel"]]
        assert row["acceptance"] == alone["acceptance"]["overall"]
        assert row["sla_attainment"] == alone["sla_attainment"]
        assert row["mql_to_sql"] == {
            key: value for key, value in alone["mql_to_sql"].items() if key != "within_days"
        }
    values = {row["value"] for row in found["items"]}
    assert len(values) == len(found["items"]) >= 3 or by is By.VERSION


async def test_the_rest_is_counted_together(
    feedback: Feedback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling_apart, "MOST", 1)
    await told(feedback, lives())
    found = await feedback.ask(breakdown, feedback.clock.now(), By.SOURCE)
    assert [row["leads"] for row in found["items"]] == [2]
    assert (found["others"]["values"], found["others"]["leads"]) == (2, 3)


async def test_the_interface(callers: Callers) -> None:
    some = lives()
    some.append(Life(source="=1+1").captured())
    await told(callers.feedback, some)
    first, last = date(2026, 11, 2), date(2026, 11, 8)
    async with await callers.client(Role.MARKETER) as client:

        async def get(path: str, status: int = 200, **params: Any) -> Any:
            response = await client.get(f"/feedback/v1/{path}", params=params)
            assert response.status_code == status, response.text
            return response

        week = (await get("metrics", **{"from": str(first), "to": str(last)})).json()
        assert week["funnel"][0]["leads"] == 3
        assert week["slice"]["to"] == "2026-11-09T00:00:00Z"
        one_day = (await get("metrics", **{"from": "2026-11-09", "to": "2026-11-09"})).json()
        assert one_day["funnel"][0]["leads"] == 3
        blank = {"from": "", "to": "", "source": "", "version": "", "by": ""}
        assert (await get("metrics", **blank)).json()["funnel"][0]["leads"] == 6
        by_rep = (await get("metrics", by="rep", source="search")).json()["breakdown"]
        assert {row["value"]: row["leads"] for row in by_rep["items"]} == {"ana": 1, "ben": 1}
        table = await get("metrics.csv")
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        rows = {row["source"]: row for row in csv.DictReader(io.StringIO(table.text))}
        assert rows["search"]["accepted_of_answered_count"] == "1"
        assert rows["search"]["accepted_of_answered_of"] == "2"
        assert 0 < float(rows["search"]["accepted_of_answered_low"]) < 0.5
        assert "'=1+1" in rows
        for bad in (
            {"from": "yesterday"},
            {"version": "x"},
            {"by": "colour"},
            {"to": "0001-01-01"},
        ):
            await get("metrics", 422, **bad)
