"""A browser on feedback's pages, and a proposal that the learner really made of leads."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright

from services.feedback.learning.data import Settings
from services.feedback.learning.learn import learn
from services.feedback.learning.looks import Looks
from services.feedback.looking import finding_of
from services.feedback.store import queries
from shared.access import Access, Role
from shared.access.sessions import COOKIE
from shared.contracts.definition import DefinitionDocument
from shared.contracts.envelope import Event
from shared.contracts.events import DefinitionPublished
from shared.contracts.vocabulary import RejectReason
from tests.services.feedback.learning.worlds import STARTER, World, samples
from tests.services.feedback.lives import START, Feedback, Life, event_of
from tests.services.feedback.site import serve

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
LONG_AGO = START - timedelta(days=400)


@dataclass
class Visit:
    """A browser on the site, and the keys to it."""

    url: str
    page: Page
    access: Access
    feedback: Feedback

    async def log_in(self, role: Role = Role.MARKETER, rep_id: str | None = None) -> None:
        key_id, _ = await self.access.create_key(role, rep_id)
        value = self.access.sessions.begin(key_id)
        await self.page.context.add_cookies([{"name": COOKIE, "value": value, "url": self.url}])

    async def go(self, path: str) -> str:
        """The text of a page."""
        await self.page.goto(f"{self.url}{path}")
        return await self.text()

    async def text(self) -> str:
        await self.page.wait_for_load_state("load")
        await self.page.get_by_role("heading", level=1).wait_for()
        return " ".join((await self.page.inner_text("main")).split())

    async def fits(self) -> bool:
        """Whether nothing stands out of a phone, and nothing of a desk."""
        fitting = []
        for size in (DESK, PHONE):
            await self.page.set_viewport_size(size)  # type: ignore[arg-type]
            width = await self.page.evaluate("document.documentElement.scrollWidth")
            fitting.append(width <= size["width"])
        return all(fitting)

    async def client(self) -> httpx.AsyncClient:
        """The same visitor without a browser, so without the token of a form."""
        cookies = {c["name"]: c["value"] for c in await self.page.context.cookies()}
        return httpx.AsyncClient(base_url=self.url, cookies=cookies)


@asynccontextmanager
async def visiting(
    feedback: Feedback, database_url: str, chromium: str, args: list[str]
) -> AsyncIterator[Visit]:
    """A phone without JavaScript."""
    async with (
        Access.open(database_url) as access,
        serve(feedback, access) as url,
        async_playwright() as playwright,
    ):
        browser: Browser = await playwright.chromium.launch(executable_path=chromium, args=args)
        context = await browser.new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
        yield Visit(url, await context.new_page(), access, feedback)
        await browser.close()


def starter(version: int = 1, at: datetime = LONG_AGO, **values: Any) -> Event[Any]:
    """A marketer's first definition, published."""
    body = {**STARTER, **values, "version": version, "status": "published"}
    document = DefinitionDocument.model_validate(body)
    return event_of(DefinitionPublished(definition=document, published_at=at), at)


@cache
def _learned() -> tuple[list[Event[Any]], dict[str, Any]]:
    """The events of a small world, and what the learner makes of it."""
    leads = samples(World(leads=700, strength=1.4, days=100, reps=3), 5)
    events = [starter()]
    for lead in leads:
        facts = dict(lead.facts)
        life = Life(lead_id=lead.lead_id, at=lead.at, facts=facts, source="fair").captured()
        life.qualified().assigned(lead.rep_id)
        answered = life.accepted() if lead.label else life.rejected(RejectReason.NOT_A_BUYER)
        events += answered.events
    found = learn(leads, STARTER, Settings(), Looks()).document()
    return events, json.loads(json.dumps(found, default=float))  # as a process tells it


async def proposed(feedback: Feedback, **status: Any) -> dict[str, Any]:
    """Have the leads read and the learner's proposal made. ``status`` is what it reports beside."""
    events, answer = _learned()
    await feedback.read(events)
    answer = {**answer, "status": {**answer["status"], **status}}
    begun: Any = SimpleNamespace(base=await feedback.ask(queries.version_in_force))
    assert await feedback.look(finding_of(answer, begun)) == "proposed"
    (proposal,) = await feedback.proposals()
    return proposal
