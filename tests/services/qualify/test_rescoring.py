"""A new version takes on the open leads: all of them, once, whatever ends the process."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from services.qualify.domain.lifecycle import Lead
from services.qualify.handlers.definitions import create_definition, publish_definition
from services.qualify.handlers.rescoring import continue_rescore
from services.qualify.service import MIGRATIONS, NAME, build
from services.qualify.settings import Settings
from services.qualify.store.aggregates import DECISIONS, RESCORES
from services.qualify.store.tables import decisions
from services.qualify.store.unit import Qualify
from shared.bus.local import LocalBus
from shared.contracts.definition import DefinitionBody
from shared.contracts.events import LeadNurtured, LeadQualified, LeadScored
from shared.contracts.vocabulary import Stage
from shared.db.database import Database
from shared.db.errors import Conflict
from shared.db.migrations import migrate
from shared.runtime import failpoints
from shared.runtime.clock import FixedClock
from shared.runtime.parts import Alarm
from shared.runtime.service import Infra
from shared.runtime.unit import Transactions
from shared.web.links import Links
from tests.shared.scorecard.documents import small as definition

from .conftest import NOW, STUDENT, VP, activity, captured
from .test_api import URL, create
from .test_consume import outcome, rejected

DAY = timedelta(days=1)


async def publish(qualify, **changes):
    made = await create(qualify, exploration_rate=0, **changes)
    await qualify.client.post(f"{URL}/{made['version']}/publish")
    qualify.events()
    return made["version"]


async def runs(qualify):
    return (await qualify.client.get("/qualify/v1/rescores")).json()["items"]


def transactions(qualify):
    return Transactions(qualify.db, qualify.clock, Qualify)


async def finish(qualify, limit=7):
    work = transactions(qualify)
    while await work.run(lambda unit: continue_rescore(unit, limit)) is not None:
        pass


async def test_open_leads_move_by_the_new_version_and_others_stay(qualify):
    clerk = {**STUDENT, "job_title": "Clerk", "email_type": "business"}
    await qualify.take(
        *(captured(f"n{n}", {"job_title": "VP"}) for n in range(3)),
        captured("clerk", clerk),
        captured("mql", VP),
        captured("won", VP),
        captured("out", {**VP, "industry": "Gambling"}),
    )
    await qualify.take(outcome("won", "SQL"), outcome("won", "WON"))
    qualify.events()
    version = await publish(qualify)
    (begun,) = await runs(qualify)
    assert (begun["version"], begun["status"], begun["total"]) == (version, "running", 5)
    await finish(qualify, limit=2)
    told = qualify.events()
    assert {(one.lead_id, type(one)) for one in told} == {
        *((f"n{n}", LeadQualified) for n in range(3)),
        ("clerk", LeadScored),
        ("mql", LeadScored),
    }
    assert len(told) == 5
    assert {one.definition_version for one in told} == {version}
    (done,) = await runs(qualify)
    assert (done["status"], done["done"], done["moved"]) == ("done", 5, 3)
    assert done["finished_at"] is not None
    one = await qualify.client.get(f"/qualify/v1/rescores/{done['rescore_id']}")
    assert one.json() == done
    assert (await qualify.client.get("/qualify/v1/rescores/nothing")).status_code == 404
    history = (await qualify.score("n0"))["history"]
    assert [(entry["trigger"], entry["stage"]) for entry in history] == [
        ("rescored", "MQL"),
        ("captured", "NURTURE"),
    ]
    assert (await qualify.score("won"))["stage"] == "WON"


async def test_a_lead_that_a_rep_turned_down_is_not_offered_again_for_a_new_version_alone(qualify):
    await qualify.take(captured("x", VP), captured("y", VP))
    await qualify.take(rejected("x", "NOT_A_BUYER"), rejected("y", "NOT_A_BUYER"))
    qualify.clock.advance(DAY)
    await qualify.take(activity("y", "page_viewed", VP, NOW + DAY))
    await publish(qualify)
    await finish(qualify)
    told = {one.lead_id: type(one) for one in qualify.events()}
    assert told == {"x": LeadScored, "y": LeadQualified}


async def test_a_recycled_lead_comes_back_for_another_version_once_it_has_rested(qualify):
    await qualify.take(captured("rests", VP), captured("back", VP))
    await qualify.take(outcome("back", "RECYCLED"))
    qualify.clock.advance(4 * DAY)
    await qualify.take(outcome("rests", "RECYCLED", NOW + 4 * DAY))
    qualify.clock.advance(2 * DAY)
    await publish(qualify)
    await finish(qualify)
    told = {one.lead_id: type(one) for one in qualify.events()}
    assert told == {"rests": LeadScored, "back": LeadQualified}


async def test_nobody_is_explored_by_re_scoring(qualify):
    await qualify.take(*(captured(f"n{n}", STUDENT) for n in range(30)))
    qualify.events()
    made = await create(qualify, exploration_rate=0.5)
    await qualify.client.post(f"{URL}/{made['version']}/publish")
    qualify.events()
    await finish(qualify, limit=50)
    assert {type(one) for one in qualify.events()} == {LeadScored}


async def test_another_version_ends_what_the_one_before_had_begun(qualify):
    await qualify.take(*(captured(f"n{n}", {"job_title": "VP"}) for n in range(6)))
    first = await publish(qualify)
    work = transactions(qualify)
    assert await work.run(lambda unit: continue_rescore(unit, 2)) == 2
    second = await publish(qualify, threshold=40)
    newest, older = await runs(qualify)
    assert (newest["version"], newest["status"], newest["total"]) == (second, "running", 6)
    assert (older["version"], older["status"], older["done"]) == (first, "superseded", 2)
    await finish(qualify)
    newest, older = await runs(qualify)
    assert (newest["status"], newest["done"], older["done"]) == ("done", 6, 2)


async def test_a_run_that_was_cut_off_goes_on_where_it_was(qualify, monkeypatch):
    await qualify.take(*(captured(f"n{n:02}", {"job_title": "VP"}) for n in range(20)))
    nurtured = sum(isinstance(one, LeadNurtured) for one in qualify.events())
    await publish(qualify)
    cut = []

    def fail(where, who):
        if where == "before-commit" and len(cut) < 3:
            cut.append(who)
            raise RuntimeError("the power went")

    monkeypatch.setattr(failpoints, "reached", fail)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await finish(qualify, limit=3)
    await finish(qualify, limit=3)
    told = qualify.events()
    assert sorted(one.lead_id for one in told) == [f"n{n:02}" for n in range(20)]
    (done,) = await runs(qualify)
    assert (done["done"], done["moved"], done["status"]) == (20, nurtured, "done")
    with qualify.db.connect() as conn:
        count = conn.execute(
            select(func.count()).where(decisions.c.trigger == "rescored")
        ).scalar_one()
    assert count == 20


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_several_processes_share_one_run(qualify, database_url):
    await qualify.take(*(captured(f"n{n:02}", {"job_title": "VP"}) for n in range(40)))
    await publish(qualify)
    others = [Database.open(database_url, NAME) for _ in range(3)]
    works = [Transactions(db, qualify.clock, Qualify) for db in others]

    async def go_on(work):
        for _ in range(40):
            try:
                await work.run(lambda unit: continue_rescore(unit, 3))
            except Conflict:
                continue

    visits = [activity(f"n{n:02}", "page_viewed", {"job_title": "VP"}) for n in range(40)]
    await asyncio.gather(*map(go_on, works), qualify.take(*visits))
    await finish(qualify)
    for db in others:
        db.close()
    with qualify.db.connect() as conn:
        made = DECISIONS.items(
            conn.execute(DECISIONS.query().where(decisions.c.trigger == "rescored"))
        )
        (run,) = RESCORES.items(conn.execute(RESCORES.query()))
    assert sorted(one.lead_id for one in made) == [f"n{n:02}" for n in range(40)]
    assert (run.done, run.status) == (40, "done")


def test_publishing_while_leads_are_scored_is_found_out():
    """The place of a run is fenced: whoever began with the version before writes nothing."""
    unit = Qualify(NOW)
    body = DefinitionBody.model_validate(definition())
    for _ in range(2):
        create_definition(unit, body)
    publish_definition(unit, 1)
    assert unit.rescores.all() == []  # nobody was scored otherwise before
    unit.leads.hold([Lead("x", NOW, Stage.NURTURE), Lead("y", NOW, Stage.WON)])
    publish_definition(unit, 2)
    (run,) = unit.rescores.all()
    assert (run.total, run.version) == (1, 2)
    assert continue_rescore(unit, 10) == 1
    assert continue_rescore(unit, 10) == 0
    assert continue_rescore(unit, 10) is None
    assert RESCORES.fence == ("status", "cursor")


async def test_the_part_starts_with_a_publish_keeps_its_pace_and_rests(database_url, access):
    db = Database.open(database_url, NAME)
    migrate(db, MIGRATIONS)
    clock = FixedClock(NOW)
    infra = Infra(db, LocalBus(lambda name: db), access, clock, Links())
    service = build(Settings(rescore_per_second=400), infra)
    assert service.seed is not None
    service.seed()
    work = Transactions(db, clock, Qualify)
    leads = [Lead(f"n{n:03}", NOW, Stage.NURTURE, facts=VP) for n in range(300)]

    def begin(unit):
        for lead in leads:
            unit.leads.put(lead)
        made = create_definition(unit, DefinitionBody.model_validate(definition()))
        publish_definition(unit, made.version)

    work.run_here(begin)
    alarm = next(part for part in service.parts if isinstance(part, Alarm))
    begun = asyncio.get_running_loop().time()
    await alarm.start()
    for _ in range(400):
        with db.connect() as conn:
            (run,) = RESCORES.items(conn.execute(RESCORES.query()))
        if run.status == "done":
            break
        await asyncio.sleep(0.02)
    took = asyncio.get_running_loop().time() - begun
    assert (run.status, run.done, run.moved) == ("done", 300, 300)
    assert took > 0.5  # three times a hundred, at 400 a second
    assert await alarm.check() is None
    await alarm.stop()
    db.close()
