"""Marketing's wishes, and looks: when one is due, one at a time, and never stuck."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.feedback.handlers import learning
from services.feedback.looking import LEARNER, Looking
from services.feedback.store import queries
from services.feedback.store.unit import Feedback as Unit
from shared.access import Role
from shared.contracts.definition import DefinitionDocument
from shared.contracts.events import DefinitionPublished
from shared.contracts.vocabulary import RejectReason
from shared.runtime.jobs import JobBusy, JobFailed, Jobs
from shared.runtime.unit import Transactions
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import (
    START,
    Feedback,
    Life,
    answer_life,
    definition_of,
    event_of,
    found,
    learnable,
    published,
    suggestion,
)

URL = "/feedback/v1/learning"


class Learner:
    """In the place of the jobs: answers what it is told to, and keeps what it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer or proposal
        self.asked: list[dict[str, Any]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def run(self, module: str, request: Any, timeout: float) -> Any:
        assert module == LEARNER
        self.asked.append(request)
        await self.go.wait()
        found = self.answer(request)
        if isinstance(found, Exception):
            raise found
        return found


def taken(request: dict[str, Any], answers: int) -> dict[str, Any]:
    look = {"at": request["now"].isoformat(), "answers": answers, "alpha": 0.02, "proposed": True}
    return {"taken": [*request["looks"].get("taken", []), look]}


def proposal(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "proposal",
        "definition": definition_of({"size": 40, "title": 20}),
        "changes": [{"what": "Criterion size: points", "before": "+30", "after": "+40", "n": 1}],
        "evidence": {"label": "accepted"},
        "flips": {"in": [], "out": []},
        "retarget": False,
        "status": {"answers": 120, "drift": {"text": ["none"]}, "reps": [], "warnings": ["leak"]},
        "looks": taken(request, 120),
    }


def nothing(request: dict[str, Any], looked: bool = True) -> dict[str, Any]:
    return {
        "kind": "nothing",
        "reason": "no_better",
        "text": "Nothing does better.",
        "looked": looked,
        "missing_answers": None,
        "status": {"answers": 120},
        "evidence": None,
        "looks": taken(request, 120) if looked else request["looks"],
    }


def looking(feedback: Feedback, learner: Learner | Jobs) -> Looking:
    transactions: Transactions[Unit] = feedback.transactions
    made = Looking(transactions, learner, every=0.01, timeout=120)  # type: ignore[arg-type]
    transactions._make = lambda now, conn: Unit(now, conn, heard=made.heard)
    return made


async def answered(feedback: Feedback, good: int, bad: int) -> None:
    lives = [answer_life("accepted", ("size",)) for _ in range(good)]
    lives += [answer_life(RejectReason.OUTSIDE_ICP, ()) for _ in range(bad)]
    await feedback.read([event for life in lives for event in life.events])


async def test_a_look_is_taken_when_there_are_enough_answers(feedback: Feedback) -> None:
    learner = Learner(nothing)
    one = looking(feedback, learner)
    await answered(feedback, 60, 40)
    await one.run()
    assert learner.asked == []  # no definition yet
    await feedback.read([published()])
    await one.run()
    (request,) = learner.asked
    assert request["database"] == feedback.db.url
    assert request["base"] == definition_of({"size": 30, "title": 20}) | {"exploration_rate": 0.02}
    assert request["settings"]["min_answers"] == 100
    await one.run()
    await answered(feedback, 40, 39)  # half as many again as 120 are 180
    await one.run()
    assert len(learner.asked) == 1
    await answered(feedback, 1, 0)
    await one.run()
    assert len(learner.asked) == 2
    assert len(learner.asked[1]["looks"]["taken"]) == 1


async def test_what_is_found_is_applied_and_shown(callers: Callers) -> None:
    feedback = callers.feedback
    one = looking(feedback, Learner())
    await feedback.read([published()])
    await answered(feedback, 60, 60)
    async with await callers.client(Role.MARKETER) as client:
        before = (await client.get(URL)).json()
        assert (before["state"], before["last_look"]) == ("due", None)
        assert before["answers"]["count"] == 120
        await one.run()
        after = (await client.get(URL)).json()
    (made,) = await feedback.proposals()
    assert (made["status"], made["answers"]) == ("open", 120)
    assert made["evidence"]["base"]["threshold"] == 20
    assert (after["state"], after["open_proposal"]) == ("collecting", made["proposal_id"])
    assert (after["last_look"]["done"], after["warnings"]) == ("proposed", ["leak"])
    assert after["next_look"] == {"at_answers": 180, "missing": 60, "asked_at": None}


async def test_a_look_that_came_too_early_is_not_taken_all_the_time(feedback: Feedback) -> None:
    learner = Learner(lambda request: nothing(request, looked=False))
    one = looking(feedback, learner)
    await feedback.read([published()])
    await answered(feedback, 120, 0)
    for _ in range(3):
        one.heard()
        await one.run()
    assert len(learner.asked) == 1
    await answered(feedback, 10, 0)
    await one.run()
    assert len(learner.asked) == 2
    feedback.clock.advance(timedelta(hours=2))
    one.heard()
    one._short = type(one._short)()
    await one.run()
    assert len(learner.asked) == 3
    schedule = await feedback.ask(queries.schedule)
    assert schedule.looked_at is None
    assert (schedule.last or {})["too_early"]["answers"] == 120


async def test_a_look_that_came_too_early_leaves_the_one_before_it(callers: Callers) -> None:
    feedback, learner = callers.feedback, Learner(nothing)
    one = looking(feedback, learner)
    await feedback.read([published()])
    await answered(feedback, 60, 60)
    await one.run()
    async with await callers.client(Role.MARKETER) as client:
        real = (await client.get(URL)).json()["last_look"]
        learner.answer = lambda request: nothing(request, looked=False)
        feedback.clock.advance(timedelta(minutes=5))
        await client.post(f"{URL}/look")
        one.heard()
        await one.run()
        last = (await client.get(URL)).json()["last_look"]
        early = last.pop("too_early")
        assert last == real
        assert (early["answers"], early["missing"]) == (120, "Nothing does better.")
        assert early["at"] > real["at"]
        learner.answer = nothing
        feedback.clock.advance(timedelta(hours=2))
        await client.post(f"{URL}/look")
        one.heard()
        await one.run()
        last = (await client.get(URL)).json()["last_look"]
        assert "too_early" not in last
        assert last["at"] > real["at"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"label": "won"}, "another idea of a good lead"),
        ({"target": {"acceptance": 0.3}}, "another target"),
        ({"locks": {"criteria": ["size"]}}, "criterion size"),
        ({"locks": {"facts": ["fields.country"]}}, "fact fields.country"),
        ({"locks": {"criteria": ["title"]}}, "criterion title"),
        ({"locks": {"criteria": ["country"]}}, None),
        ({"locks": {"facts": ["fields.size"]}}, None),
        ({"limits": {"max_points": 30}}, None),
    ],
)
@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_wishes_that_go_against_the_open_proposal_withdraw_it(
    callers: Callers, change: dict[str, Any], why: str | None, edited: bool
) -> None:
    feedback = callers.feedback
    await feedback.read([published()])
    news = suggestion({"size": 40, "country": 25})
    assert await feedback.look(found(suggestion=news)) == "proposed"
    (made,) = await feedback.proposals()
    async with await callers.client(Role.MARKETER) as client:
        if edited:
            document = {**made["definition"], "threshold": 30}
            address = f"/feedback/v1/proposals/{made['proposal_id']}"
            assert (await client.put(address, json={"definition": document})).is_success
        assert (await client.put(URL, json=change)).status_code == 200
    (now,) = await feedback.proposals()
    withdrawn = why is not None and not edited
    assert now["status"] == ("withdrawn" if withdrawn else "open")
    assert not withdrawn or why in now["note"]


async def test_what_no_lead_has_had_is_said_and_kept(callers: Callers) -> None:
    feedback = callers.feedback
    await feedback.read([published()])
    life = Life(facts={"fields.size": 5}, at=START).captured().qualified()
    await feedback.read(life.events)
    async with await callers.client(Role.MARKETER) as client:
        facts = ["fields.size", "fields.budget", "country", "activity.any"]
        wanted = {"locks": {"facts": facts}, "trusted": ["activity.x.days_ago"]}
        kept = (await client.put(URL, json=wanted)).json()
        assert [one["pointer"] for one in kept["not_seen"]] == ["/locks/facts/1", "/trusted/0"]
        assert kept["not_seen"][0]["detail"] == "none of the newest leads has fields.budget"
        assert kept["locks"]["facts"] == facts


FAILURES: list[tuple[Callable[[Any], Any], bool]] = [
    (lambda _: JobFailed(500, "Something went wrong", "It ended without an answer."), True),
    (lambda _: {"kind": "proposal"}, True),
    (lambda request: {**proposal(request), "definition": {"threshold": 1}}, True),
    (lambda _: JobBusy(), False),
    (lambda _: JobFailed(503, "Try again", "Stopping.", headers={"Retry-After": "5"}), False),
]


@pytest.mark.parametrize(
    ("answer", "is_shown"), FAILURES, ids=["crash", "nonsense", "invalid", "busy", "stopped"]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_look_that_fails_is_taken_again(
    callers: Callers, answer: Callable[[Any], Any], is_shown: bool
) -> None:
    feedback, learner = callers.feedback, Learner(answer)
    one = looking(feedback, learner)
    await feedback.read([published()])
    await answered(feedback, 60, 60)
    await one.run()
    async with await callers.client(Role.MARKETER) as client:
        shown = (await client.get(URL)).json()
        assert (shown["failure"] is not None) == is_shown
        assert shown["state"] == ("retrying" if is_shown else "due")
        learner.answer = proposal
        if is_shown:
            await one.run()
            assert len(learner.asked) == 1
            feedback.clock.advance(timedelta(minutes=2))
        await one.run()
        assert len(learner.asked) == 2
        assert len(await feedback.proposals()) == 1
        assert (await client.get(URL)).json()["failure"] is None


async def test_one_at_a_time_among_all_processes(feedback: Feedback) -> None:
    first, second = Learner(nothing), Learner(nothing)
    await feedback.read([published()])
    await answered(feedback, 60, 60)
    first.go.clear()
    mine, theirs = looking(feedback, first), looking(feedback, second)
    running = asyncio.create_task(mine.run())
    while not first.asked:
        await asyncio.sleep(0.01)
    await theirs.run()
    assert second.asked == []
    first.go.set()
    await running
    theirs.heard()
    await theirs.run()
    assert second.asked == []


async def test_a_process_that_died_is_not_waited_for_and_may_not_come_back(
    feedback: Feedback,
) -> None:
    dead, alive = Learner(), Learner(nothing)
    await feedback.read([published()])
    await answered(feedback, 60, 60)
    dead.go.clear()
    running = asyncio.create_task(looking(feedback, dead).run())
    while not dead.asked:
        await asyncio.sleep(0.01)
    feedback.clock.advance(timedelta(seconds=61))
    await looking(feedback, alive).run()
    assert len(alive.asked) == 1
    dead.go.set()
    await running
    assert await feedback.proposals() == []
    schedule = await feedback.ask(queries.schedule)
    assert schedule.last is not None
    assert (schedule.last["done"], schedule.lease) == ("nothing", None)


async def test_while_an_approval_is_on_its_way_no_look_is_spent(callers: Callers) -> None:
    feedback, learner = callers.feedback, Learner()
    one = looking(feedback, learner)
    await feedback.read([published()])
    await answered(feedback, 60, 60)
    await one.run()
    (made,) = await feedback.proposals()
    async with await callers.client(Role.MARKETER) as client:
        await client.post(f"/feedback/v1/proposals/{made['proposal_id']}/approve")
        await client.post(f"{URL}/look")
        await one.run()
        assert len(learner.asked) == 1
        await feedback.read([published(2, {"size": 40}, made["proposal_id"])])
        await one.run()
        assert len(learner.asked) == 2


async def test_a_look_may_be_asked_for(callers: Callers) -> None:
    feedback, learner = callers.feedback, Learner(nothing)
    one = looking(feedback, learner)
    async with await callers.client(Role.MARKETER) as client:
        assert (await client.post(f"{URL}/look")).status_code == 409
        await feedback.read([published()])
        await answered(feedback, 1, 1)
        answer = await client.post(f"{URL}/look")
        assert (answer.status_code, answer.json()["state"]) == (202, "due")
        one.look()
        await one.run()
        assert len(learner.asked) == 1
        shown = (await client.get(URL)).json()
        assert (shown["state"], shown["last_look"]["missing"]) == (
            "collecting",
            "Nothing does better.",
        )
    async with await callers.client(Role.SERVICE) as client:
        assert (await client.post(f"{URL}/look")).status_code == 403
        assert (await client.get(URL)).status_code == 200


async def test_wishes_are_kept_and_reach_the_learner(callers: Callers) -> None:
    feedback, learner = callers.feedback, Learner(nothing)
    one = looking(feedback, learner)
    await feedback.read([published()])
    await answered(feedback, 30, 30)
    async with await callers.client(Role.MARKETER) as client:
        first = (await client.get(URL)).json()
        assert (first["label"], first["target"], first["updated_at"]) == ("accepted", None, None)
        wanted = {
            "label": "accepted",
            "target": {"per_rep_week": 10},
            "locks": {"facts": ["country"], "criteria": ["size"]},
            "limits": {"max_points": 25, "min_answers": 50},
            "signs": {"employees": "more"},
        }
        kept = (await client.put(URL, json=wanted)).json()
        assert kept["locks"] == wanted["locks"]
        assert kept["updated_by"]
        stale = {**wanted, "updated_at": "2020-01-01T00:00:00Z"}
        assert (await client.put(URL, json=stale)).status_code == 409
        fresh = {**wanted, "updated_at": kept["updated_at"]}
        assert (await client.put(URL, json=fresh)).status_code == 200
    await one.run()
    settings = learner.asked[0]["settings"]
    assert settings["target"] == {"leads_per_rep": 10, "reps": 1}
    assert (settings["never"], settings["fixed"]) == (["country"], ["size"])
    assert (settings["max_points"], settings["min_answers"]) == (25, 50)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"label": "liked"}, "/label"),
        ({"target": {"acceptance": 40}}, "/target/acceptance"),
        ({"target": {"speed": 1}}, "/target/speed"),
        ({"target": {}}, "/target"),
        ({"locks": {"facts": ["country", "employes"]}}, "/locks/facts/1"),
        ({"locks": {"facts": ["fields.a\x00"]}}, "/locks/facts/0"),
        ({"locks": {"criteria": ["siz"]}}, "/locks/criteria/0"),
        ({"signs": {"employes": "more"}}, "/signs/employes"),
        ({"trusted": ["budgets"]}, "/trusted/0"),
        ({"limits": {"max_criteria": 0}}, "/limits/max_criteria"),
        ({"limits": {"max_criterias": 3}}, "/limits/max_criterias"),
        ({"locks": {"criteria": ["size", "tit\x00le"]}}, "/locks/criteria/1"),
        ({"signs": {"": "more"}}, "/signs/"),
        ({"signs": {"a\x00/b": "more"}}, "/signs/a\x00~1b"),
        ({"signs": {"employees": "up"}}, "/signs/employees"),
        ({"locks": {"fact": ["x"]}}, "/locks/fact"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_wishes_that_make_no_sense_name_their_place(
    callers: Callers, body: dict[str, Any], pointer: str
) -> None:
    await callers.feedback.read([published()])
    async with await callers.client(Role.MARKETER) as client:
        answer = await client.put(URL, json=body)
        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
        assert (await client.get(URL)).json()["updated_at"] is None
    async with await callers.client(Role.SERVICE) as client:
        assert (await client.put(URL, json={})).status_code == 403


async def test_the_answers_are_not_counted_before_there_can_be_enough(feedback: Feedback) -> None:
    one = looking(feedback, Learner())
    await feedback.read([published()])
    await answered(feedback, 20, 20)
    await one.run()
    short = one._short
    await answered(feedback, 10, 10)
    await one.run()
    assert one._short is short
    await answered(feedback, 20, 20)
    await one.run()
    assert one._short is not short


async def test_a_lease_is_kept_by_saying_so(feedback: Feedback) -> None:
    await feedback.read([published()])

    def begin(unit: Unit) -> str:
        learning.ask(unit)
        begun = learning.begin(unit, 0)
        assert begun is not None
        return begun.lease

    lease = await feedback.transactions.run(begin)
    feedback.clock.advance(timedelta(seconds=50))
    assert await feedback.transactions.run(lambda unit: learning.carry_on(unit, lease))
    feedback.clock.advance(timedelta(seconds=50))
    assert await feedback.transactions.run(lambda unit: learning.begin(unit, 999)) is None
    assert not await feedback.transactions.run(lambda unit: learning.carry_on(unit, "another"))


async def test_the_real_learner_in_a_process_of_its_own(callers: Callers) -> None:
    """From leads and answers to a proposal, an edit, an approval and the next look."""
    feedback, jobs = callers.feedback, Jobs("jobs")
    one = looking(feedback, jobs)
    await feedback.read([published(), *learnable(240, START)])
    feedback.clock.advance(timedelta(days=61))
    await one.run()
    async with await callers.client(Role.MARKETER) as client:
        status = (await client.get(URL)).json()
        assert (status["failure"], status["last_look"]["done"]) == (None, "proposed")
        assert status["reps"] is not None
        assert status["drift"]["text"]
        assert status["exploration"]["rate"] == 0.02
        (short,) = (await client.get("/feedback/v1/proposals")).json()["items"]
        assert "in" not in short["evidence"]["flips"]
        address = f"/feedback/v1/proposals/{short['proposal_id']}"
        made = (await client.get(address)).json()
        assert any(change["why"] for change in made["changes"])
        assert isinstance(made["evidence"]["flips"]["in"], list)
        document = {**made["definition"], "note": "with sales"}
        assert (await client.put(address, json={"definition": document})).status_code == 200
        approved = (await client.post(f"{address}/approve")).json()
        assert approved["definition"]["note"] == "with sales"
        (_, event) = await feedback.sent("definition.proposed")
        body = DefinitionDocument(**event["definition"], version=2, status="published")
        at = feedback.clock.now()
        data = DefinitionPublished(
            definition=body, published_at=at, proposal_id=made["proposal_id"]
        )
        await feedback.read([event_of(data, at)])
        await client.post(f"{URL}/look")
        await one.run()
        status = (await client.get(URL)).json()
        last = status["last_look"]
        assert last["done"] == "proposed", "the last that said something stays"
        assert last["too_early"]["missing"]
        (made,) = (await client.get("/feedback/v1/proposals")).json()["items"]
        assert made["follow_up"]["too_early"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_stop_breaks_a_look_off_and_leaves_nothing_behind(
    feedback: Feedback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.feedback.looking.LEARNER", "tests.services.feedback.sleeper")
    jobs = Jobs("jobs")
    one = looking(feedback, jobs)
    await feedback.read([published()])
    await answered(feedback, 60, 60)
    await one.start()
    async with asyncio.timeout(60):
        while not jobs._tasks:
            await asyncio.sleep(0.01)
        for part in (jobs, one):
            await part.stop()
    schedule = await feedback.ask(queries.schedule)
    assert (schedule.lease, schedule.failures) == (None, 0)
