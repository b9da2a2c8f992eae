"""What marketing reads: events page by page, as they come, and as a table."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio

from services.feedback import tail
from services.feedback.http import events
from services.feedback.store import feedback_log
from shared.access import Role
from tests.services.feedback.lives import START, Life
from tests.services.feedback.marketing import Marketing, leads_of, open_marketing

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is no different on the other."""


@pytest_asyncio.fixture
async def marketing(database_url: str) -> AsyncIterator[Marketing]:
    async with open_marketing(database_url) as made:
        yield made


@dataclass
class Stream:
    """A reader of server-sent events, as any client has one."""

    lines: Any
    last_id: str = ""
    comments: int = 0
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    async def next(self) -> tuple[str, str, str]:
        """The next event: its id, kind and data."""
        kind, data = "message", ""
        async for line in self.lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line.startswith(":"):
                self.comments += 1
            elif name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data += value
            elif not line and data:
                self.seen.append((self.last_id, kind, data))
                return self.seen[-1]
        raise EOFError

    async def leads(self, many: int) -> list[str]:
        """The leads of the next events."""
        return [orjson.loads((await self.next())[2])["subject"] for _ in range(many)]


@asynccontextmanager
async def listening(made: Marketing, last_id: str = "", **params: Any) -> AsyncIterator[Stream]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    path = "/feedback/v1/stream"
    async with made.client.stream("GET", path, params=params, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response.aiter_lines())
        async with asyncio.timeout(15):
            assert (await stream.next())[1] == "ready"
            yield stream


async def test_filters_combine(marketing: Marketing) -> None:
    (search,) = await marketing.answers(source="search")
    (fair,) = await marketing.answers(source="fair")
    won = Life(source="fair").captured().qualified().assigned().accepted()
    await marketing.feedback.read(won.events)
    body = {"lead_id": won.lead_id, "stage": "SQL"}
    assert (await marketing.client.post("/feedback/v1/outcomes", json=body)).status_code == 201
    outcome = "leadloop.outcome.recorded.v1"

    async def leads(**params: Any) -> list[str]:
        return leads_of(await marketing.events(**params))

    assert await leads() == [search.lead_id, fair.lead_id, won.lead_id, won.lead_id]
    assert await leads(source="search") == [search.lead_id]
    assert await leads(source=["search", "fair"], reason="OUTSIDE_ICP") == [
        search.lead_id,
        fair.lead_id,
    ]
    assert await leads(source="fair", type=outcome) == [won.lead_id]
    assert await leads(lead_id=won.lead_id) == [won.lead_id] * 2
    assert await leads(campaign="autumn", type="", reason="", lead_id="") == await leads()
    assert await leads(campaign="spring") == []
    assert await leads(source="search' OR '1'='1") == []
    many = {"source": [str(n) for n in range(51)]}
    assert (await marketing.client.get("/feedback/v1/events", params=many)).status_code == 422


async def test_a_rare_event_is_found_in_stretches(
    marketing: Marketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_log, "LOOKED_AT", 5)
    await marketing.answers(12)
    (rare,) = await marketing.answers(source="rare")
    await marketing.answers(3)
    many = [life.lead_id for life in marketing.answered if life.source == "search"]
    assert leads_of(await marketing.events(source="search", limit=2)) == many
    first = await marketing.get("events", source="rare")
    assert first["items"] == []
    assert first["next_cursor"] is not None
    assert leads_of(await marketing.events(source="rare")) == [rare.lead_id]


@ONE_DATABASE
async def test_the_place_before_a_time(marketing: Marketing) -> None:
    for day in range(4):
        for _ in range(day + 1):
            await marketing.answers()
        marketing.feedback.clock.advance(timedelta(days=1))
    place = feedback_log.place_before
    for day, events_before in enumerate((0, 1, 3, 6, 10)):
        moment = START + timedelta(days=1 + day)
        assert await marketing.feedback.ask(place, moment) == events_before
    assert await marketing.feedback.ask(place, START) == 0


async def test_a_stream_tells_what_comes_and_goes_on_where_it_was(marketing: Marketing) -> None:
    await marketing.answers(2)
    async with listening(marketing) as stream:
        new = await marketing.answers(3)
        assert await stream.leads(3) == [life.lead_id for life in new]
        numbers = [int(number) for number, _, _ in stream.seen]
        assert numbers == [2, 3, 4, 5]
        seen = stream.last_id
    missed = await marketing.answers(2)
    async with listening(marketing, seen) as stream:
        assert await stream.leads(2) == [life.lead_id for life in missed]
    async with listening(marketing, "0") as stream:
        assert await stream.leads(7) == [life.lead_id for life in marketing.answered]
    first = await marketing.get("events", limit=4)
    async with listening(marketing, cursor=first["next_cursor"]) as stream:
        assert await stream.leads(3) == [life.lead_id for life in marketing.answered[4:]]


async def test_a_filtered_stream_keeps_its_place_though_nothing_fits(
    marketing: Marketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.05)
    async with listening(marketing, source="rare") as stream:
        await marketing.answers(4)
        (rare,) = await marketing.answers(source="rare")
        assert await stream.leads(1) == [rare.lead_id]
        await marketing.answers(2)
        waiting = asyncio.ensure_future(stream.next())
        while stream.last_id != "7" or not stream.comments:
            await asyncio.sleep(0.02)
        waiting.cancel()


@ONE_DATABASE
async def test_a_stream_ends_with_its_key(
    marketing: Marketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.05)
    async with listening(marketing) as stream:
        await marketing.access.revoke_key(marketing.key_id)
        with pytest.raises(EOFError):
            await stream.next()


@ONE_DATABASE
async def test_who_may_listen_and_how_many(
    marketing: Marketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/feedback/v1/stream"
    _, rep = await marketing.access.create_key(Role.REP, "ana")
    theirs = {"Authorization": f"Bearer {rep}"}
    assert (await marketing.client.get(path, headers=theirs)).status_code == 403
    for bad in ("-1", "x", "9" * 30, "²"):
        headers = {"Last-Event-ID": bad.encode()}
        assert (await marketing.client.get(path, headers=headers)).status_code == 400
    monkeypatch.setattr(tail, "MOST_LISTENERS", 1)
    async with listening(marketing):
        refused = await marketing.client.get(path)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "30"


@ONE_DATABASE
async def test_a_table_of_events(marketing: Marketing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CHUNK", 2)
    await marketing.answers(5, source="=cmd|' /C calc'!A0")
    await marketing.answers(1, source="fair")
    response = await marketing.client.get("/feedback/v1/events.csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["lead_id"] for row in rows] == [life.lead_id for life in marketing.answered]
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[0]["source"] == "'=cmd|' /C calc'!A0"
    assert (rows[5]["reason"], rows[5]["answer"]) == ("OUTSIDE_ICP", "rejected")
    only = await marketing.client.get("/feedback/v1/events.csv", params={"source": "fair"})
    assert len(only.text.splitlines()) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_stream_hears_of_what_another_process_wrote(
    marketing: Marketing, database_url: str
) -> None:
    async with open_marketing(database_url) as other, listening(marketing) as stream:
        new = await other.answers(2)
        assert await stream.leads(2) == [life.lead_id for life in new]
