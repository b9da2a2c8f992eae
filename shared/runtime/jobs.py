"""Work in a process of its own: what needs numpy, much memory or long computing.

``Jobs.run`` starts ``python -m MODULE`` with a JSON request on its standard input and takes the
JSON that it prints. The child gives way to whoever serves, uses one core, and is gone when its
time is up, when nobody waits any more and when the service stops. The module's ``__main__`` calls
``answer_request``. Addresses and passwords go by standard input too: everybody on the machine sees
a process's arguments.
"""

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

import orjson

from shared.contracts.problems import Problem
from shared.runtime.logs import frames
from shared.runtime.parts import cancelled_on_purpose

log = logging.getLogger(__name__)

NICE: Final = 10
RETRY_SECONDS: Final = 5
_TAIL: Final = 2000
"""Characters of a child's last words that are logged."""
_THREADS: Final = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT"),
)


class JobBusy(Problem):
    """As many jobs run and wait as may."""

    def __init__(self) -> None:
        detail = f"Other computations are under way. Try again in {RETRY_SECONDS} seconds."
        super().__init__(503, "Busy", detail, headers={"Retry-After": str(RETRY_SECONDS)})


class JobFailed(Problem):
    """A job gave no answer; ``detail`` says why in words and quotes nothing."""


class Jobs:
    """A part that runs at most ``running`` jobs at once, lets ``waiting`` more wait for their turn
    and refuses the next."""

    serves = False

    def __init__(self, name: str, *, running: int = 1, waiting: int = 1) -> None:
        self.name = name
        self._most = running + waiting
        self._turn = asyncio.Semaphore(running)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    async def run(self, module: str, request: Any, timeout: float) -> Any:
        """What ``python -m module`` answers to ``request``, within ``timeout`` seconds of its turn.

        Raises JobBusy, and JobFailed where the child ended otherwise, took too long or had to end
        because the service stops.
        """
        if self._stopping:
            raise _stopped()
        if len(self._tasks) >= self._most:
            raise JobBusy
        task = asyncio.create_task(self._in_turn(module, request, timeout), name=f"job {module}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await task
        except asyncio.CancelledError:
            if self._stopping and not cancelled_on_purpose():
                raise _stopped() from None
            await _ended(task)
            raise

    async def start(self) -> None:
        """Nothing runs until somebody asks."""

    async def stop(self) -> None:
        """End what runs and what waits, and wait for the processes to be gone."""
        self._stopping = True
        for task in list(self._tasks):
            await _ended(task)

    async def check(self) -> str | None:
        """A job is no reason not to be ready."""
        return None

    async def _in_turn(self, module: str, request: Any, timeout: float) -> Any:
        async with self._turn:
            return await run_job(module, request, timeout)


async def run_job(module: str, request: Any, timeout: float) -> Any:
    """Run one job now; ``Jobs`` is for whoever serves. Raises JobFailed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # ^C in a terminal is the service's to handle
    )
    try:
        with contextlib.suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        told = orjson.dumps({"seconds": timeout, "request": request})
        async with asyncio.timeout(timeout):
            said, complaints = await process.communicate(told)
    except TimeoutError:
        log.warning("%s took longer than %g s", module, timeout)
        detail = f"It took longer than {timeout:g} seconds. Ask about less, a shorter time perhaps."
        raise JobFailed(503, "Took too long", detail) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
    if process.returncode == 0:
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(said)
    tail = complaints.decode("utf-8", "replace")[-_TAIL:]
    log.error("%s ended with %s", module, process.returncode, extra={"stderr": tail})
    detail = "The computation ended without an answer. It has been logged; please try again later."
    raise JobFailed(500, "Something went wrong", detail)


def answer_request(handle: Callable[[Any], Any]) -> None:
    """The child's side: read the request, print what ``handle`` makes of it as JSON.

    What goes wrong is told by its place alone, for its text may quote a lead; exits with 1 then.
    The process ends with its time even when nobody is left to end it.
    """
    told = orjson.loads(sys.stdin.buffer.read())
    signal.alarm(math.ceil(told["seconds"]) + 1)
    try:
        answer = orjson.dumps(handle(told["request"]), option=orjson.OPT_SERIALIZE_NUMPY)
    except Exception as error:
        sys.stderr.write("\n".join([*frames(error), type(error).__name__, ""]))
        sys.exit(1)
    sys.stdout.buffer.write(answer)


def _environment() -> dict[str, str]:
    """Ours, with one thread for every numeric library; the child finds the modules that we find."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": paths}


def _stopped() -> JobFailed:
    detail = "The service is stopping. Try again in a moment."
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return JobFailed(503, "Try again", detail, headers=headers)


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancel a job and wait until its process is gone."""
    task.cancel()
    await asyncio.wait([task])
