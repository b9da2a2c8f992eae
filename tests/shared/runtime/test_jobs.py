"""Jobs in real processes of their own: answered, bounded, ended."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from shared.runtime.jobs import JobBusy, JobFailed, Jobs, run_job

CHILD = "tests.shared.runtime.jobs_tried"
SECRET = "lead-secret-4711"


async def pid_in(file: Path) -> int:
    """The child that wrote its id here, once it has."""
    async with asyncio.timeout(20):
        while not (file.exists() and file.read_text()):
            await asyncio.sleep(0.02)
    return int(file.read_text())


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_job_is_a_nice_process_with_one_thread_and_no_secrets_in_its_arguments():
    echo = {"url": SECRET, "text": "ä" * 300_000}
    answer = await run_job(CHILD, {"do": "tell", "echo": echo}, timeout=30)
    assert answer["pid"] != os.getpid()
    assert answer["nice"] >= 10
    assert answer["threads"] == "1"
    assert SECRET not in answer["arguments"]
    assert answer["echo"] == echo


@pytest.mark.parametrize("do", ["fail", "shout"])
async def test_a_job_that_fails_says_so_and_quotes_nothing(do, caplog):
    with pytest.raises(JobFailed) as caught:
        await run_job(CHILD, {"do": do, "secret": SECRET}, timeout=30)
    assert caught.value.status == 500
    (record,) = [one for one in caplog.records if one.name == "shared.runtime.jobs"]
    assert SECRET not in record.getMessage() + record.stderr
    assert "jobs_tried.py" in record.stderr or do == "shout"


async def test_a_module_that_is_not_there_fails_in_words(caplog):
    with pytest.raises(JobFailed):
        await run_job("tests.shared.runtime.nothing", {}, timeout=30)
    assert "No module named" in caplog.records[-1].stderr


async def test_a_job_that_takes_too_long_is_ended(tmp_path):
    file = tmp_path / "pid"
    with pytest.raises(JobFailed) as caught:
        await run_job(CHILD, {"do": "sleep", "file": str(file)}, timeout=2)
    assert caught.value.status == 503
    assert "2 seconds" in caught.value.detail
    assert gone(await pid_in(file))


async def test_a_job_that_nobody_waits_for_is_ended(tmp_path):
    jobs, file = Jobs("jobs"), tmp_path / "pid"
    asking = asyncio.create_task(jobs.run(CHILD, {"do": "sleep", "file": str(file)}, timeout=60))
    pid = await pid_in(file)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert gone(pid)
    answer = await jobs.run(CHILD, {"do": "tell", "echo": 1}, timeout=30)
    assert answer["echo"] == 1


async def test_one_waits_the_next_is_refused_and_a_stop_ends_them_all(tmp_path):
    jobs, file = Jobs("jobs", running=1, waiting=1), tmp_path / "pid"
    first = asyncio.create_task(jobs.run(CHILD, {"do": "sleep", "file": str(file)}, timeout=60))
    pid = await pid_in(file)
    second = asyncio.create_task(jobs.run(CHILD, {"do": "tell", "echo": 2}, timeout=60))
    await asyncio.sleep(0)
    with pytest.raises(JobBusy) as caught:
        await jobs.run(CHILD, {"do": "tell", "echo": 3}, timeout=60)
    assert caught.value.status == 503
    assert int(caught.value.headers["Retry-After"]) > 0
    assert not second.done()
    await jobs.stop()
    assert gone(pid)
    for asked in (first, second):
        with pytest.raises(JobFailed, match="stopping"):
            await asked
    with pytest.raises(JobFailed, match="stopping"):
        await jobs.run(CHILD, {"do": "tell", "echo": 4}, timeout=60)


async def test_who_waits_has_its_turn(tmp_path):
    jobs = Jobs("jobs", running=1, waiting=2)
    answers = await asyncio.gather(
        *(jobs.run(CHILD, {"do": "tell", "echo": n}, timeout=60) for n in range(3))
    )
    assert [one["echo"] for one in answers] == [0, 1, 2]
    assert len({one["pid"] for one in answers}) == 3


def test_a_child_that_is_left_alone_ends_with_its_time(tmp_path):
    request = {"seconds": 0.5, "request": {"do": "sleep", "file": str(tmp_path / "pid")}}
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", CHILD],
        input=orjson.dumps(request),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode < 0
    assert time.monotonic() - began < 20
