"""Reps and teams: hours, leave, limits and status, and what they mean for who gets a lead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.routing.domain.assignment import State
from services.routing.domain.reps import Leave, Status, Team, readable_id
from services.routing.handlers import deadlines, setting_up
from services.routing.store.unit import Routing
from shared.access import Role
from shared.contracts.events import (
    LeadEscalated,
    LeadReassigned,
    LeadUnrouted,
    SlaBreached,
    SlaWarned,
)
from shared.contracts.vocabulary import RejectReason
from tests.services.routing.desk import Desk, mql
from tests.services.routing.test_handlers import NOON, happen, owner, rep, told, unit_of

OFFICE = {day: [("09:00", "17:00")] for day in ("mon", "tue", "wed", "thu", "fri")}
NIGHT = NOON.replace(hour=23)  # Monday 2 March 2026, UTC


def hours(*periods: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    return {day: list(periods) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def at(unit: Routing, moment: datetime) -> Routing:
    """The next transaction, at this moment, on the rows that this one leaves."""
    unit.write()
    later = Routing(moment)
    for mine, theirs in zip(later._rows, unit._rows, strict=True):
        mine.hold(list(theirs))
    return later


def test_at_night_a_lead_waits_for_whoever_starts_first() -> None:
    unit = unit_of(rep("ana", hours=OFFICE), rep("ben", hours=hours(("07:00", "15:00"))))
    unit.now = NIGHT
    lead = mql()
    happen(unit, lead)
    (nobody,) = (one.data for one in unit.events)
    assert isinstance(nobody, LeadUnrouted)
    assert nobody.reason == "OFF_WORK"
    waiting = unit.leads.get(lead.lead_id)
    assert waiting is not None
    assert waiting.retry_at == datetime(2026, 3, 3, 7, tzinfo=UTC)
    morning = at(unit, waiting.retry_at)
    assert deadlines.sweep_unrouted(morning) == 1
    assert owner(morning, lead.lead_id).rep_id == "ben"


def test_who_is_at_work_gets_it_though_somebody_asleep_is_due() -> None:
    asleep = rep("ana", hours=OFFICE, calibration=-50.0)
    unit = unit_of(asleep, rep("ben"))
    unit.now = NIGHT
    lead = mql()
    happen(unit, lead)
    assert owner(unit, lead.lead_id).rep_id == "ben"
    (decision,) = unit.decisions
    ana = next(one for one in decision.candidates if one.rep_id == "ana")
    assert ana.why == "not at work until Tue 3 Mar 09:00 (UTC)"


def test_nobody_comes_to_work_to_find_a_flood() -> None:
    unit = unit_of(rep("ana", 999, hours=OFFICE), rep("ben", 999), rep("chloe", 999))
    unit.now = NIGHT
    happen(unit, *(mql() for _ in range(60)))
    morning = at(unit, NIGHT + timedelta(hours=11))
    happen(morning, *(mql() for _ in range(9)))
    got = [one.rep_id for one in morning.assignments if one.assigned_at == morning.now]
    assert 2 <= got.count("ana") <= 4


def test_who_is_changed_at_night_keeps_what_they_missed() -> None:
    unit = unit_of(rep("ana", 999, hours=OFFICE), rep("ben", 999), rep("chloe", 999))
    unit.now = NIGHT
    happen(unit, *(mql() for _ in range(60)))
    setting_up.change_rep(unit, "ana", {"capacity": 99})
    happen(unit, *(mql() for _ in range(6)))
    later = at(unit, NIGHT)
    ana = later.reps.get("ana")
    assert ana is not None
    assert (ana.capacity, round(ana.calibration, 6)) == (99, 33.0)


def test_the_clock_stands_still_at_night() -> None:
    unit = unit_of(rep("ana", hours=OFFICE), sla_minutes=60, accept_minutes=120)
    unit.now = NOON.replace(hour=16, minute=30)
    lead = mql()
    happen(unit, lead)
    given = owner(unit, lead.lead_id)
    assert given.due_at == datetime(2026, 3, 3, 9, 30, tzinfo=UTC)
    assert given.warn_at == datetime(2026, 3, 3, 9, 15, tzinfo=UTC)


def test_leads_of_a_grade_have_times_of_their_own() -> None:
    fast = {"grade": "A", "sla_minutes": 5, "accept_minutes": 10}
    unit = unit_of(rep("ana"), sla_by_grade=[fast])
    lead = mql()
    happen(unit, lead)
    assert owner(unit, lead.lead_id).due_at == NOON + timedelta(minutes=5)


def test_a_rep_is_warned_once_before_each_deadline() -> None:
    unit = unit_of(rep("ana"), sla_minutes=60, warn_at=0.5)
    happen(unit, mql())
    assert deadlines.warn(unit) == 0
    soon = at(unit, NOON + timedelta(minutes=31))
    assert deadlines.warn(soon) == 1
    assert deadlines.warn(soon) == 0
    (warned,) = (one.data for one in soon.events)
    assert isinstance(warned, SlaWarned)
    late = at(soon, NOON + timedelta(minutes=61))
    assert deadlines.warn(late) == 0
    assert deadlines.expire_overdue(late) == 1


def test_the_manager_hears_of_a_round_that_is_over_once() -> None:
    unit = unit_of(rep("ana", team_id="dach"), max_attempts=1)
    unit.teams.hold([Team("dach", "DACH", "maria", NOON)])
    happen(unit, mql())
    unit.now += timedelta(days=1)
    deadlines.expire_overdue(unit)
    (escalated,) = (one.data for one in unit.events if isinstance(one.data, LeadEscalated))
    assert (escalated.team_id, escalated.manager_id) == ("dach", "maria")
    silent = unit_of(rep("ana"), max_attempts=1, escalate=False)
    happen(silent, mql())
    silent.now += timedelta(days=1)
    deadlines.expire_overdue(silent)
    assert told(silent) == ["LeadAssigned", "SlaBreached", "LeadUnrouted"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.PAUSED},
        {"status": Status.GONE},
        {"leave": (Leave(NOON.date(), NOON.date() + timedelta(days=3)),)},
    ],
)
def test_what_waits_for_somebody_who_is_away_moves(change: dict[str, Any]) -> None:
    unit = unit_of(rep("ana"), rep("ben", 0), max_attempts=1)
    lead = mql()
    happen(unit, lead)
    setting_up.change_rep(unit, "ben", {"capacity": 5})
    setting_up.change_rep(unit, "ana", change)
    now = owner(unit, lead.lead_id)
    assert (now.rep_id, now.attempt, now.cause) == ("ben", 2, "AWAY")
    moved = unit.events[-1].data
    assert isinstance(moved, LeadReassigned)
    assert (moved.previous_rep_id, moved.cause) == ("ana", "AWAY")
    assert not any(isinstance(one.data, SlaBreached) for one in unit.events)
    unit.now += timedelta(days=1)  # what ana could not help was no attempt of the one there may be
    deadlines.expire_overdue(unit)
    assert isinstance(unit.events[-1].data, LeadUnrouted)


def test_what_somebody_works_on_moves_only_when_they_are_gone() -> None:
    for status, stays in ((Status.PAUSED, True), (Status.GONE, False)):
        unit = unit_of(rep("ana"), rep("ben", 0))
        lead = mql()
        happen(unit, lead)
        mine = owner(unit, lead.lead_id)
        unit.assignments.put(
            type(mine)(**{**_fields(mine), "state": State.ACCEPTED, "answered_at": NOON})
        )
        setting_up.change_rep(unit, "ben", {"capacity": 5})
        setting_up.change_rep(unit, "ana", {"status": status})
        assert (owner(unit, lead.lead_id).rep_id == "ana") is stays


def _fields(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def test_limits_of_what_is_open_and_of_what_is_new() -> None:
    unit = unit_of(
        rep("ana", open_limit=2),
        rep("ben", window_limit=1, window_hours=24),
        rep("chloe", 1),
    )
    happen(unit, *(mql() for _ in range(6)))
    given = sorted(one.rep_id for one in unit.assignments)
    assert given == ["ana", "ana", "ben", "chloe"]
    tomorrow = at(unit, NOON + timedelta(hours=25))
    happen(tomorrow, mql())
    assert sorted(one.rep_id for one in tomorrow.assignments).count("ben") == 2


def test_a_procedural_rejection_gives_the_turn_back() -> None:
    from services.routing.handlers import answers

    unit = unit_of(rep("ana"), rep("ben"))
    lead = mql()
    happen(unit, lead)
    first = owner(unit, lead.lead_id)
    answers.reject(unit, answers.Answer(first.assignment_id), RejectReason.WRONG_TERRITORY, None)
    given = {one.rep_id: one.assigned for one in unit.reps}
    assert given[first.rep_id] == 0
    assert sum(given.values()) == 1


def test_ids_are_readable() -> None:
    assert readable_id("Ana Almeida", (), "rep-") == "rep-ana-almeida"
    assert readable_id("Zoë Müller", {"rep-zoe-muller"}, "rep-") == "rep-zoe-muller-2"
    assert readable_id("李雷", ()) is None


WHOLE = {
    "name": "Ana Almeida",
    "email": "ana@reps.example",
    "weight": 2,
    "capacity": 5,
    "status": "available",
    "time_zone": "Europe/Lisbon",
    "open_limit": 40,
    "window_limit": 10,
    "window_hours": 24,
    "skills": ["enterprise"],
    "languages": ["pt", "en"],
    "territories": ["PT", "ES"],
    "hours": {"mon": [["09:00", "12:00"], ["13:00", "18:00"]], "tue": []},
    "holidays": "PT",
    "leave": [{"first": "2026-12-24", "last": "2027-01-02", "note": "Christmas"}],
}


async def test_a_rep_is_kept_whole_and_teams_hold_them_together(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    boss = (await admin.post("/routing/v1/reps", json={"name": "Maria", "weight": 0})).json()
    team = await admin.post(
        "/routing/v1/teams", json={"name": "DACH & Iberia", "manager_id": boss["rep_id"]}
    )
    assert (team.status_code, team.json()["team_id"]) == (201, "dach-iberia")
    made = await admin.post("/routing/v1/reps", json={**WHOLE, "team_id": "dach-iberia"})
    assert made.status_code == 201, made.text
    kept = {**WHOLE, "rep_id": "rep-ana-almeida", "active": True, "team_id": "dach-iberia"}
    assert made.json() == {**kept, "warnings": []}
    await admin.post("/routing/v1/reps", json={"name": "Somebody Else"})
    changed = await admin.patch("/routing/v1/reps/rep-ana-almeida", json={"hours": None})
    assert changed.json() == {**kept, "hours": None, "warnings": []}
    manager = await desk.client(Role.MANAGER, boss["rep_id"])
    seen = (await manager.get("/routing/v1/reps")).json()["items"]
    assert {one["rep_id"] for one in seen} == {"rep-ana-almeida", "rep-maria"}
    assert (await admin.delete("/routing/v1/teams/dach-iberia")).status_code == 409
    await admin.patch("/routing/v1/reps/rep-ana-almeida", json={"team_id": None})
    assert (await admin.delete("/routing/v1/teams/dach-iberia")).status_code == 204
    assert (await admin.get("/routing/v1/teams")).json()["items"] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time_zone": "Europe/Berlinn"}, "/time_zone"),
        ({"hours": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}}, "/hours/mon/1"),
        ({"hours": {"mon": [["18:00", "09:00"]]}}, "/hours/mon/0"),
        ({"hours": {"mon": [["9", "17"]]}}, "/hours/mon/0"),
        ({"hours": {"monday": []}}, "/hours/monday/[key]"),
        ({"holidays": "XX"}, "/holidays"),
        ({"leave": [{"first": "2026-02-02", "last": "2026-02-01"}]}, "/leave/0/last"),
        ({"window_limit": 3}, "/window_hours"),
        ({"weight": -1}, "/weight"),
        ({"team_id": "nowhere"}, "/team_id"),
        ({"languages": ["english"]}, "/languages/0"),
    ],
)
async def test_what_can_not_be_true_of_a_rep_is_refused(
    desk: Desk, change: dict[str, Any], pointer: str
) -> None:
    admin = await desk.client(Role.ADMIN)
    answer = await admin.post("/routing/v1/reps", json={"name": "Ana", **change})
    assert answer.status_code == 422, answer.text
    pointers = [one["pointer"] for one in answer.json()["errors"]]
    assert pointers[0] == pointer.removesuffix("/[key]") or pointers[0] == pointer
    assert (await admin.get("/routing/v1/reps")).json()["items"] == []


async def test_deadlines_hours_and_leave_hold_on_each_database(desk: Desk) -> None:
    """The same rows through the real statements: limits, working time, moving."""
    admin = await desk.client(Role.ADMIN)
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    for rep_id, change in (
        ("ana", {"open_limit": 3}),
        ("ben", {"window_limit": 1, "window_hours": 24}),
    ):
        assert (await admin.patch(f"/routing/v1/reps/{rep_id}", json=change)).is_success
    await desk.happen(*(mql() for _ in range(6)))
    given = [row.rep_id for row in await desk.open_rows()]
    assert sorted(given) == ["ana", "ana", "ana", "ben"]
    closed = {day: [] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    await admin.patch("/routing/v1/reps/ben", json={"window_limit": None, "window_hours": None})
    assert await desk.sweep() == 2
    away = await admin.patch("/routing/v1/reps/ana", json={"status": "gone"})
    assert away.json()["active"] is False
    assert {row.rep_id for row in await desk.open_rows()} == {"ben"}
    await admin.patch("/routing/v1/reps/ben", json={"hours": closed})
    await desk.happen(late := mql())
    assert (await desk.lead(late.lead_id)).unrouted_reason == "OFF_WORK"
