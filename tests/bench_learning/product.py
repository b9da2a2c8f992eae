"""The running product as a marketer, a form and its reps use it: by HTTP alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from dev.stack import Process, embedded
from tests.bench.measure import admin, roomy
from tests.bench_learning.worlds import Lead, World

AT_ONCE = 8
WAITING_FOR_US = ("INQUIRY", "MQL", "REJECTED")
LOOK_SECONDS = 0.5
LOOKING_SECONDS = 600.0
"""The most time a look may take on a busy machine."""
SETTINGS = {"LEADLOOP_FEEDBACK_LEARNING_SECONDS": str(LOOK_SECONDS)}
T, R = TypeVar("T"), TypeVar("R")


class Trouble(Exception):
    """The product did something that ends this world's run."""


@dataclass
class Learned:
    """What became of proposals while the first half of the leads came."""

    published: int = 0
    refused: list[str] = field(default_factory=list)
    answered: list[Lead] = field(default_factory=list)
    looks: list[Any] = field(default_factory=list)
    """What the newest look had found each time that feedback was done with looking."""


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator["Product"]:
    """The embedded product on a free port of loopback; ended whatever happens."""
    process = embedded(folder, settings=SETTINGS)
    process.start()
    try:
        await asyncio.to_thread(process.wait_ready)
        await roomy(process)
        async with httpx.AsyncClient(
            base_url=process.url, headers=admin(process), timeout=60
        ) as http:
            yield Product(http, process)
    finally:
        process.stop()


class Product:
    """One world's product."""

    def __init__(self, http: httpx.AsyncClient, process: Process) -> None:
        self._http = http
        self.process = process
        self._ids: dict[str, Lead] = {}
        self._posted = 0
        self._answered: set[str] = set()
        self._tried: set[str] = set()
        self.learned = Learned()

    async def prepare(self, world: World, definition: Mapping[str, Any]) -> None:
        """Declare the world's facts and publish the marketer's definition."""
        await self._call("PUT", "/capture/v1/fields", {"items": world.declarations()})
        made = await self._call("POST", "/qualify/v1/definitions", definition)
        await self._call("POST", f"/qualify/v1/definitions/{made['version']}/publish")

    async def take_in(self, leads: Sequence[Lead]) -> list[str]:
        """Post leads in time order and wait until each has been decided about; their ids."""

        async def post(lead: Lead) -> str:
            number, self._posted = self._posted, self._posted + 1
            body = {"email": f"lead{number}@buyer{number}.example", **lead.form}
            answer = await self._call("POST", "/capture/v1/leads", body)
            self._ids[answer["lead_id"]] = lead
            return str(answer["lead_id"])

        ids = await _few_at_once(post, leads)
        await self._until(self._decided, "all leads decided about", 120)
        return ids

    async def _decided(self) -> bool:
        found = await self._call("GET", "/feedback/v1/stages")
        waiting = sum(found["stages"][stage] for stage in WAITING_FOR_US)
        return bool(waiting == 0 and found["captured"] == self._posted)

    async def answer(self) -> None:
        """Every rep answers what they have been given, as the world says."""
        while page := (await self._call("GET", "/routing/v1/assignments?state=ASSIGNED&limit=500"))[
            "items"
        ]:
            fresh = [one for one in page if one["assignment_id"] not in self._answered]
            await _few_at_once(self._answer_one, fresh)
        await self._until(self._decided, "all answers told", 60)

    async def _answer_one(self, assignment: Mapping[str, Any]) -> None:
        lead = self._ids[assignment["lead_id"]]
        path = f"/routing/v1/assignments/{assignment['assignment_id']}"
        if lead.wanted:
            await self._call("POST", f"{path}/accept")
        else:
            await self._call("POST", f"{path}/reject", {"reason": "OUTSIDE_ICP"})
        self._answered.add(assignment["assignment_id"])
        self.learned.answered.append(lead)

    async def learn(self) -> None:
        """Wait until feedback has looked at what there is; approve whatever it proposes."""
        deadline = time.monotonic() + LOOKING_SECONDS
        while True:
            found = await self._call("GET", "/feedback/v1/learning")
            if found["failure"] is not None:
                raise Trouble(f"a look failed: {found['failure']['why']}")
            waiting = found["open_proposal"]
            if waiting is not None and waiting not in self._tried:
                await self._approve(waiting)
            elif found["state"] == "collecting":
                self.learned.looks.append(found["last_look"])
                return
            elif time.monotonic() > deadline:
                raise Trouble(f"no look within {LOOKING_SECONDS:.0f} s: {found['state']}")
            await asyncio.sleep(LOOK_SECONDS / 2)

    async def _approve(self, proposal_id: str) -> None:
        path = f"/feedback/v1/proposals/{proposal_id}"
        response = await self._http.post(f"{path}/approve")
        if response.status_code == 409:
            return  # refreshed or superseded meanwhile
        self._tried.add(proposal_id)
        if response.is_error:
            self.learned.refused.append(response.text)
            return

        async def settled() -> bool:
            return bool((await self._call("GET", path))["status"] != "approved")

        await self._until(settled, f"proposal {proposal_id} published", 60)
        found = await self._call("GET", path)
        self.learned.published += found["status"] == "published"
        if found["status"] == "open":
            self.learned.refused.append(str(found["refusal"]))

    async def look(self) -> dict[str, Any]:
        """Ask for a look and wait until it has been taken; what it found."""
        before = (await self._call("GET", "/feedback/v1/learning"))["last_look"]
        await self._call("POST", "/feedback/v1/learning/look")
        found: dict[str, Any] = {}

        async def taken() -> bool:
            now = await self._call("GET", "/feedback/v1/learning")
            if now["failure"] is not None:
                raise Trouble(f"the look failed: {now['failure']['why']}")
            found.update(now["last_look"] or {})
            return bool(now["last_look"] != before and now["state"] != "looking")

        await self._until(taken, "the look taken", LOOKING_SECONDS)
        return found

    async def back_test(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a definition would have made of past leads."""
        found: dict[str, Any] = await self._call("POST", "/qualify/v1/backtests", asked)
        return found

    async def definition(self) -> dict[str, Any]:
        """The document that scores leads now."""
        found: dict[str, Any] = await self._call("GET", "/qualify/v1/definitions/published")
        return found

    async def score(self, lead_id: str) -> int:
        """What the product gave a lead."""
        return int((await self._call("GET", f"/qualify/v1/leads/{lead_id}/score"))["score"])

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        response = await self._http.request(method, path, json=body)
        if response.is_error:
            raise Trouble(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return response.json()

    async def _until(self, look: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not await look():
            if time.monotonic() > deadline:
                raise Trouble(f"not seen within {seconds:.0f} s: {what}\n{self.process.tail(8)}")
            await asyncio.sleep(0.1)


async def _few_at_once(do: Callable[[T], Awaitable[R]], things: Iterable[T]) -> list[R]:
    """Do it for each, a few at a time, begun in order."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(thing: T) -> R:
        async with room:
            return await do(thing)

    return list(await asyncio.gather(*(one(thing) for thing in things)))
