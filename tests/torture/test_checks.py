"""The checker itself, on histories made by hand: each wrong one is found, a right one passes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.torture.checks import Finding, check
from tests.torture.history import History, Logged, Stored, Turn, logged
from tests.torture.ledger import Handed, Ledger, Taken

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def turn(number: int, rep: str, begin: float, end: float | None, state: str = "EXPIRED") -> Turn:
    because = {"EXPIRED": "SLA_BREACHED", "REJECTED": "REJECTED"}.get(state) if end else None
    reason = "NO_CAPACITY" if state == "REJECTED" else None
    closed = at(end) if end is not None else None
    return Turn(f"a{number}", "L1", 1, number, rep, state, reason, at(begin), closed, because)


class Log:
    """Events one behind the other in one partition of each topic."""

    def __init__(self) -> None:
        self.events: list[Logged] = []

    def add(self, topic: str, kind: str, event_id: str = "", **data: Any) -> None:
        number = len(self.events)
        headers = {"ce_id": event_id or f"e{number}", "ce_type": f"leadloop.{kind}.v1"}
        self.events.append(logged(topic, 0, number, headers, str(data.get("lead_id")), data))

    def turn(self, one: Turn) -> None:
        """What the bus says of a turn."""
        numbers: dict[str, Any] = {
            "lead_id": one.lead_id,
            "cycle": one.cycle,
            "attempt": one.attempt,
        }
        mine = {**numbers, "assignment_id": one.assignment_id}
        self.add("lead.handoff", "lead.assigned", **mine)
        if one.state == "EXPIRED":
            self.add("lead.handoff", "lead.sla_breached", **mine)
        elif one.state in ("ACCEPTED", "REJECTED"):
            self.add("lead.handoff", f"lead.{one.state.lower()}", **mine)
            self.add("lead.feedback", "feedback.recorded", **mine)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One person who posted twice, the second time with a retry."""
    ledger = Ledger(tmp_path)
    first = ledger.submission("ada@torture.example", "k1")
    ledger.taken(first, Taken("L1", "s1", "captured"))
    again = ledger.submission("ada@torture.example", "k2")
    ledger.left_open(again, "ReadTimeout")
    ledger.taken(again, Taken("L1", "s2", "touched"))
    yield ledger
    ledger.close()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def history(log: Log) -> History:
    """Breached by one rep, accepted by the next: everything in order."""
    turns = [turn(1, "ann", 0, 2), turn(2, "bob", 2, None, "ACCEPTED")]
    log.add("lead.captured", "lead.captured", lead_id="L1")
    log.add("lead.captured", "lead.activity_recorded", lead_id="L1", activity_id="s2")
    log.add("lead.qualification", "lead.qualified", lead_id="L1", cycle=1)
    for one in turns:
        log.turn(one)
    return History(
        emails={"ada@torture.example": ["L1"]},
        touches={"L1": 2},
        submissions=[Stored("s1", "L1", "captured", "k1"), Stored("s2", "L1", "touched", "k2")],
        scored={"L1": "MQL"},
        turns=turns,
        stages={"L1": "ACCEPTED"},
        recorded={"a2"},
        log=log.events,
    )


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def test_a_right_history_has_no_findings(ledger: Ledger, history: History) -> None:
    ledger.answered("a2", "accept", None, 200)
    ledger.answered("a1", "accept", None, 409)
    assert check(ledger, history) == []


def test_the_same_event_twice_is_allowed(ledger: Ledger, history: History) -> None:
    history.log.append(history.log[2]._replace(offset=99))
    assert check(ledger, history) == []


def test_events_the_torture_repeats_itself_are_no_effects(ledger: Ledger, history: History) -> None:
    history.log.append(history.log[2]._replace(id="planted", offset=99))
    assert check(ledger, history, {"planted"}) == []
    assert kinds(check(ledger, history)) == {"doubled effect"}


@pytest.mark.parametrize("what", ["emails", "scored", "stages"])
def test_a_lead_lost_anywhere(ledger: Ledger, history: History, what: str) -> None:
    getattr(history, what).clear()
    findings = check(ledger, history)
    assert "lost" in kinds(findings)
    assert "L1" in findings[0].text


@pytest.mark.parametrize("stage", ["INQUIRY", "MQL", "REJECTED"])
def test_a_lead_that_stays_where_nobody_may_stay(
    ledger: Ledger, history: History, stage: str
) -> None:
    history.stages["L1"] = stage
    assert "lost" in kinds(check(ledger, history))


def test_an_mql_routing_never_heard_of(ledger: Ledger, history: History) -> None:
    history.turns.clear()
    assert "lost" in kinds(check(ledger, history))


def test_two_leads_of_one_person(ledger: Ledger, history: History) -> None:
    history.emails["ada@torture.example"].append("L2")
    assert kinds(check(ledger, history)) == {"doubled lead", "lost"}


def test_two_answers_for_one_person(ledger: Ledger, history: History) -> None:
    entry = ledger.submission("ada@torture.example", "k3")
    ledger.taken(entry, Taken("L2", "s3", "captured"))
    assert "doubled lead" in kinds(check(ledger, history))


def test_a_key_with_two_submissions(ledger: Ledger, history: History) -> None:
    history.submissions.append(Stored("s3", "L1", "touched", "k2"))
    history.touches["L1"] = 3
    assert "doubled effect" in kinds(check(ledger, history))


def test_a_key_with_two_answers(ledger: Ledger, history: History) -> None:
    ledger.taken(ledger.submissions[1], Taken("L1", "s3", "touched"))
    assert "doubled effect" in kinds(check(ledger, history))


def test_a_submission_nobody_sent(ledger: Ledger, history: History, log: Log) -> None:
    history.submissions.append(Stored("s3", "L1", "touched", None))
    history.touches["L1"] = 3
    log.add("lead.captured", "lead.activity_recorded", lead_id="L1", activity_id="s3")
    assert kinds(check(ledger, history)) == {"doubled effect"}
    unsure = ledger.submission("ada@torture.example", None)
    ledger.left_open(unsure, "ReadTimeout")
    assert check(ledger, history) == []


def test_a_touch_too_many(ledger: Ledger, history: History) -> None:
    history.touches["L1"] = 3
    assert kinds(check(ledger, history)) == {"doubled effect"}


def test_two_open_owners(ledger: Ledger, history: History, log: Log) -> None:
    history.turns.append(turn(3, "cyd", 3, None, "ASSIGNED"))
    log.turn(history.turns[-1])
    assert "two owners" in kinds(check(ledger, history))


def test_owners_that_overlapped_long_ago(ledger: Ledger, history: History) -> None:
    history.turns[0] = replace(history.turns[0], closed_at=at(2.5))
    assert kinds(check(ledger, history)) == {"two owners"}


def test_an_owner_inside_a_much_earlier_one(ledger: Ledger, history: History, log: Log) -> None:
    history.turns = [turn(1, "ann", 0, 9), turn(2, "bob", 1, 2), turn(3, "cyd", 3, 4)]
    log.turn(history.turns[-1])
    found = [f for f in check(ledger, history) if f.kind == "two owners"]
    assert len(found) == 2


def test_attempts_that_do_not_rise(ledger: Ledger, history: History) -> None:
    history.turns[0] = replace(history.turns[0], attempt=2)
    history.turns[1] = replace(history.turns[1], attempt=1)
    assert "attempts" in kinds(check(ledger, history))


def test_two_accepts_in_one_cycle(ledger: Ledger, history: History) -> None:
    history.turns[0] = replace(history.turns[0], state="ACCEPTED", closed_because="WON")
    assert "two accepts" in kinds(check(ledger, history))


def test_a_confirmed_answer_that_does_not_stand(ledger: Ledger, history: History) -> None:
    ledger.answered("a1", "accept", None, 200)
    assert kinds(check(ledger, history)) == {"lost"}


def test_two_confirmed_answers(ledger: Ledger, history: History) -> None:
    ledger.answered("a2", "accept", None, 200)
    ledger.answered("a2", "reject", "NO_CAPACITY", 200)
    assert kinds(check(ledger, history)) == {"two answers"}


def test_a_confirmed_outcome_that_is_gone(ledger: Ledger, history: History) -> None:
    ledger.outcome("o", "L1", "SQL", 201, "o1")
    assert kinds(check(ledger, history)) == {"lost"}
    history.kept.add("o1")
    assert check(ledger, history) == []
    history.outcomes["o1"] = "L1"
    history.log.append(
        logged("lead.feedback", 0, 50, {"ce_type": "leadloop.outcome.recorded.v1"}, "L1",
               {"outcome_id": "o1"})
    )  # fmt: skip
    assert check(ledger, history) == []


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("lead.qualified", {"lead_id": "L1", "cycle": 1}),
        ("feedback.recorded", {"lead_id": "L1", "assignment_id": "a2"}),
        ("lead.accepted", {"lead_id": "L1", "assignment_id": "a2"}),
        ("lead.captured", {"lead_id": "L1"}),
    ],
)
def test_an_effect_with_two_event_ids(
    ledger: Ledger, history: History, log: Log, kind: str, data: dict[str, object]
) -> None:
    log.add("any", kind, "another", **data)
    assert kinds(check(ledger, history)) == {"doubled effect"}


@pytest.mark.parametrize(
    "kind", ["lead.captured", "lead.assigned", "lead.accepted", "feedback.recorded"]
)
def test_an_effect_that_was_never_published(ledger: Ledger, history: History, kind: str) -> None:
    history.log[:] = [e for e in history.log if e.type != f"leadloop.{kind}.v1"]
    assert kinds(check(ledger, history)) == {"lost"}


def test_an_answer_that_never_became_feedback(ledger: Ledger, history: History) -> None:
    history.recorded.clear()
    assert kinds(check(ledger, history)) == {"lost"}


def test_attempts_out_of_order_on_the_log(ledger: Ledger, history: History) -> None:
    first, last = history.log[3], history.log[-2]
    history.log[3] = first._replace(offset=last.offset)
    history.log[-2] = last._replace(offset=first.offset)
    assert kinds(check(ledger, history)) == {"order"}


def test_services_that_disagree(ledger: Ledger, history: History) -> None:
    history.stages["L1"] = "ASSIGNED"
    assert kinds(check(ledger, history)) == {"stages"}


def test_what_the_watch_and_the_clients_noticed(ledger: Ledger, history: History) -> None:
    history.backwards.append("qualify: lead.captured[0] went from 9 to 3")
    history.dead_letters.append("routing: dead leadloop.lead.qualified.v1 of L1: KeyError")
    ledger.refusal("POST accept", 500, "Something went wrong")
    assert kinds(check(ledger, history)) == {"offset", "dead letter", "refused"}


def handed(ledger: Ledger, **changes: Any) -> None:
    done = Handed("HANDED_OVER", "L1", "bob", "a1", "a2")
    ledger.handing("hand-over", "a1", 200, replace(done, **changes))


def test_a_lead_that_was_handed_over_after_it_was_accepted(
    ledger: Ledger, history: History, log: Log
) -> None:
    history.turns[0] = replace(history.turns[0], state="ACCEPTED", closed_because="HANDED_OVER")
    history.turns[1] = replace(history.turns[1], cause="HANDED_OVER")
    history.log[:] = [e for e in history.log if e.type != "leadloop.lead.sla_breached.v1"]
    history.recorded.add("a1")
    mine = {"lead_id": "L1", "cycle": 1, "attempt": 1, "assignment_id": "a1"}
    log.add("lead.feedback", "feedback.recorded", **mine)
    log.add("lead.other", "lead.accepted", **mine)
    handed(ledger)
    assert check(ledger, history) == []


@pytest.mark.parametrize(
    "changes", [{}, {"after_id": "a3"}, {"before_id": None}, {"rep_id": None, "before_id": None}]
)
def test_a_confirmed_hand_over_that_did_not_happen(
    ledger: Ledger, history: History, changes: dict[str, Any]
) -> None:
    handed(ledger, **changes)
    assert kinds(check(ledger, history)) == {"lost"}


def test_a_confirmed_sight_that_is_not_kept(ledger: Ledger, history: History) -> None:
    ledger.answered("a2", "acknowledge", None, 200)
    assert kinds(check(ledger, history)) == {"lost"}
    history.turns[1] = replace(history.turns[1], acknowledged_at=at(3))
    assert check(ledger, history) == []


@pytest.mark.parametrize("waits", [False, True])
def test_a_lead_that_is_forgotten(ledger: Ledger, history: History, waits: bool) -> None:
    history.turns.pop()
    history.stages["L1"] = "UNROUTED"
    history.unrouted |= {"L1"} if waits else set()
    history.turns.append(replace(turn(1, "bob", 0, None, "ACCEPTED"), lead_id="L2"))
    history.turns[-1].assignment_id = "a2"
    assert "forgotten" in kinds(check(ledger, history))


def test_a_lead_that_everybody_turned_down_may_wait(ledger: Ledger, history: History) -> None:
    down = [replace(turn(n, rep, n, n + 1, "REJECTED"), reason="WRONG_TERRITORY")
            for n, rep in enumerate(("ann", "bob"), 1)]  # fmt: skip
    history.turns[:], history.unrouted = down, {"L1"}
    assert "forgotten" not in kinds(check(ledger, history))


def test_a_miss_that_was_none(ledger: Ledger, history: History, log: Log) -> None:
    log.add("lead.handoff", "lead.sla_breached", lead_id="L1", assignment_id="a2")
    assert kinds(check(ledger, history)) == {"no miss"}


def test_a_deal_goes_on_in_other_hands(ledger: Ledger, history: History) -> None:
    history.turns[0] = replace(history.turns[0], state="ACCEPTED", closed_because="HANDED_OVER")
    history.turns[1] = replace(history.turns[1], state="ASSIGNED", cause="HANDED_OVER")
    history.stages["L1"] = "SQL"
    assert "stages" not in kinds(check(ledger, history))
    history.stages["L1"] = "REJECTED"
    assert "stages" in kinds(check(ledger, history))
