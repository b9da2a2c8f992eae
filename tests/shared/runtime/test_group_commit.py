"""The group-commit writer: nothing handed in is lost, nothing good suffers from something bad."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from shared.runtime.group_commit import GroupCommit, Overloaded


class Ledger:
    """Commits to memory; a held gate keeps a commit from ending."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def committed(self) -> list[int]:
        return [item for batch in self.batches for item in batch]

    async def commit(self, items: Sequence[int]) -> list[int | Exception]:
        await self.gate.wait()
        if any(item < 0 for item in items):
            raise ZeroDivisionError
        self.batches.append(list(items))
        return [item * 10 if item != 13 else LookupError("13") for item in items]


async def test_answers_come_in_the_order_of_the_items() -> None:
    ledger = Ledger()
    writer = GroupCommit("test", ledger.commit)
    await writer.start()
    answers = await asyncio.gather(*(writer.submit(n) for n in range(1, 10)))
    await writer.stop()
    assert answers == [n * 10 for n in range(1, 10)]
    assert ledger.committed == list(range(1, 10))


async def test_what_gathers_during_a_commit_goes_together_up_to_the_limit() -> None:
    ledger = Ledger()
    writer = GroupCommit("test", ledger.commit, max_batch=4)
    await writer.start()
    ledger.gate.clear()
    first = writer.submit(1)
    while writer.waiting:
        await asyncio.sleep(0)
    rest = [writer.submit(n) for n in range(2, 8)]
    ledger.gate.set()
    await asyncio.gather(first, *rest)
    await writer.stop()
    assert ledger.batches == [[1], [2, 3, 4, 5], [6, 7]]


async def test_a_caller_that_goes_away_takes_nothing_back() -> None:
    ledger = Ledger()
    writer = GroupCommit("test", ledger.commit)
    await writer.start()
    ledger.gate.clear()

    async def request() -> int:
        return await writer.submit(7)

    task = asyncio.create_task(request())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ledger.gate.set()
    assert await writer.submit(8) == 80
    await writer.stop()
    assert ledger.committed == [7, 8]


async def test_an_item_that_breaks_the_batch_fails_alone() -> None:
    ledger = Ledger()
    writer = GroupCommit("test", ledger.commit)
    await writer.start()
    answers = await asyncio.gather(*(writer.submit(n) for n in (1, -1, 2)), return_exceptions=True)
    await writer.stop()
    assert answers[0] == 10
    assert isinstance(answers[1], ZeroDivisionError)
    assert answers[2] == 20


async def test_an_answer_can_be_an_error_of_that_item() -> None:
    ledger = Ledger()
    writer = GroupCommit("test", ledger.commit)
    await writer.start()
    with pytest.raises(LookupError):
        await writer.submit(13)
    await writer.stop()
    assert ledger.committed == [13]


async def test_a_database_that_is_away_is_not_asked_again_for_each_item() -> None:
    calls = 0

    async def away(items: Sequence[int]) -> list[int | Exception]:
        nonlocal calls
        calls += 1
        raise OperationalError("INSERT", None, Exception("gone"))

    writer = GroupCommit("test", away)
    await writer.start()
    answers = await asyncio.gather(*(writer.submit(n) for n in range(5)), return_exceptions=True)
    await writer.stop()
    assert calls == 1
    assert all(isinstance(answer, OperationalError) for answer in answers)


async def test_a_full_queue_refuses_and_says_so() -> None:
    ledger = Ledger()
    writer = GroupCommit("test", ledger.commit, max_batch=1, max_queue=2)
    await writer.start()
    ledger.gate.clear()
    first = writer.submit(1)
    while writer.waiting:
        await asyncio.sleep(0)
    waiting = [writer.submit(2), writer.submit(3)]
    with pytest.raises(Overloaded):
        writer.submit(4)
    assert await writer.check() == "test: full"
    ledger.gate.set()
    await asyncio.gather(first, *waiting)
    assert await writer.check() is None
    await writer.stop()
    assert ledger.committed == [1, 2, 3]


async def test_stopping_commits_what_waits_and_takes_no_more() -> None:
    ledger = Ledger()
    writer = GroupCommit("test", ledger.commit, max_batch=2)
    await writer.start()
    answers = [writer.submit(n) for n in range(1, 6)]
    stopping = asyncio.create_task(writer.stop())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        writer.submit(6)
    await stopping
    assert [answer.result() for answer in answers] == [10, 20, 30, 40, 50]
    with pytest.raises(Overloaded):
        writer.submit(7)


async def test_a_stray_cancellation_fails_its_batch_and_not_the_writer() -> None:
    """A library that awaits what it cancelled itself raises CancelledError too."""
    ledger, strays = Ledger(), 1

    async def commit(items: Sequence[int]) -> list[int | Exception]:
        nonlocal strays
        if strays:
            strays -= 1
            raise asyncio.CancelledError
        return await ledger.commit(items)

    writer = GroupCommit("test", commit)
    await writer.start()
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError, match="inside a library"):
            await writer.submit(1)
        assert await writer.submit(2) == 20
        assert await writer.check() is None
        await writer.stop()


async def check_that_an_answer_means_committed(kind: type[GroupCommit[int, int]]) -> None:
    """Whoever has an answer may rely on it: it is in the ledger by then."""
    ledger = Ledger()
    writer = kind("test", ledger.commit, max_batch=4)
    await writer.start()

    async def ask(number: int) -> None:
        assert await writer.submit(number) == number * 10
        assert number in ledger.committed

    try:
        ledger.gate.clear()
        asking = [asyncio.create_task(ask(number)) for number in range(1, 10)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(task.done() for task in asking), "an answer while the commit was held"
        ledger.gate.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*asking)
    finally:
        ledger.gate.set()
        await writer.stop()


async def test_an_answer_means_committed() -> None:
    await check_that_an_answer_means_committed(GroupCommit)


async def test_the_check_notices_a_writer_that_answers_first() -> None:
    class Eager(GroupCommit[int, int]):
        async def _settle(self, batch: Any) -> None:
            for item, answer in batch:
                answer.set_result(item * 10)
            await super()._settle(batch)

    with pytest.raises(AssertionError):
        await check_that_an_answer_means_committed(Eager)


async def test_it_is_needed_to_answer_requests() -> None:
    """Readiness counts it, not only the loop's health."""
    assert GroupCommit("test", Ledger().commit).serves
