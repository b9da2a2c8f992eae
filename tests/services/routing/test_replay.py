"""Every decision comes out again as it was stored, or what differs is named."""

import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from services.routing.domain import pool_record
from services.routing.domain.policy import STARTER
from services.routing.domain.reps import Leave, Status
from services.routing.handlers import accounts, answers, managing, policies, setting_up, working
from services.routing.handlers.accounts import Wanted
from services.routing.handlers.answers import Answer
from services.routing.handlers.managing import Mover
from services.routing.handlers.working import Worker
from services.routing.store.tables import decisions, pools
from services.routing.store.unit import Routing
from shared.access import Role
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason
from tests.services.routing.desk import Desk, mql, open_desk

REPLAYS = "/routing/v1/replays"
COUNTRIES = ("PT", "ES", "DE", "FR", None)
GERMAN = {"field": "country", "operator": "equals", "value": "DE"}
RULES = (
    [],
    [{"id": "german", "when": [GERMAN], "rep_ids": ["r1", "r2"], "waits": False}],
    [
        {"id": "german", "when": [GERMAN], "rep_ids": ["r1", "r2"]},
        {"id": "near", "when": [], "to": "everybody", "by_country": True, "waits": False},
        {"id": "owners", "when": [], "to": "account_owner"},
        {"id": "iberia", "when": [{"not": GERMAN}], "team_id": "iberia", "waits": False},
    ],
)


@dataclass
class Day:
    """A busy day at one or two processes, always the same for a seed."""

    desks: list[Desk]
    rng: random.Random
    capacity: int = 4
    reps: list[str] = field(default_factory=lambda: [f"r{n}" for n in range(6)])

    async def opens(self) -> None:
        def begin(unit: Routing) -> None:
            setting_up.add_team(unit, "Iberia", None)
            for number, rep_id in enumerate(self.reps):
                near = ("PT", "ES") if number % 2 else ("DE",)
                setting_up.add_rep(
                    unit,
                    {
                        "rep_id": rep_id, "name": rep_id, "email": None, "status": Status.AVAILABLE,
                        "weight": 1 + number % 3, "capacity": self.capacity, "time_zone": "UTC",
                        "territories": near, "team_id": "iberia" if number % 2 else None,
                        "open_limit": 9 if number == 3 else None,
                        "window_limit": 7 if number == 4 else None,
                        "window_hours": 24 if number == 4 else None,
                    },
                )  # fmt: skip
            accounts.put_accounts(unit, [Wanted("Acme", ["acme.example"], "r1", "r2")])

        await self.desks[0].transactions.run(begin)

    async def goes_on(self, steps: int) -> None:
        for _ in range(steps):
            doing = self.rng.choices(
                (self._leads, self._answer, self._change, self._clock, self._move, self._policy),
                (8, 8, 3, 3, 3, 1),
            )[0]
            with suppress(Problem):  # somebody else was faster, or can't take it
                await doing(self.rng.choice(self.desks))

    async def _leads(self, desk: Desk) -> None:
        acme = {"company_domain": "acme.example"}
        some = (
            mql(country=self.rng.choice(COUNTRIES), **(acme if self.rng.random() < 0.2 else {}))
            for _ in range(self.rng.randint(1, 5))
        )
        await desk.happen(*some)

    async def _answer(self, desk: Desk) -> None:
        for row in self.rng.sample(rows := await desk.open_rows(), min(3, len(rows))):
            answer = Answer(row.assignment_id)
            kind = self.rng.random()
            if kind < 0.3:
                await desk.transactions.run(lambda unit, a=answer: answers.acknowledge(unit, a))
            elif kind < 0.6:
                await desk.transactions.run(lambda unit, a=answer: answers.accept(unit, a))
            else:
                why = self.rng.choice([*RejectReason])
                await desk.transactions.run(
                    lambda unit, a=answer, w=why: answers.reject(unit, a, w)
                )

    async def _change(self, desk: Desk) -> None:
        today = datetime.now(UTC).date()
        change: dict[str, Any] = self.rng.choice(
            [
                {"status": Status.PAUSED}, {"status": Status.AVAILABLE, "leave": ()},
                {"status": Status.AVAILABLE}, {"weight": self.rng.randint(0, 4)},
                {"capacity": self.rng.randint(1, 8)}, {"team_id": "iberia"},
                {"leave": (Leave(today, today + timedelta(days=2)),)},
                {"leave": (Leave(date(2020, 1, 1), date(2020, 1, 2)),)},
            ]
        )  # fmt: skip
        rep_id = self.rng.choice(self.reps)
        await desk.transactions.run(lambda unit: setting_up.change_rep(unit, rep_id, change))

    async def _clock(self, desk: Desk) -> None:
        if self.rng.random() < 0.4:
            await desk.run_out()
            await desk.expire(limit=self.rng.randint(1, 6))
        await desk.rested()
        await desk.sweep()

    async def _move(self, desk: Desk) -> None:
        rows = await desk.open_rows()
        if not rows:
            return
        row, to, worker = self.rng.choice(rows), self.rng.choice(self.reps), Worker("key")
        kind = self.rng.random()
        if kind < 0.3:
            await desk.transactions.run(
                lambda unit: working.hand_over(unit, row.assignment_id, to, worker)
            )
        elif kind < 0.6:
            await desk.transactions.run(
                lambda unit: working.put_back(unit, row.assignment_id, worker)
            )
        else:
            where = to if kind < 0.8 else None
            await desk.transactions.run(
                lambda unit: managing.move(unit, [row.lead_id], where, Mover("key"))
            )

    async def _policy(self, desk: Desk) -> None:
        changes = {"rules": self.rng.choice(RULES), "max_attempts": self.rng.randint(1, 3)}
        if self.rng.random() < 0.3:
            changes |= {"fallback": {"to": "nobody"}, "accounts_first": False}
        document = {**STARTER, "max_rounds": 2, **changes}
        await desk.transactions.run(lambda unit: policies.put_policy(unit, document))


async def replays(desk: Desk, limit: int = 40, **window: Any) -> dict[str, Any]:
    """All pages as one."""
    admin = await desk.client(Role.ADMIN)
    whole: dict[str, Any] = {"replayed": 0, "skipped": 0, "items": []}
    params: dict[str, Any] = {"limit": limit, **window}
    while True:
        answer = await admin.get(REPLAYS, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        whole["total"] = whole.get("total", page["total"])
        for name in ("replayed", "skipped", "items"):
            whole[name] += page[name]
        if page["next_cursor"] is None:
            return whole
        params["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_busy_day_comes_out_again(
    desk: Desk, database_url: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_record, "LONGEST", 300)  # several chains
    async with open_desk(database_url, tmp_path / "two") as other:
        day = Day([desk, other], random.Random(seed))
        await day.opens()
        await day.goes_on(250)
    made = await desk.rows(select(decisions))
    causes = {json.dumps(row.inputs.get("by_hand")) for row in made}
    assert causes == {"true", "null"}
    assert {row.unrouted_reason for row in made} >= {None, "NO_ROOM", "ATTEMPTS_USED"}
    assert any(row.inputs.get("excluded") for row in made)
    assert any(row.inputs.get("account") for row in made)
    ((chains, records),) = await desk.rows(
        select(func.count(pools.c.chain_id.distinct()), func.count())
    )
    assert 2 < chains < records / 3
    whole = await replays(desk)
    assert whole["items"] == []
    assert whole["total"] == whole["replayed"] == len(made)
    # A window that begins in the middle of a chain.
    times = sorted(row.decided_at for row in made)
    some = await replays(desk, since=times[60].isoformat(), until=times[-20].isoformat())
    assert some["items"] == []
    assert some["total"] == sum(times[60] <= at < times[-20] for at in times) > 20


async def test_what_was_tampered_with_is_named(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 2, 9), ("cai", 1, 9))
    await desk.set_policy(rules=[{"id": "german", "when": [GERMAN], "rep_ids": ["ana", "ben"]}])
    for number in range(6):
        await desk.happen(mql(f"lead-{number}"), mql(f"french-{number}", country="FR"))
    assert (await replays(desk))["items"] == []

    async def tamper(statement: str) -> None:
        await desk.db.write(lambda conn: conn.execute(text(statement)))

    await tamper("UPDATE decisions SET rep_id = 'cai' WHERE lead_id = 'lead-2'")
    await tamper("UPDATE assignments SET rep_id = 'cai' WHERE lead_id = 'lead-4'")
    await tamper(
        "UPDATE decisions SET inputs = "
        "CAST(replace(CAST(inputs AS text), 'DE', 'FR') AS {}) WHERE lead_id = 'lead-3'".format(
            "jsonb" if desk.db.dialect == "postgresql" else "text"
        )
    )
    found = {
        one["lead_id"]: {d["what"]: (d["stored"], d["replayed"]) for d in one["differences"]}
        for one in (await replays(desk))["items"]
    }
    assert set(found) == {"lead-2", "lead-3", "lead-4"}
    (owner,) = await desk.rows(select(decisions.c.rep_id).where(decisions.c.lead_id == "lead-4"))
    assert found["lead-4"] == {"rep of the assignment": ("cai", owner.rep_id)}
    assert found["lead-2"]["owner"][0] == "cai"
    assert found["lead-2"]["owner"][1] in ("ana", "ben")
    assert found["lead-3"]["rule"] == ("german", None)
    # What came from before it was kept is skipped, and what is lost is missed.
    await tamper("UPDATE decisions SET inputs = NULL, pool_id = NULL WHERE lead_id = 'lead-2'")
    await tamper("UPDATE pools SET document = '{\"start\": {}, \"steps\": []}' WHERE pool_id = "
                 "(SELECT pool_id FROM decisions WHERE lead_id = 'lead-5')")  # fmt: skip
    again = await replays(desk)
    assert (again["skipped"], again["replayed"]) == (1, 11)
    lost = [one for one in again["items"] if one["lead_id"] == "lead-5"]
    assert lost[0]["differences"][0]["what"] == "record of the reps"


async def test_a_replay_is_the_admins_and_changes_nothing(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    await desk.happen(mql())
    before = await desk.rows_of_assignments(), await desk.rows(select(decisions))
    assert (await replays(desk))["replayed"] == 1
    assert before == (await desk.rows_of_assignments(), await desk.rows(select(decisions)))
    rep, admin = await desk.client(Role.REP, "ana"), await desk.client(Role.ADMIN)
    assert (await rep.get(REPLAYS)).status_code == 403
    backwards = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    assert (await admin.get(REPLAYS, params=backwards)).status_code == 422
    assert (await admin.get(REPLAYS, params={"cursor": "bm8"})).status_code == 400


async def test_what_is_kept_of_a_thousand_reps_is_small(desk: Desk) -> None:
    def begin(unit: Routing) -> None:
        for number in range(1000):
            setting_up.add_rep(
                unit,
                {"rep_id": f"rep-{number}", "name": "R", "email": None, "weight": 1,
                 "capacity": 9, "status": Status.AVAILABLE, "time_zone": "UTC",
                 # Half of them are never at work: each lead is credited to all of those.
                 "hours": {} if number % 2 else None},
            )  # fmt: skip

    await desk.transactions.run(begin)
    for _ in range(12):
        await desk.happen(*(mql() for _ in range(5)))
    documents = [json.dumps(row.document) for row in await desk.rows(select(pools))]
    sizes = sorted(map(len, documents), reverse=True)
    assert sizes[0] < 200_000  # everybody in full, once
    assert sizes[1] < 1_000
    assert (await replays(desk))["items"] == []
