"""``leadloop stages``: its exit status says red, yellow or green."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


def lead(number: int, *, stage: str = "CAPTURED", minutes_ago: float = 5) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return {"lead_id": f"lead-{number}", "stage": stage, "captured_at": at.isoformat()}


def test_all_in_order_is_green(leadloop: Any, product: Any) -> None:
    product.captured = [lead(n) for n in range(5)] + [lead(5, minutes_ago=0)]
    product.staged = [lead(n, stage="ASSIGNED") for n in range(5)]
    ended = leadloop("stages", **product.settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    words = [line.split() for line in ended.stdout.splitlines()]
    assert ["6", "captured"] in words
    assert ["5", "ASSIGNED"] in words
    assert "each captured lead is in exactly one stage" in ended.stdout
    assert "dead" not in ended.stdout


@pytest.mark.parametrize("fault", ["missing", "unknown", "stuck"])
def test_what_is_out_of_order_is_red_even_with_dead_letters(
    leadloop: Any, product: Any, fault: str
) -> None:
    product.letter("qualify", 1)
    if fault == "missing":
        product.captured = [lead(1)]
    elif fault == "unknown":
        product.staged = [lead(1)]
    else:
        product.captured = product.staged = [lead(1)]
        product.stuck = [{"lead_id": "lead-1", "stage": "CAPTURED", "since": "2026-01-01"}]
    ended = leadloop("stages", **product.settings)
    assert ended.returncode == 1
    assert "NOT IN ORDER" in ended.stdout
    assert "lead-1" in ended.stdout


def test_dead_letters_are_yellow_and_it_says_whose(leadloop: Any, product: Any) -> None:
    product.letter("routing", 1)
    product.letter("routing", 2)
    product.letter("qualify", 3)
    product.letter("qualify", 4, "parked")
    product.not_ready = {"routing"}
    ended = leadloop("stages", **product.settings)
    assert ended.returncode == 3
    assert "2 dead letters of routing" in ended.stdout
    assert "1 dead letters of qualify" in ended.stdout
    assert "of capture" not in ended.stdout
    assert "NOT IN ORDER" not in ended.stdout
    report = json.loads(leadloop("stages", "--json", **product.settings).stdout)
    assert report["ok"] is True
    assert report["dead_letters"] == {"capture": 0, "qualify": 1, "routing": 2, "feedback": 0}


def test_a_service_that_does_not_answer_is_red(leadloop: Any, product: Any) -> None:
    product.silent = {"routing"}
    ended = leadloop("stages", **product.settings)
    assert ended.returncode == 1
    assert "routing does not answer" in ended.stdout
    assert json.loads(leadloop("stages", "--json", **product.settings).stdout)["dead_letters"] == {
        "capture": 0, "qualify": 0, "routing": None, "feedback": 0
    }  # fmt: skip
