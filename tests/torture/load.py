"""The clients of one round: forms that post, reps who answer, deals that come to something."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from tests.torture.ledger import Handed, Ledger, Submission, Taken
from tests.torture.stand import Stand, urls

REPS: Final = ("rep-t1", "rep-t2", "rep-t3", "rep-t4")
REASONS: Final = (
    "WRONG_TERRITORY",
    "NO_CAPACITY",
    "INVALID_DATA",
    "INCOMPLETE",
    "OUTSIDE_ICP",
    "BELOW_ACTIVITY",
    "NOT_A_BUYER",
)
NEXT_STAGE: Final[dict[str, tuple[tuple[str, str | None], ...]]] = {
    "ACCEPTED": (
        ("SQL", None),
        ("SQL", None),
        ("RECYCLED", "BAD_TIMING"),
        ("DISQUALIFIED", "NO_FIT"),
    ),
    "SQL": (("OPPORTUNITY", None), ("RECYCLED", "NO_BUDGET")),
    "OPPORTUNITY": (("WON", None), ("LOST", None)),
    "LOST": (("RECYCLED", "UNABLE_TO_REACH"),),
}
TIMEOUT: Final = httpx.Timeout(2.5, connect=1.0)
_TRY_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass
class Load:
    """``submissions`` is the most that are posted; everything ends at ``until``."""

    stand: Stand
    ledger: Ledger
    random: Random
    until: float
    submissions: int
    emails: list[str]
    """Every e-mail so far: known leads come back."""
    ignored: set[str] = field(default_factory=set)
    """Assignments that a rep leaves lying."""
    deals: dict[str, str] = field(default_factory=dict)
    """Accepted leads and how far their deals are."""

    async def run(self) -> None:
        """All clients at once, until the time is over."""
        headers = {"Authorization": f"Bearer {self.stand.admin_key}"}
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT, limits=limits) as http:
            self._http = http
            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(self._form())
                for rep_id in REPS:
                    group.create_task(self._rep(rep_id))
                group.create_task(self._deals())
                group.create_task(self._manager())
                group.create_task(self._absences())

    def _over(self) -> bool:
        return time.monotonic() > self.until

    # --- forms --------------------------------------------------------------------------------

    async def _form(self) -> None:
        while not self._over() and self.submissions > 0:
            self.submissions -= 1
            luck = self.random.random()
            if luck < 0.3 and self.emails:
                await self._submit(self.random.choice(self.emails))
                await asyncio.sleep(self.random.uniform(0, 0.25))
                continue
            email = f"{uuid.UUID(int=self.random.getrandbits(128)).hex}@torture.example"
            self.emails.append(email)
            if luck > 0.85:  # the same new person three times at once
                self.submissions -= 2
                await asyncio.gather(*(self._submit(email) for _ in range(3)))
            else:
                await self._submit(email)
            await asyncio.sleep(self.random.uniform(0, 0.25))

    async def _submit(self, email: str) -> None:
        key = str(uuid.uuid4()) if self.random.random() < 0.8 else None
        entry = self.ledger.submission(email, key)
        body = self._body(email)
        while not await self._post(entry, body):
            if key is None or self._over():
                return
            await asyncio.sleep(self.random.uniform(0.05, 0.3))
        if key is not None and self.random.random() < 0.1:
            await self._post(entry, body)  # the answer got lost on the way, say

    def _body(self, email: str) -> dict[str, Any]:
        return {
            "email": email,
            "first_name": "Tor",
            "company": "Torture GmbH",
            "job_title": self.random.choice(["VP Sales", "Head of IT", "Manager", "Student"]),
            "country": "DE",
            "employees": self.random.choice([5, 80, 900]),
            "industry": self.random.choice(["Software"] * 9 + ["Gambling"]),
            "utm_source": "torture",
        }

    async def _post(self, entry: Submission, body: dict[str, Any]) -> bool:
        """Whether it was taken."""
        url = self.random.choice(urls(self.stand, "capture")) + "/capture/v1/leads"
        headers = {"Idempotency-Key": entry.key} if entry.key is not None else {}
        self.ledger.sending(entry)
        try:
            answer = await self._http.post(url, json=body, headers=headers)
        except httpx.HTTPError as error:
            self.ledger.left_open(entry, type(error).__name__)
            return False
        if answer.status_code == 202:
            document = answer.json()
            taken = Taken(document["lead_id"], document["submission_id"], document["status"])
            self.ledger.taken(entry, taken)
            return True
        self.ledger.left_open(entry, str(answer.status_code))
        self._unless_passing("POST /capture/v1/leads", answer)
        return False

    # --- reps ---------------------------------------------------------------------------------

    async def _rep(self, rep_id: str) -> None:
        while not self._over():
            for assignment in await self._waiting(rep_id):
                await self._turn(assignment)
                if self._over():
                    return
            await asyncio.sleep(self.random.uniform(0.1, 0.3))

    async def _waiting(self, rep_id: str) -> list[dict[str, Any]]:
        url = self.random.choice(urls(self.stand, "routing")) + "/routing/v1/assignments"
        wanted: dict[str, str | int | list[str]] = {
            "rep_id": rep_id,
            "state": ["ASSIGNED", "ACKNOWLEDGED"],
            "limit": 20,
        }
        try:
            answer = await self._http.get(url, params=wanted)
        except httpx.HTTPError:
            return []
        self._unless_passing("GET /routing/v1/assignments", answer)
        found = answer.json()["items"] if answer.status_code == 200 else []
        return [a for a in found if a["assignment_id"] not in self.ignored][:5]

    async def _turn(self, assignment: dict[str, Any]) -> None:
        luck = self.random.random()
        if luck < 0.25:
            self.ignored.add(assignment["assignment_id"])
        elif luck < 0.4 and assignment["state"] == "ASSIGNED":
            await self._answer(assignment, "acknowledge")
        elif luck < 0.55:  # two answers at once: only one may count
            first, second = self.random.choice(
                [("accept", "reject"), ("accept", "accept"), ("reject", "reject")]
            )
            await asyncio.gather(self._answer(assignment, first), self._answer(assignment, second))
        elif luck < 0.7:
            await self._answer(assignment, "accept")
        elif luck < 0.77:
            await self._hand_on(assignment)
        elif luck < 0.84:  # an answer and a word that gives it away, at once
            answer = self._answer(assignment, self.random.choice(["accept", "reject"]))
            await asyncio.gather(answer, self._hand_on(assignment))
        else:
            await self._answer(assignment, "reject")

    async def _answer(self, assignment: dict[str, Any], move: str) -> None:
        assignment_id = assignment["assignment_id"]
        reason = self.random.choice(REASONS) if move == "reject" else None
        url = (
            self.random.choice(urls(self.stand, "routing"))
            + f"/routing/v1/assignments/{assignment_id}/{move}"
        )
        body = {"attempt": assignment["attempt"], **({"reason": reason} if reason else {})}
        try:
            answer = await self._http.post(url, json=body)
        except httpx.HTTPError:
            return
        self.ledger.answered(assignment_id, move, reason, answer.status_code)
        self._unless_passing(f"POST {move}", answer, 409)
        if answer.status_code == 200 and move == "accept":
            self.deals[assignment["lead_id"]] = "ACCEPTED"

    # --- hands --------------------------------------------------------------------------------

    async def _hand_on(self, assignment: dict[str, Any]) -> None:
        """Give a lead to a colleague, or back."""
        assignment_id = assignment["assignment_id"]
        colleague = self.random.choice([rep for rep in REPS if rep != assignment["rep_id"]])
        over = self.random.random() < 0.6
        path = f"/routing/v1/assignments/{assignment_id}/{'hand-over' if over else 'put-back'}"
        body = {"attempt": assignment["attempt"], **({"rep_id": colleague} if over else {})}
        try:
            answer = await self._http.post(self._routing(path), json=body)
        except httpx.HTTPError:
            return
        done = None
        if answer.status_code == 200:
            after = answer.json() if over else answer.json()["assignment"] or {}
            cause = "HANDED_OVER" if over else "PUT_BACK"
            ids = assignment_id, after.get("assignment_id")
            done = Handed(cause, assignment["lead_id"], after.get("rep_id"), *ids)
        self.ledger.handing(path, assignment_id, answer.status_code, done)
        self._unless_passing(f"POST {path}", answer, 409, 422)  # they may be paused

    async def _manager(self) -> None:
        """Move leads, whoever has them and whatever they do with them meanwhile."""
        while not self._over():
            await asyncio.sleep(self.random.uniform(0.1, 0.4))
            try:
                found = await self._http.get(
                    self._routing("/routing/v1/assignments"),
                    params={"state": self.random.choice(["ASSIGNED", "ACKNOWLEDGED", "ACCEPTED"])},
                )
                items = found.json()["items"][:30] if found.status_code == 200 else []
                lead_ids = [one["lead_id"] for one in items if one["closed_at"] is None]
                some = self.random.sample(lead_ids, min(len(lead_ids), self.random.choice([1, 4])))
                if not some:
                    continue
                body = {"lead_ids": some, "rep_id": self.random.choice([None, *REPS])}
                answer = await self._http.post(self._routing("/routing/v1/moves"), json=body)
            except httpx.HTTPError:
                continue
            moved = answer.json()["items"] if answer.status_code == 200 else []
            for one in (one for one in moved if one["moved"]):
                done = Handed("MOVED", one["lead_id"], one["rep_id"])
                self.ledger.handing("move", one["lead_id"], 200, done)
            self._unless_passing("POST /routing/v1/moves", answer, 422)

    async def _absences(self) -> None:
        """Now and then somebody is away for a moment, and what waits for them goes to others."""
        while not self._over():
            await asyncio.sleep(self.random.uniform(0.3, 1.2))
            path = f"/routing/v1/reps/{self.random.choice(REPS)}"
            for status in ("paused", "available"):
                try:
                    answer = await self._http.patch(self._routing(path), json={"status": status})
                except httpx.HTTPError:
                    continue
                self._unless_passing(f"PATCH {path}", answer)
                await asyncio.sleep(self.random.uniform(0.1, 0.8))

    def _routing(self, path: str) -> str:
        return self.random.choice(urls(self.stand, "routing")) + path

    # --- deals --------------------------------------------------------------------------------

    async def _deals(self) -> None:
        while not self._over():
            await asyncio.sleep(self.random.uniform(0.05, 0.15))
            if not self.deals:
                continue
            lead_id = self.random.choice(sorted(self.deals))
            possible = NEXT_STAGE.get(self.deals[lead_id])
            if not possible:
                del self.deals[lead_id]
                continue
            stage, reason = self.random.choice(possible)
            key = str(uuid.uuid4())
            copies = 2 if self.random.random() < 0.2 else 1
            known = await asyncio.gather(
                *(self._outcome(key, lead_id, stage, reason) for _ in range(copies))
            )
            if {201, 202} & set(known):
                self.deals[lead_id] = stage
            elif 409 in known:
                del self.deals[lead_id]

    async def _outcome(self, key: str, lead_id: str, stage: str, reason: str | None) -> int:
        url = self.random.choice(urls(self.stand, "feedback")) + "/feedback/v1/outcomes"
        body = {"lead_id": lead_id, "stage": stage, "reason": reason}
        try:
            answer = await self._http.post(url, json=body, headers={"Idempotency-Key": key})
        except httpx.HTTPError:
            return 0
        outcome_id = answer.json()["outcome_id"] if answer.status_code in (201, 202) else ""
        self.ledger.outcome(key, lead_id, stage, answer.status_code, outcome_id)
        self._unless_passing("POST /feedback/v1/outcomes", answer, 404, 409)
        return answer.status_code

    def _unless_passing(self, what: str, answer: httpx.Response, *expected: int) -> None:
        """Note an answer that a client who does everything right should never get."""
        code = answer.status_code
        if code >= 400 and code not in _TRY_AGAIN and code not in expected:
            self.ledger.refusal(what, code, answer.text)
        if code == 500:
            self.ledger.refusal(what, code, answer.text)
