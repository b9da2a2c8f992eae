"""The month: leads come in at a rate, reps answer, deals move, and the loop learns."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from deploy.cli.client import Client, Unanswered, connect
from deploy.settings import Settings
from dev.demo.people import PAGE, Opinion, Person, opinion, person

IDLE_SECONDS = 20.0
"""How long the end waits for stragglers and for the evidence to be weighed."""


async def simulate(settings: Settings, *, leads: int, rate: float, seed: int) -> int:
    """Run the month against the product that the settings name; returns an exit status."""
    console = Console()
    status = 0
    try:
        async with connect(settings, with_key=True) as client:
            before = {p["proposal_id"] for p in await client.all("/feedback/v1/proposals")}
            month = Month(client, seed, leads, rate)
            await month.run(console)
            await month.report(console, before)
    except* Unanswered as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        console.print(f"[red]{first}[/red]")
        status = 1
    return status


class Month:
    """One simulated month."""

    def __init__(self, client: Client, seed: int, leads: int, rate: float) -> None:
        self._client = client
        # Two streams: who comes must not depend on when somebody happens to answer.
        self._arrivals = random.Random(seed)  # noqa: S311 - a simulation
        self._rng = random.Random(seed)  # noqa: S311 - a simulation
        self._leads = leads
        self._rate = rate
        self._run = f"{int(time.time()) % 1_000_000:06d}"
        self._opinions: dict[str, Opinion | None] = {}
        self._answered: set[str] = set()
        self._answers: Counter[str] = Counter()
        self._all_posted = asyncio.Event()

    async def run(self, console: Console) -> None:
        """Post the leads and answer them, with a bar for each."""
        columns = (
            TextColumn("{task.description:22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            posted = progress.add_task("leads posted", total=self._leads)
            answered = progress.add_task("answers by reps", total=None)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._post(lambda: progress.advance(posted)))
                tasks.create_task(
                    self._answer(lambda: progress.update(answered, completed=len(self._answered)))
                )
            progress.update(answered, total=len(self._answered))

    async def _post(self, advance: Any) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._leads):
                await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))
                tasks.create_task(self._visit(person(self._arrivals, self._run, number), advance))
        self._all_posted.set()

    async def _visit(self, who: Person, advance: Any) -> None:
        answer = await self._client.call("POST", "/capture/v1/leads", json=who.form)
        if who.webinar:
            activity = {"lead_id": answer["lead_id"], "kind": "webinar_attended"}
            await self._client.call("POST", "/capture/v1/activities", json=activity)
        advance()

    async def _answer(self, advance: Any) -> None:
        """The reps: look at what is new, answer it, until nothing has come for a while."""
        idle_since = time.monotonic()
        while not self._all_posted.is_set() or time.monotonic() - idle_since < 3:
            page = await self._client.call(
                "GET", "/routing/v1/assignments", params={"state": "ASSIGNED", "limit": 200}
            )
            for assignment in page["items"]:
                thought = await self._thought_of(assignment["lead_id"])
                if thought is not None:
                    await self._decide(assignment, thought)
                    idle_since = time.monotonic()
                    advance()
            await asyncio.sleep(0.3)

    async def _thought_of(self, lead_id: str) -> Opinion | None:
        """What a rep thinks of a lead of this month or of one before, which re-scoring may have
        brought back; None for somebody else's lead, which is left alone."""
        if lead_id not in self._opinions:
            lead = await self._client.call("GET", f"/capture/v1/leads/{lead_id}")
            facts, ours = lead["facts"], lead["attribution"].get("page_url") == PAGE
            about = (facts.get("job_title", ""), facts.get("employees", 0), facts["has_phone"])
            self._opinions[lead_id] = opinion(*about) if ours else None
        return self._opinions[lead_id]

    async def _decide(self, assignment: dict[str, Any], who: Opinion) -> None:
        path = f"/routing/v1/assignments/{assignment['assignment_id']}"
        rng = self._rng
        try:
            await self._client.call("POST", f"{path}/acknowledge")
            if rng.random() < who.chance:
                await self._client.call("POST", f"{path}/accept")
                self._answers["accepted"] += 1
            else:
                reason = rng.choices(
                    (who.why_not, "INVALID_DATA", "WRONG_TERRITORY"), (0.88, 0.07, 0.05)
                )[0]
                await self._client.call("POST", f"{path}/reject", json={"reason": reason})
                self._answers[reason] += 1
        except Unanswered:
            return  # somebody answered it in the inbox meanwhile, or the deadline passed
        self._answered.add(assignment["assignment_id"])

    async def report(self, console: Console, known: set[str]) -> None:
        """Deals move on; then the funnel, and what the loop learned."""
        await self._work_deals()
        console.print()
        proposals = await self._wait_for_proposals(known)
        metrics = await self._client.call("GET", "/feedback/v1/metrics")
        funnel = Table("stage", "leads", "", title="The funnel", title_justify="left")
        most = max(1, *(row["leads"] for row in metrics["funnel"]))
        for row in metrics["funnel"]:
            funnel.add_row(row["stage"], str(row["leads"]), "█" * round(40 * row["leads"] / most))
        console.print(funnel)
        said = ", ".join(f"{count} {reason}" for reason, count in self._answers.most_common())
        console.print(f"Reps said: {said}\n")
        for proposal in proposals:
            _print_proposal(console, proposal)
        if not proposals:
            learning = await self._client.call("GET", "/feedback/v1/learning")
            look = learning["last_look"] or {}
            newest = look.get("too_early") or look
            missing = newest.get("missing") or look.get("why") or "nothing was looked at so far"
            console.print(f"No proposal yet: {missing}")

    async def _work_deals(self) -> None:
        """Some accepted leads become opportunities, some are won, some go back."""
        accepted = await self._client.call(
            "GET", "/routing/v1/assignments", params={"state": "ACCEPTED", "limit": 500}
        )
        for assignment in accepted["items"]:
            if assignment["assignment_id"] not in self._answered:
                continue
            for stage, chance, reason in (
                ("SQL", 0.6, None),
                ("OPPORTUNITY", 0.6, None),
                ("WON", 0.4, None),
            ):
                if self._rng.random() > chance:
                    break
                outcome = {"lead_id": assignment["lead_id"], "stage": stage, "reason": reason}
                if stage == "WON":
                    outcome["amount"] = float(self._rng.randrange(5, 60) * 1000)
                try:
                    await self._client.call("POST", "/feedback/v1/outcomes", json=outcome)
                except Unanswered:
                    break

    async def _wait_for_proposals(self, known: set[str]) -> list[dict[str, Any]]:
        deadline = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < deadline:
            found: list[dict[str, Any]] = await self._client.all("/feedback/v1/proposals")
            fresh = [p for p in found if p["status"] == "open"]
            if fresh:
                await asyncio.sleep(6)  # the newest answers are weighed every five seconds
                found = await self._client.all("/feedback/v1/proposals")
                return [p for p in found if p["status"] == "open"]
            await asyncio.sleep(1)
        return []


def _print_proposal(console: Console, proposal: dict[str, Any]) -> None:
    base = proposal["base_version"]
    console.print(f"[bold]The loop learned, and proposes to change version {base}:[/bold]")
    for change in proposal["changes"]:
        before, after = (change[side] or "nothing" for side in ("before", "after"))
        console.print(f"  {change['what']}: {before} → {after}", highlight=False)
    evidence = proposal["evidence"]
    before, after = (evidence[side]["auc"]["estimate"] for side in ("before", "after"))
    console.print(
        f"On {evidence['answers']} answered leads that it had not seen it tells good from bad with "
        f"an AUC of {after:.2f} instead of {before:.2f}."
    )
    console.print("Look at the evidence and approve it on the feedback page: /feedback/")
