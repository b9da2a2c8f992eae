"""Whom to tell what and when: decided in pure functions, written with what happened."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from hypothesis import given, settings
from sqlalchemy import Connection, func, select
from sqlalchemy import event as sqlalchemy_event

from services.routing.domain.assignment import Assignment, State
from services.routing.domain.calendar import WEEKDAYS, Calendar
from services.routing.domain.channels import Channel, Medium, Tells, When
from services.routing.domain.notices import (
    GIVEN_UP_AFTER,
    Notice,
    NoticeState,
    Told,
    channels_of,
    next_try,
    notice_of,
    overtaken,
)
from services.routing.domain.reps import Leave, Rep, Status
from services.routing.handlers import deadlines
from services.routing.handlers.managing import Mover, move
from services.routing.handlers.telling import choose_channels
from services.routing.handlers.working import Worker, hand_over
from services.routing.store.notices import claim
from services.routing.store.tables import assignments, notices
from shared.access import Role
from shared.runtime.outward import MailServer, Outward
from tests.services.routing.desk import PAST, Desk, mql, open_desk
from tests.services.routing.post import notices_of
from tests.services.routing.test_calendar import MINUTE, calendars, moments, works

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar(BERLIN, {day: [("09:00", "12:00"), ("13:00", "17:00")] for day in WEEKDAYS[:5]})
ALWAYS = Calendar(BERLIN)
SUNDAY = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
ALL = (Tells.NEW_LEAD, Tells.SLA_WARNED, Tells.TAKEN_AWAY, Tells.ESCALATED)
MAIL = Outward(mail=MailServer("127.0.0.1", 1, "leads@acme.example"))
WORKING, DIGEST = When.WORKING_HOURS, When.DIGEST


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def due(when: When, now: datetime, calendar: Calendar = OFFICE) -> datetime | None:
    told = Told("ana", Tells.NEW_LEAD, "lead", "assignment", now)
    notice = notice_of(told, Channel(Medium.MAIL, when=when), calendar, "id", now)
    return None if notice is None else notice.due_at


@pytest.mark.parametrize(
    ("when", "now", "expected"),
    [
        (When.AT_ONCE, "2026-11-29T20:00", "2026-11-29T20:00"),
        (WORKING, "2026-11-29T20:00", "2026-11-30T09:00"),
        (WORKING, "2026-11-30T10:30", "2026-11-30T10:30"),
        (WORKING, "2026-11-30T12:10", "2026-11-30T13:00"),
        (WORKING, "2026-11-27T17:00", "2026-11-30T09:00"),
        (DIGEST, "2026-11-30T08:59", "2026-11-30T09:00"),
        (DIGEST, "2026-11-30T09:00", "2026-12-01T09:00"),
        (DIGEST, "2026-11-30T12:30", "2026-12-01T09:00"),  # the afternoon is no new day
        (DIGEST, "2026-11-27T10:00", "2026-11-30T09:00"),
    ],
)
def test_a_channel_tells_at_its_time(when: When, now: str, expected: str) -> None:
    assert due(when, local(now)) == local(expected)


def test_whoever_is_always_at_work_gets_a_digest_in_the_morning() -> None:
    assert due(DIGEST, local("2026-11-29T20:00"), ALWAYS) == local("2026-11-30T08:00")
    assert due(DIGEST, local("2026-11-29T07:00"), ALWAYS) == local("2026-11-29T08:00")
    away = replace(ALWAYS, leave=(Leave(SUNDAY.date(), SUNDAY.date() + timedelta(days=2)),))
    assert due(DIGEST, local("2026-11-29T07:00"), away) == local("2026-12-02T08:00")


@settings(max_examples=60)
@given(calendars(), moments)
def test_a_day_begins_when_somebody_begins_to_work(calendar: Calendar, moment: datetime) -> None:
    at = calendar.next_day(moment)
    if at is None:
        assert calendar.next_start(moment + timedelta(days=14)) is None
        return
    assert at > moment
    assert works(calendar, at)
    begun = at.astimezone(calendar.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if calendar.hours is not None and begun.utcoffset() == at.astimezone(calendar.zone).utcoffset():
        minutes = int((at - begun.astimezone(UTC)).total_seconds() // 60)
        assert not any(works(calendar, begun + minute * MINUTE) for minute in range(0, minutes, 5))


def test_nobody_waits_for_somebody_who_never_works() -> None:
    never = Calendar(BERLIN, {})
    assert due(WORKING, SUNDAY, never) is None
    assert due(DIGEST, SUNDAY, never) is None
    assert due(When.AT_ONCE, SUNDAY, never) == SUNDAY


def test_a_day_has_one_digest() -> None:
    channel = Channel(Medium.SLACK, when=DIGEST, url="https://hooks.example/x")
    made = {
        notice_of(Told("ana", Tells.NEW_LEAD, lead), channel, OFFICE, lead, SUNDAY)
        for lead in ("a", "b")
    }
    (one,) = made
    assert one is not None
    assert (one.tells, one.notice_id) == (Tells.DIGEST, "digest-ana-slack-20261130T0800")


def rep(**more: object) -> Rep:
    known = {"email": "ana@acme.example", "weight": 1, "capacity": 9, "time_zone": "UTC"}
    fields = {"rep_id": "ana", "name": "Ana", "status": Status.AVAILABLE, "created_at": SUNDAY}
    return Rep(**{**known, **fields, **more})  # type: ignore[arg-type]


def test_by_default_there_is_mail_where_mail_is_set_up() -> None:
    assert [one.medium for one in channels_of(rep(), mail=True)] == [Medium.MAIL]
    assert channels_of(rep(), mail=False) == ()
    assert channels_of(rep(email=None), mail=True) == ()
    assert channels_of(rep(channels=()), mail=True) == ()
    ended = Channel(Medium.SLACK, url="https://hooks.example/x", ended="gone")
    assert channels_of(rep(channels=(ended,)), mail=True) == ()


def test_tries_go_on_for_a_day_ever_more_slowly_and_not_all_at_once() -> None:
    notice = Notice("n", "ana", Medium.MAIL, Tells.TEST, "mail", NoticeState.WAITING, *[SUNDAY] * 3)
    now, waits = SUNDAY, []
    for tries in range(1, 200):
        after = next_try(replace(notice, tries=tries), now, 0.0)
        if after is None:
            break
        waits.append((after - now).total_seconds())
        now = after
    assert waits[:4] == [15, 30, 60, 120]
    assert max(waits) == waits[-1] == 1800
    assert timedelta(hours=23) < now - SUNDAY <= GIVEN_UP_AFTER
    assert len(waits) < 60
    spread = {next_try(replace(notice, tries=3), SUNDAY, jitter) for jitter in (0.0, 0.5, 1.0)}
    assert {(at - SUNDAY).total_seconds() for at in spread if at} == {60, 45, 30}
    asked = next_try(replace(notice, tries=1), SUNDAY, 0.0, asked=90.0)
    assert asked == SUNDAY + timedelta(seconds=90)


def attempt(state: State, closed: bool = False) -> Assignment:
    closed_at = SUNDAY if closed else None
    return Assignment(
        "assignment", "lead", 1, "ana", 1, state, 1, 1, *[SUNDAY] * 3, closed_at=closed_at
    )


@pytest.mark.parametrize(
    ("tells", "state", "closed", "held", "told"),
    [
        (Tells.NEW_LEAD, State.ASSIGNED, False, True, True),
        (Tells.NEW_LEAD, State.EXPIRED, True, True, False),
        (Tells.NEW_LEAD, State.EXPIRED, True, False, True),  # late, but told
        (Tells.NEW_LEAD, State.ACKNOWLEDGED, False, False, False),
        (Tells.SLA_WARNED, State.ACKNOWLEDGED, False, False, True),
        (Tells.SLA_WARNED, State.EXPIRED, True, False, False),
        (Tells.NEW_LEAD, State.REJECTED, True, False, False),
        (Tells.TAKEN_AWAY, State.EXPIRED, True, True, True),
    ],
)
def test_what_has_been_overtaken_is_not_told(
    tells: Tells, state: State, closed: bool, held: bool, told: bool
) -> None:
    due_at = SUNDAY + timedelta(hours=held)
    waiting = NoticeState.WAITING
    notice = Notice("n", "ana", Medium.MAIL, tells, "mail", waiting, SUNDAY, due_at, due_at)
    assert (overtaken(notice, attempt(state, closed)) is None) is told


@pytest_asyncio.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, tmp_path, MAIL) as made:
        yield made


async def tell(desk: Desk, rep_id: str, *channels: Channel) -> None:
    """Have a rep told so."""
    await desk.transactions.run(
        lambda unit: choose_channels(unit, rep_id, channels, "whsec_" + "A" * 32)
    )


HOOK = Channel(Medium.WEBHOOK, ALL, When.AT_ONCE, "https://hooks.example/x")


async def test_what_happens_is_told_in_the_same_transaction(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9), ("maria", 0, 0))
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/teams", json={"name": "Iberia", "manager_id": "maria"})
    for rep_id in ("ana", "ben"):
        await admin.patch(f"/routing/v1/reps/{rep_id}", json={"team_id": "iberia"})
    await desk.set_policy(max_attempts=2)
    for rep_id in ("ana", "ben", "maria"):
        await tell(desk, rep_id, HOOK)
    lead = mql()
    await desk.happen(lead)
    first = (await desk.open_rows())[0].rep_id
    second = ({"ana", "ben"} - {first}).pop()
    await desk.db.write(lambda conn: conn.execute(assignments.update().values(warn_at=PAST)))
    await desk.transactions.run(deadlines.warn)
    await desk.run_out()
    await desk.expire()
    await desk.run_out()
    await desk.expire()
    told = [(one.rep_id, one.tells) for one in await notices_of(desk)]
    assert sorted(told) == sorted(
        [
            (first, "new_lead"),
            (first, "sla_warned"),
            (first, "taken_away"),
            (second, "new_lead"),
            (second, "taken_away"),
            ("maria", "escalated"),
        ]
    )
    assert {one.lead_id for one in await notices_of(desk)} == {lead.lead_id}


async def test_who_loses_a_lead_is_told_unless_they_gave_it_away(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 0, 9), ("cleo", 0, 9))
    for rep_id in ("ana", "ben", "cleo"):
        await tell(desk, rep_id, HOOK)
    lead = mql()
    await desk.happen(lead)
    given = (await desk.open_rows())[0].assignment_id
    await desk.transactions.run(lambda unit: hand_over(unit, given, "ben", Worker("key", "ana")))
    await desk.transactions.run(lambda unit: move(unit, [lead.lead_id], "cleo", Mover("key")))
    told = [(one.rep_id, one.tells) for one in await notices_of(desk)]
    assert sorted(told) == [
        ("ana", "new_lead"),
        ("ben", "new_lead"),
        ("ben", "taken_away"),
        ("cleo", "new_lead"),
    ]


async def test_a_lead_that_is_not_given_is_not_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.add_reps(("ana", 1, 9))
    await tell(desk, "ana", HOOK)
    told: list[int] = []

    def fail(conn: Connection, *_: object) -> None:
        told.append(conn.execute(select(func.count()).select_from(notices)).scalar_one())
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("shared.runtime.unit.outbox.add", fail)
        with pytest.raises(RuntimeError):
            await desk.happen(mql())
    assert told == [1]  # written, but not committed
    assert await desk.open_rows() == []
    assert await notices_of(desk) == []


async def test_a_batch_costs_one_statement_more_and_nobody_told_costs_none(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 10_000), ("ben", 1, 10_000))
    engine = desk.db._writer

    async def statements(leads: int) -> int:
        seen: list[str] = []

        def hear(conn: object, cursor: object, sql: str, *_: object) -> None:
            seen.append(sql)

        sqlalchemy_event.listen(engine, "before_cursor_execute", hear)
        await desk.happen(*[mql() for _ in range(leads)])
        sqlalchemy_event.remove(engine, "before_cursor_execute", hear)
        return len(seen)

    without = await statements(50)
    assert await notices_of(desk) == []
    for rep_id in ("ana", "ben"):
        await tell(desk, rep_id, HOOK)
    await statements(1)
    assert await statements(50) == without + 1
    assert len(await notices_of(desk)) == 51


async def test_a_digest_is_one_row_however_many_leads_there_are(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 100))
    await tell(desk, "ana", replace(HOOK, when=DIGEST))
    for _ in range(3):
        await desk.happen(*[mql() for _ in range(5)])
    (only,) = await notices_of(desk)
    assert (only.tells, only.state) == ("digest", "waiting")
    assert only.due_at > datetime.now(UTC)


async def test_of_what_is_due_each_destination_gets_its_share(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 100), ("ben", 1, 100))
    await tell(desk, "ana", HOOK)
    await tell(desk, "ben", replace(HOOK, url="https://other.example/x"))
    await desk.happen(*[mql() for _ in range(40)])
    now = datetime.now(UTC) + timedelta(seconds=1)

    async def take(busy: list[str], limit: int = 64) -> list[str]:
        taken = await desk.db.write(lambda conn: claim(conn, now, busy, 4, limit))
        assert all(one.tries == 1 for one in taken)
        return sorted(one.destination for one in taken)

    assert await take([]) == ["hooks.example"] * 4 + ["other.example"] * 4
    assert await take(["hooks.example"]) == ["other.example"] * 4
    assert await take(["hooks.example", "other.example"]) == []
    assert len(await take([], limit=3)) == 3
    tried = select(func.count()).where(notices.c.tries == 1)
    assert (await desk.rows(tried))[0][0] == 15
