"""Loops and timers outlive what goes wrong, say what it is, and stop promptly."""

import asyncio
from typing import Any

import pytest

from shared.bus.api import BusUnavailable, MissingTopics
from shared.runtime.parts import Alarm, Loop, NotYet, Timer, describe
from tests.shared.toy.waiting import until


class Work(Loop):
    """Fails with each of the errors in turn, then works."""

    def __init__(self, *errors: BaseException, fatal: Any = ()) -> None:
        super().__init__("toy.work", fatal=fatal)
        self.errors = list(errors)
        self.done = 0
        self.closed = 0

    async def step(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.done += 1
        await self.pause(0.01)

    async def close(self) -> None:
        self.closed += 1


async def test_a_failing_step_is_tried_again_and_readiness_says_why() -> None:
    work = Work(BusUnavailable("kafka:9092 refused"), ValueError("jane.roe@example.com"))
    assert await work.check() == "toy.work: not started"
    await work.start()
    await until(lambda: len(work.errors) == 1)
    assert await work.check() == "toy.work: broker unavailable: kafka:9092 refused"
    await until(lambda: not work.errors)
    assert await work.check() == "toy.work: ValueError"

    async def well() -> bool:
        return await work.check() is None

    await until(well)
    assert work.done
    await work.stop()
    assert work.closed == 1


async def test_what_must_come_first_is_named() -> None:
    assert describe(NotYet("9 dead letters: replay them")) == "9 dead letters: replay them"
    assert describe(TimeoutError("jane")) == "database unavailable (TimeoutError)"


async def test_stopping_does_not_wait_for_the_next_try() -> None:
    """Five seconds would pass between tries by now."""
    work = Work(*(TimeoutError() for _ in range(50)))
    await work.start()
    await until(lambda: len(work.errors) < 48)
    async with asyncio.timeout(1):
        await work.stop()


async def test_something_fatal_ends_it_and_hinders_no_other_from_stopping() -> None:
    work = Work(MissingTopics(["leadloop.lead.captured"]), fatal=(MissingTopics,))
    await work.start()
    await until(lambda: work.task is not None and work.task.done())
    assert work.task is not None
    assert isinstance(work.task.exception(), MissingTopics)
    assert await work.check() == "toy.work: ended"
    await work.stop()
    assert work.closed == 1


async def test_a_cancellation_that_nobody_asked_for_ends_no_loop() -> None:
    """A library that awaits what it cancelled itself raises CancelledError too."""
    work = Work(asyncio.CancelledError())
    await work.start()
    await until(lambda: work.done > 1)
    assert await work.check() is None
    await work.stop()


async def test_no_loop_ends_without_a_word() -> None:
    work = Work()
    await work.start()
    await until(lambda: work.done)
    assert work.task is not None
    work.task.cancel()
    await until(lambda: work.task is not None and work.task.done())
    assert await work.check() == "toy.work: ended"
    await work.stop()
    assert work.closed == 1


async def test_a_timer_goes_on_at_once_while_there_is_more() -> None:
    left = [3, 2, 1, 0, 0]
    ran: list[int] = []

    async def run() -> int:
        ran.append(left[0])
        return left.pop(0)

    timer = Timer("toy.timer", every=3600, run=run)
    await timer.start()
    await until(lambda: ran == [3, 2, 1, 0])
    assert await timer.check() is None
    timer.soon()
    await until(lambda: ran == [3, 2, 1, 0, 0])
    async with asyncio.timeout(1):
        await timer.stop()


async def test_a_timer_outlives_its_errors() -> None:
    errors = [TimeoutError(), KeyError("x")]
    ran: list[int] = []

    async def run() -> int:
        if errors:
            raise errors.pop(0)
        ran.append(1)
        return 0

    timer = Timer("toy.timer", every=0.01, run=run)
    await timer.start()
    await until(lambda: len(ran) > 2)
    assert await timer.check() is None
    await timer.stop()


async def test_a_timer_asked_while_it_runs_runs_once_more() -> None:
    ran: list[int] = []
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def run() -> int:
        ran.append(1)
        inside.set()
        await go_on.wait()
        return 0

    timer = Timer("toy.timer", every=3600, run=run)
    await timer.start()
    await asyncio.wait_for(inside.wait(), 10)
    timer.soon()
    go_on.set()
    await until(lambda: len(ran) == 2)
    await timer.stop()


@pytest.mark.parametrize("every", [0.01, 3600])
async def test_a_stopped_timer_runs_no_more(every: float) -> None:
    ran: list[int] = []

    async def run() -> int:
        ran.append(1)
        return 0

    timer = Timer("toy.timer", every=every, run=run)
    await timer.start()
    await until(lambda: ran)
    await timer.stop()
    count = len(ran)
    await asyncio.sleep(0)
    assert len(ran) == count


class Looks:
    """What an alarm looks for: notes when it was called, and says what it was told to say."""

    def __init__(self, *answers: float | None) -> None:
        self.answers = list(answers)
        self.at: list[float] = []
        self.during: list[Any] = []

    async def __call__(self) -> float | None:
        self.at.append(asyncio.get_running_loop().time())
        for call in self.during:
            call()
        self.during.clear()
        return self.answers.pop(0) if self.answers else None


async def test_an_alarm_sleeps_until_something_is_due() -> None:
    look = Looks(0.0, 0.2)
    alarm = Alarm("toy.alarm", look=look, at_most=3600)
    await alarm.start()
    await until(lambda: len(look.at) == 3)
    assert look.at[1] - look.at[0] < 0.15
    assert 0.19 < look.at[2] - look.at[1] < 0.5
    await asyncio.sleep(0.3)
    assert len(look.at) == 3, "it knows of nothing: it sleeps"
    async with asyncio.timeout(1):
        await alarm.stop()


async def test_an_alarm_is_woken_for_what_comes_earlier_only() -> None:
    look = Looks(0.6)
    alarm = Alarm("toy.alarm", look=look, at_most=3600)
    await alarm.start()
    await until(lambda: len(look.at) == 1)
    await asyncio.sleep(0.05)
    alarm.soon(30)
    await asyncio.sleep(0.2)
    assert len(look.at) == 1
    alarm.soon()
    await until(lambda: len(look.at) == 2)
    assert look.at[1] - look.at[0] < 0.5
    await alarm.stop()


async def test_an_alarm_hears_who_calls_while_it_looks() -> None:
    look = Looks(None, None)
    alarm = Alarm("toy.alarm", look=look, at_most=3600)
    look.during.append(lambda: alarm.soon(0.2))
    await alarm.start()
    await until(lambda: len(look.at) == 2)
    assert 0.19 < look.at[1] - look.at[0] < 0.5
    await alarm.stop()


async def test_an_alarm_looks_at_least_so_often() -> None:
    look = Looks(3600, 3600)
    alarm = Alarm("toy.alarm", look=look, at_most=0.1)
    await alarm.start()
    await until(lambda: len(look.at) >= 3)
    await alarm.stop()
