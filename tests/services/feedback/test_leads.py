"""The list of leads: who is found by what, in which order, by whom."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from services.feedback.domain.people import person_of, wanted
from services.feedback.store import leads
from services.feedback.store.tables import lead_stages
from shared.access import Role
from shared.contracts.envelope import Event
from shared.contracts.events import ContactUpdated, LeadCaptured
from shared.contracts.vocabulary import RejectReason, Stage
from shared.runtime.retention import first_id_of
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import START, Life, event_of
from tests.services.feedback.visits import Visit

PEOPLE: dict[str, dict[str, Any]] = {
    "ines": {
        "first_name": "Inês", "last_name": "Müller-Costa", "company": "Açores Ferragens Lda",
        "email": "Ines.Costa@ferragens.example", "phone": "+351912345678",
    },
    "bob": {"first_name": "Bob", "last_name": "Brown", "company": "Costa Coffee",
            "email": "bob@brown.example"},
    "nobody": {"phone": "+44 20 7946 0018"},
    "odd": {"first_name": "=cmd()", "last_name": "O'Neill", "email": "x@odd.example"},
}  # fmt: skip


def who(lead_id: str, contact: dict[str, Any]) -> Event[Any]:
    return event_of(ContactUpdated(lead_id=lead_id, **contact), START)


def lead_of(name: str) -> str:
    """A lead's id: they came in one after the other, a day apart."""
    return first_id_of(START + timedelta(days=list(PEOPLE).index(name)))


@pytest_asyncio.fixture
async def desk(callers: Callers) -> AsyncIterator[httpx.AsyncClient]:
    """Four leads at four stages, and an admin."""
    lives = {
        name: Life(lead_id=lead_of(name), at=START + timedelta(days=day), source=f"s{day % 2}")
        for day, name in enumerate(PEOPLE)
    }
    lives["ines"].captured().qualified().assigned("ana").acknowledged().accepted()
    lives["bob"].captured().qualified().assigned("ben")
    lives["nobody"].captured().qualified().assigned("ana").rejected(RejectReason.SPAM).nurtured()
    lives["odd"].captured().nurtured()
    events = [event for life in lives.values() for event in life.events]
    events += [who(lead_of(name), contact) for name, contact in PEOPLE.items()]
    await callers.feedback.read(events)
    async with await callers.client(Role.ADMIN) as client:
        yield client


async def names(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    found = await client.get("/feedback/v1/leads", params=asked)
    assert found.status_code == 200, found.text
    by_id = {lead_of(name): name for name in PEOPLE}
    return [by_id[one["lead_id"]] for one in found.json()["items"]]


FOUND_BY: dict[str, list[str]] = {
    "ines": ["ines"],
    "INÊS": ["ines"],
    "muller": ["ines"],
    "costa": ["bob", "ines"],
    "costa cof": ["bob"],
    "bob@brown.example": ["bob"],
    "bob@br": ["bob"],
    "ferragens.ex": ["ines"],
    "acores": ["ines"],
    "912 345 678": ["ines"],
    "00351 912345": ["ines"],
    "020 7946": ["nobody"],
    "o'neill": ["odd"],
    "oneill": [],
    "nobody at all": [],
    "%": [],
    "_ _": [],
    "i": [],
    "": ["odd", "nobody", "bob", "ines"],
}


async def test_found_by(desk: httpx.AsyncClient) -> None:
    assert {typed: await names(desk, q=typed) for typed in FOUND_BY} == FOUND_BY


async def test_found_by_id(desk: httpx.AsyncClient) -> None:
    assert await names(desk, q=lead_of("bob")) == ["bob"]
    assert await names(desk, q=f" {lead_of('bob').upper()} ") == ["bob"]


async def test_filters(desk: httpx.AsyncClient) -> None:
    assert await names(desk, stage="ACCEPTED") == ["ines"]
    assert await names(desk, stage=["ACCEPTED", "ASSIGNED"]) == ["bob", "ines"]
    assert await names(desk, rep_id="ben") == ["bob"]
    assert await names(desk, source="s1") == ["odd", "bob"]
    assert await names(desk, campaign="autumn", q="costa") == ["bob", "ines"]
    assert await names(desk, campaign="winter") == []
    assert await names(desk, email="INES.costa@ferragens.example") == ["ines"]
    assert await names(desk, email="ines.costa@ferragens") == []
    day = (START + timedelta(days=1)).date().isoformat()
    assert await names(desk, captured_from=day) == ["odd", "nobody", "bob"]
    assert await names(desk, captured_to=day) == ["ines"]
    assert await names(desk, sort="captured_at") == ["ines", "bob", "nobody", "odd"]
    assert await names(desk, sort="since") == ["ines", "bob", "nobody", "odd"]


async def test_page_by_page(desk: httpx.AsyncClient) -> None:
    for sort in ("captured_at", "-captured_at", "-since", "since", "-score", "score"):
        whole = await names(desk, sort=sort)
        seen: list[str] = []
        asked: dict[str, Any] = {"sort": sort, "limit": 1}
        for _ in range(5):
            page = (await desk.get("/feedback/v1/leads", params=asked)).json()
            seen += [one["lead_id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            asked["cursor"] = page["next_cursor"]
        assert seen == [lead_of(name) for name in whole], sort
        assert len(seen) == 4


async def test_page_by_page_with_what_is_unknown(desk: httpx.AsyncClient, callers: Callers) -> None:
    unknown = [lead_of("ines"), lead_of("nobody")]
    change = update(lead_stages).where(lead_stages.c.lead_id.in_(unknown))
    await callers.feedback.db.write(
        lambda conn: conn.execute(change.values(since=None, score=None))
    )
    order = ["ines", "nobody", "bob", "odd"]
    for rising in ("since", "score"):
        assert await names(desk, sort=rising) == order
        assert await names(desk, sort=f"-{rising}") == order[::-1]
        for sort, wanted_order in ((rising, order), (f"-{rising}", order[::-1])):
            seen: list[str] = []
            asked: dict[str, Any] = {"sort": sort, "limit": 1}
            while len(seen) < 5:
                page = (await desk.get("/feedback/v1/leads", params=asked)).json()
                seen += [one["lead_id"] for one in page["items"]]
                if page["next_cursor"] is None:
                    break
                asked["cursor"] = page["next_cursor"]
            assert seen == [lead_of(name) for name in wanted_order], sort


@pytest.mark.parametrize("scanned", [1, 3, 100])
async def test_frequent_words_find_the_same(
    desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, scanned: int
) -> None:
    monkeypatch.setattr(leads, "FEW", 0)
    monkeypatch.setattr(leads, "SCANNED", scanned)
    assert {typed: await names(desk, q=typed) for typed in FOUND_BY} == FOUND_BY
    assert await names(desk, q="example", sort="since") == ["ines", "bob", "odd"]
    assert await names(desk, q="example", stage=["ACCEPTED", "NURTURE"]) == ["odd", "ines"]
    assert await names(desk, q="costa", limit=1) == ["bob"]
    for typed, found in FOUND_BY.items():
        asked = {"q": typed, "count": True}
        counted = (await desk.get("/feedback/v1/leads", params=asked)).json()["count"]
        assert counted == len(found), typed
    monkeypatch.setattr(leads, "COUNTED", 1)
    counted = (await desk.get("/feedback/v1/leads", params={"q": "ex", "count": True})).json()
    assert counted["count"] == 2, "more than are counted"


async def test_what_cannot_be_asked(desk: httpx.AsyncClient) -> None:
    unknown = await desk.get("/feedback/v1/leads", params={"emial": "x@y.example"})
    assert unknown.status_code == 400
    assert "Did you mean email?" in unknown.json()["detail"]
    assert "x@y" not in unknown.text
    first = (await desk.get("/feedback/v1/leads", params={"limit": 1})).json()["next_cursor"]
    for params in ({"cursor": first, "sort": "-since"}, {"cursor": "AAAA"}, {"cursor": "!"}):
        assert (await desk.get("/feedback/v1/leads", params=params)).status_code == 400, params
    wrong: list[dict[str, str]] = [{"stage": "PARKED"}, {"captured_from": "soon"}, {"sort": "name"}]
    for params in wrong:
        assert (await desk.get("/feedback/v1/leads", params=params)).status_code == 422, params


async def test_counted(desk: httpx.AsyncClient) -> None:
    found = await desk.get("/feedback/v1/leads", params={"count": True, "limit": 1})
    assert found.json()["count"] == 4


async def test_a_rep_finds_what_they_have(desk: httpx.AsyncClient, callers: Callers) -> None:
    async with await callers.client(Role.REP, "ana") as ana:
        # What ana turned down is somebody else's to see.
        assert await names(ana) == ["ines"]
        assert await names(ana, q="bob") == []
        assert await names(ana, rep_id="ben") == []
    async with await callers.client(Role.REP, "ben") as ben:
        assert await names(ben) == ["bob"]
    async with await callers.client(Role.FORM) as form:
        assert (await form.get("/feedback/v1/leads")).status_code == 403
    async with await callers.client(Role.MANAGER, "mia") as manager:
        assert len(await names(manager)) == 4


async def test_as_a_table(desk: httpx.AsyncClient) -> None:
    found = await desk.get("/feedback/v1/leads.csv", params={"sort": "captured_at"})
    assert found.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(found.text)))
    assert [row["lead_id"] for row in rows] == [lead_of(name) for name in PEOPLE]
    assert rows[0]["company"] == "Açores Ferragens Lda"
    assert rows[3]["name"] == "'=cmd() O'Neill"
    assert rows[0]["phone"] == "'+351912345678"


async def test_who_somebody_was_is_forgotten_with_a_change(
    desk: httpx.AsyncClient, callers: Callers
) -> None:
    await callers.feedback.read(
        [
            who(lead_of("bob"), {"first_name": "Robert", "email": "rob@brown.example"}),
            who(lead_of("bob"), {"first_name": "Rob", "email": "rob@brown.example"}),
        ]
    )
    assert await names(desk, q="bob") == []
    assert await names(desk, q="robert") == []
    assert await names(desk, q="costa cof") == []
    assert await names(desk, q="rob") == ["bob"]
    assert await names(desk, email="bob@brown.example") == []


async def test_contact_may_come_before_the_lead(callers: Callers) -> None:
    lead_id = first_id_of(START)
    await callers.feedback.read([who(lead_id, PEOPLE["bob"])])
    async with await callers.client(Role.ADMIN) as admin:
        assert (await admin.get("/feedback/v1/leads", params={"q": "bob"})).json()["items"] == []
        await callers.feedback.read(Life(lead_id=lead_id).captured().events)
        (lead,) = (await admin.get("/feedback/v1/leads", params={"q": "bob"})).json()["items"]
    assert (lead["name"], lead["stage"]) == ("Bob Brown", Stage.INQUIRY)


async def test_the_form_is_known(callers: Callers) -> None:
    life = Life().captured()
    data: LeadCaptured = life.events[0].data
    attribution = data.attribution.model_copy(update={"form_id": "demo"})
    told = data.model_copy(update={"attribution": attribution})
    await callers.feedback.read([event_of(told, life.at)])
    async with await callers.client(Role.ADMIN) as admin:
        found = await admin.get("/feedback/v1/leads", params={"form_id": "demo"})
    assert [one["lead_id"] for one in found.json()["items"]] == [life.lead_id]


def test_words_have_a_bound() -> None:
    long = person_of("x", {"first_name": "ab " * 500, "email": "a" * 300 + "@b.example"})
    assert len(long.words) <= 40
    assert max(map(len, long.words)) <= 64
    assert wanted("a" * 300 + "@b.example").beginnings == ("a" * 64,)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_somebody_looks_for_a_lead(
    desk: httpx.AsyncClient, callers: Callers, visit: Visit
) -> None:
    await visit.log_in(Role.MARKETER)
    text = await visit.go("/feedback/leads")
    assert "4 leads" in text
    assert await visit.fits()
    await visit.page.get_by_label("Name, company, e-mail, phone or id").fill("costa")
    await visit.page.get_by_role("button", name="Find").click()
    text = await visit.text()
    assert "2 leads" in text
    assert "Inês Müller-Costa" in text
    await visit.page.get_by_text("More filters and order").click()
    await visit.page.get_by_label("Stage").select_option("ACCEPTED")
    await visit.page.get_by_role("button", name="Find").click()
    text = await visit.text()
    assert "1 lead" in text
    assert "Bob" not in text
    link = visit.page.get_by_role("link", name="Inês Müller-Costa")
    assert (await link.get_attribute("href") or "").endswith(f"/routing/leads/{lead_of('ines')}")
    async with visit.page.expect_download() as download:
        await visit.page.get_by_role("link", name="Download as CSV").click()
    assert "Açores" in (await (await download.value).path()).read_text()
    assert "No lead fits" in await visit.go("/feedback/leads?q=zzz")
    assert "Captured from" in await visit.go("/feedback/leads?captured_from=soon&q=costa")
    await visit.log_in(Role.REP, "ana")
    text = await visit.go("/feedback/leads")
    assert "Your leads" in text
    assert "Bob" not in text
    assert "1 lead" in text
