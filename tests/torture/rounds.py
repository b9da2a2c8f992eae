"""Rounds of load and blows on one running product, each followed by a comparison."""

import asyncio
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx

from shared.contracts.ids import new_id
from tests.torture import chaos, faults
from tests.torture.checks import Finding, check
from tests.torture.distributed import Distributed
from tests.torture.embedded import Embedded
from tests.torture.failing import Failpoints
from tests.torture.history import History, read
from tests.torture.ledger import Ledger
from tests.torture.load import REPS, Load
from tests.torture.quiet import Quiet
from tests.torture.stand import Stand, command_line, urls

DEFINITION: Final[dict[str, Any]] = {
    "name": "Torture",
    "threshold": 10,
    "cool_off_days": 0,
    "criteria": [
        {"id": "not_student", "group": "fit", "field": "job_title", "operator": "not_equals",
         "value": "Student", "points": 10},
        *({"id": f"touch{n}", "group": "fit", "field": "touches", "operator": "at_least",
           "value": n, "points": 1} for n in range(2, 12)),
    ],
    "disqualifiers": [
        {"id": "closed", "field": "industry", "operator": "equals", "value": "Gambling"}
    ],
}  # fmt: skip
"""Most leads are MQLs at once; a touch more is a better case, so a rejected lead comes back."""
SHORT_MINUTES: Final = 0.03
LONG_MINUTES: Final = 600.0
ADMIN_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Options:
    """``seconds`` is how long each round's load goes on at least."""

    mode: str = "distributed"
    rounds: int = 25
    seconds: float | None = None
    seed: int = 1
    fault: str = ""
    folder: Path | None = None
    replicas: int | Mapping[str, int] = 2
    blows: str = ""
    posts_per_second: float = 24.0
    failpoints: bool = True
    """Whether processes also die at named places, all of them in turn."""
    patience: float = 30.0
    """How long nothing may change while events wait: past a lease and a consumer's session."""


def planted(name: str, options: Options) -> Options:
    """These options, with what gets at a fault the quickest."""
    fault = faults.FAULTS[name]
    return replace(
        options,
        fault=name,
        mode=fault.mode,
        blows=fault.blows,
        replicas=fault.replicas,
        failpoints=False,
        seconds=options.seconds or fault.seconds,
        patience=fault.patience,
    )


def new_folder(name: str) -> Path:
    """A temporary folder that PostgreSQL's own user may enter, so that all is in one place."""
    folder = Path(tempfile.mkdtemp(prefix=f"leadloop-torture-{name}-"))
    folder.chmod(0o755)
    return folder


@dataclass
class Round:
    """What one round did and found."""

    number: int
    blows: str = ""
    deaths: int = 0
    taken: int = 0
    answers: int = 0
    hands: int = 0
    breaches: int = 0
    repeats: int = 0
    drained: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def line(self, mode: str) -> str:
        return (
            f"{mode} {self.number:3}  {self.taken:4} × 202  {self.answers:3} answers"
            f"  {self.hands:3} given on  {self.breaches:3} breaches  {self.repeats:2} repeats"
            f"  drained in {self.drained:4.1f} s"
            f"  {self.deaths:2} failpoints"
            f"  {'ok' if not self.findings else f'{len(self.findings)} FINDINGS'}"
            f"  killed: {self.blows}"
        )


@dataclass
class Verdict:
    """Every round, and where the evidence is."""

    options: Options
    folder: Path
    rounds: list[Round] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.findings

    @property
    def kinds(self) -> set[str]:
        return {finding.kind for finding in self.findings}


class Torture:
    """One stand, one ledger, many rounds."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self.options = options
        self.say = say
        self.folder = options.folder or new_folder(options.mode)
        command = faults.command(options.fault) if options.fault else None
        self.stand: Stand
        if options.mode == "embedded":
            self.stand = Embedded(self.folder, command)
        else:
            self.stand = Distributed(self.folder, options.replicas, command)
        self.ledger = Ledger(self.folder)
        self.seconds = options.seconds or (16.0 if options.mode == "embedded" else 24.0)
        self.emails: list[str] = []
        self.planted: set[str] = set()
        self.history = History()
        self.turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.failpoints = Failpoints(self.stand, self.ledger, self.turns, options.failpoints)

    async def run(self) -> Verdict:
        """Every round until one has findings."""
        verdict = Verdict(self.options, self.folder)
        try:
            began = time.monotonic()
            await asyncio.to_thread(self.stand.start)
            await self.stand.install_watch()
            await self._set_up()
            self.say(f"{self.options.mode}: up after {time.monotonic() - began:.1f} s")
            for number in range(1, self.options.rounds + 1):
                done = await self._round(number)
                verdict.rounds.append(done)
                self.say(done.line(self.options.mode))
                verdict.findings += done.findings
                if done.findings:
                    break
            if verdict.clean:
                verdict.findings += await self._stages()
                self.say(self.failpoints.line())
        finally:
            await self.stand.close()
            await asyncio.to_thread(self.stand.stop)
            self.ledger.close()
        if verdict.clean and self.options.folder is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return verdict

    async def _set_up(self) -> None:
        """Torture's own reps, definition and policy."""
        for rep in await self._admin("GET", "routing", "/routing/v1/reps"):
            path = f"/routing/v1/reps/{rep['rep_id']}"
            await self._admin("PATCH", "routing", path, {"active": False})
        for rep_id in REPS:
            rep = {"rep_id": rep_id, "name": rep_id, "weight": 1, "capacity": 10}
            await self._admin("POST", "routing", "/routing/v1/reps", rep)
        made = await self._admin("POST", "qualify", "/qualify/v1/definitions", DEFINITION)
        path = f"/qualify/v1/definitions/{made['version']}/publish"
        await self._admin("POST", "qualify", path)

    async def _round(self, number: int) -> Round:
        """Load and blows; then quiet; then the comparison of everything so far."""
        random = Random(f"{self.options.seed}/{number}")
        blows = chaos.plan(random, number, self.stand, self.seconds, self.options.blows)
        done = Round(number, chaos.words(blows))
        before = self._figures()
        self.ledger.note("round", number=number, plan=repr(blows))
        await self._policy(SHORT_MINUTES, capacity=10)
        seconds = chaos.length(blows, self.seconds)
        until = time.monotonic() + seconds
        posts = int(seconds * self.options.posts_per_second)
        load = Load(self.stand, self.ledger, random, until, posts, self.emails)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run())
            group.create_task(chaos.strike(self.stand, self.ledger, blows, self.turns))
            group.create_task(self._hostile(random, until))
            deaths = group.create_task(self.failpoints.strike(until, busy=bool(blows)))
        done.deaths = deaths.result()
        began = time.monotonic()
        done.findings += await self._drain()
        done.drained = time.monotonic() - began
        found = await self._compare()
        if found and not done.findings:
            # Reading takes a moment in which a lead may move: only what stays counts.
            await asyncio.sleep(1.5)
            done.findings += await self._drain()
            found = await self._compare()
        done.findings += found
        news = [after - earlier for after, earlier in zip(self._figures(), before, strict=True)]
        done.taken, done.answers, done.hands, done.breaches, done.repeats = news
        return done

    def _figures(self) -> tuple[int, int, int, int, int]:
        breaches = sum(turn.closed_because == "SLA_BREACHED" for turn in self.history.turns)
        repeats = sum(event.id in self.planted for event in self.history.log)
        given, handed = len(self.ledger.given), len(self.ledger.handed)
        return self.ledger.accepted_count, given, handed, breaches, repeats

    async def _compare(self) -> list[Finding]:
        databases, backwards = self.stand.databases, await self.stand.backwards()
        self.history = await read(databases, backwards, await self.stand.read_log())
        return check(self.ledger, self.history, self.planted)

    async def _hostile(self, random: Random, until: float) -> None:
        """Put MQL events on the log again as other events: a producer that repeats itself."""
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, random.uniform(0.5, 1.5)))
            try:
                log = await self.stand.read_log()
                mqls = [e.id for e in log if e.type == "leadloop.lead.qualified.v1"]
                some = [i for i in mqls[-60:] if i not in self.planted]
                again = {old: new_id() for old in random.sample(some, min(3, len(some)))}
                self.planted |= set(again.values())
                await self.stand.redeliver(again)
            except Exception as error:
                # The broker or the database is down: that is what this is about.
                self.ledger.note("not redelivered", why=repr(error))

    async def _drain(self) -> list[Finding]:
        """Everything up, nobody pressed, nothing moving; or what is not so."""
        quiet = Quiet(self.stand, self.ledger, self.say, self.options.patience)
        if troubles := await quiet.ready():
            return [Finding("not ready", trouble) for trouble in troubles]
        await self._policy(LONG_MINUTES, capacity=10_000)
        return [Finding("not drained", reason) for reason in await quiet.drained()]

    async def _policy(self, minutes: float, capacity: int) -> None:
        policy = {"sla_minutes": minutes, "accept_minutes": minutes, "max_attempts": 3, "rules": []}
        await self._admin("PUT", "routing", "/routing/v1/policy", policy)
        there = {"capacity": capacity, "status": "available"}
        for rep_id in REPS:
            await self._admin("PATCH", "routing", f"/routing/v1/reps/{rep_id}", there)

    async def _stages(self) -> list[Finding]:
        status, text = await asyncio.to_thread(command_line, self.stand, "stages", "--json")
        return [Finding("stages", f"leadloop stages: {text}")] if status else []

    async def _admin(
        self, method: str, service: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        """An administrator's call, repeated until it is answered."""
        headers = {"Authorization": f"Bearer {self.stand.admin_key}"}
        deadline = time.monotonic() + ADMIN_SECONDS
        async with httpx.AsyncClient(headers=headers, timeout=5) as http:
            while True:
                for url in urls(self.stand, service):
                    try:
                        answer = await http.request(method, url + path, json=body)
                    except httpx.HTTPError as error:
                        trouble = repr(error)
                        continue
                    if answer.is_success:
                        document = answer.json()
                        return document["items"] if method == "GET" else document
                    trouble = f"{answer.status_code} {answer.text[:300]}"
                    if method == "POST" and answer.status_code == 409:
                        return None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{method} {path}: {trouble}")
                await asyncio.sleep(0.2)


def report(verdict: Verdict, say: Callable[[str], None], shown: int = 20) -> None:
    """The verdict in words, with evidence."""
    rounds = len(verdict.rounds)
    total = sum(r.taken for r in verdict.rounds)
    if verdict.clean:
        say(f"{verdict.options.mode}: {rounds} rounds, {total} × 202: nothing lost, nothing twice")
        return
    say(f"{verdict.options.mode}: {len(verdict.findings)} findings in round {rounds}:")
    for finding in verdict.findings[:shown]:
        say(f"  {finding.kind}: {finding.text}")
    if len(verdict.findings) > shown:
        say(f"  … and {len(verdict.findings) - shown} more")
    say(f"Evidence: {verdict.folder} (ledger.ndjson, logs, data), seed {verdict.options.seed}")


def torture(options: Options, say: Callable[[str], None] | None = None) -> Verdict:
    """Run it. ``say`` gets each line of the protocol."""
    out = say or (lambda line: print(line, file=sys.stdout, flush=True))
    verdict = asyncio.run(Torture(options, out).run())
    report(verdict, out)
    return verdict
