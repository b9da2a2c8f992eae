"""Webhooks to real receivers: signed, in order, at least once, and nobody held up by another."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from services.feedback import webhook_sender
from services.feedback.domain.webhooks import Progress, Webhook, advanced
from services.feedback.handlers import webhooks
from services.feedback.store.webhooks import next_due
from services.feedback.webhook_sender import WebhookSender, tell_failing
from shared.access import Role
from shared.runtime.clock import SystemClock
from tests.services.feedback.lives import START
from tests.services.feedback.marketing import Marketing, leads_of, open_marketing
from tests.shared.runtime.receivers import Receiver, receiver

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is no different on the other."""


@pytest_asyncio.fixture
async def marketing(database_url: str) -> AsyncIterator[Marketing]:
    async with open_marketing(database_url) as made:
        yield made


def got(hook: Receiver) -> list[dict[str, Any]]:
    return [orjson.loads(body) for _, _, body in hook.requests]


async def received(hook: Receiver, many: int) -> list[dict[str, Any]]:
    """The first so many requests' events, once they are there."""
    async with asyncio.timeout(20):
        while len(hook.requests) < many:
            await asyncio.sleep(0.01)
    return got(hook)


def leads(lives: Sequence[Any]) -> list[str]:
    return [life.lead_id for life in lives]


def sender_of(made: Marketing) -> WebhookSender:
    return next(part for part in made.service.parts if isinstance(part, WebhookSender))


def look(made: Marketing) -> None:
    """The clock of these tests stands: time that it was moved by is seen at the next look."""
    sender_of(made).soon()


async def test_events_are_signed_and_in_order_and_the_secret_is_told_once(
    database_url: str,
) -> None:
    async with open_marketing(database_url, SystemClock()) as made, receiver() as target:
        await made.answers(2)
        hook = await made.webhook(target.url, name="CRM")
        assert hook["secret"].startswith("whsec_")
        new = await made.answers(3)
        events = await received(target, 3)
        assert leads_of(events) == leads(new)
        assert events == (await made.events())[2:]
        for _, headers, body in target.requests:
            assert Verifier(hook["secret"]).verify(body, headers)["id"] == headers["webhook-id"]
            assert headers["content-type"] == "application/json"
        shown = await made.until(hook, delivered=3, behind=0)
        assert "secret" not in shown
        assert hook["secret"] not in str(await made.get("webhooks"))
        page = await made.get("events", cursor=target.requests[0][1]["leadloop-cursor"])
        assert leads_of(page["items"]) == leads(new[1:])


@ONE_DATABASE
async def test_a_new_secret_overlaps_with_the_old_one(marketing: Marketing) -> None:
    async with receiver() as target:
        hook = await marketing.webhook(target.url)
        path = f"/feedback/v1/webhooks/{hook['webhook_id']}"
        new = (await marketing.client.patch(path, json={"rotate_secret": True})).json()
        assert new["secret"] != hook["secret"]
        await marketing.answers(1)
        await received(target, 1)
        await marketing.until(hook, delivered=1)
        marketing.feedback.clock.advance(timedelta(days=1))
        await marketing.answers(1)
        await received(target, 2)
        (_, both, first), (_, one, _) = target.requests
        signed = both["webhook-signature"].split()
        at = datetime.fromtimestamp(int(both["webhook-timestamp"]), UTC)
        assert signed == [
            Verifier(secret).sign(both["webhook-id"], at, first.decode())
            for secret in (new["secret"], hook["secret"])
        ]
        assert len(one["webhook-signature"].split()) == 1
        with pytest.raises(WebhookVerificationError):
            Verifier(new["secret"]).verify(
                first, both
            )  # its time is long gone: no replay by others


async def test_filters_let_through_what_is_wanted(marketing: Marketing) -> None:
    async with receiver() as target:
        hook = await marketing.webhook(
            target.url, filters={"source": "fair", "reason": ["OUTSIDE_ICP", "SPAM"]}
        )
        assert hook["filters"]["source"] == ["fair"]
        await marketing.answers(3, source="search")
        (fair,) = await marketing.answers(1, source="fair")
        await marketing.answers(2, source="search")
        await marketing.until(hook, behind=0, delivered=1)
        assert leads_of(got(target)) == [fair.lead_id]


@ONE_DATABASE
async def test_a_failure_is_tried_again_and_nothing_overtakes_it(marketing: Marketing) -> None:
    async with receiver("500") as target:
        hook = await marketing.webhook(target.url)
        lives = await marketing.answers(3)
        failing = await marketing.until(hook, failures=1)
        assert failing["error"] == "it answered 500"
        assert failing["behind"] == 3
        assert failing["active"] is True
        wait = datetime.fromisoformat(failing["next_try_at"]) - marketing.feedback.clock.now()
        assert timedelta(seconds=2.5) <= wait <= timedelta(seconds=5)
        for tries in (2, 3):
            marketing.feedback.clock.advance(timedelta(minutes=1))
            look(marketing)
            failing = await marketing.until(hook, failures=tries)
        assert leads_of(got(target)) == [lives[0].lead_id] * 3
        assert len({headers["webhook-id"] for _, headers, _ in target.requests}) == 1
        await tell_failing(sender_of(marketing)._transactions)
        assert webhook_sender.WEBHOOKS_FAILING._value.get() == 1
        target.behaves = "204"
        marketing.feedback.clock.advance(timedelta(minutes=1))
        look(marketing)
        well = await marketing.until(hook, failures=0, behind=0)
        assert (well["error"], well["failing_since"], well["delivered"]) == (None, None, 3)
        assert leads_of(got(target)[3:]) == leads(lives)


@ONE_DATABASE
async def test_days_of_failure_switch_it_off_and_it_goes_on_where_it_stopped(
    marketing: Marketing,
) -> None:
    async with receiver("503") as target:
        hook = await marketing.webhook(target.url)
        lives = await marketing.answers(2)
        await marketing.until(hook, failures=1)
        began = marketing.feedback.clock.now()
        marketing.feedback.clock.advance(timedelta(days=5))
        look(marketing)
        off = await marketing.until(hook, active=False)
        assert off["ended_because"] == "it failed for 5 days: it answered 503"
        assert datetime.fromisoformat(off["failing_since"]) == began
        assert datetime.fromisoformat(off["ended_at"]) == marketing.feedback.clock.now()
        target.behaves = "204"
        marketing.feedback.clock.advance(timedelta(days=9))
        late = await marketing.answers(1)
        look(marketing)
        await asyncio.sleep(0.1)
        assert len(target.requests) == 2
        path = f"/feedback/v1/webhooks/{hook['webhook_id']}"
        on = (await marketing.client.patch(path, json={"active": True})).json()
        assert (on["ended_because"], on["failures"]) == (None, 0)
        await marketing.until(hook, behind=0)
        assert leads_of(got(target)[2:]) == leads([*lives, *late])


@pytest.mark.parametrize(
    ("behaves", "location", "error"),
    [
        ("410", "", "its receiver says that it is gone (410)"),
        ("302", "http://127.0.0.1:1/", "it leads elsewhere (302): give the new address"),
        ("400", "", "it answered 400"),
        ("hang", "", "it did not answer in time"),
    ],
)
@ONE_DATABASE
async def test_what_a_receiver_may_answer(
    marketing: Marketing, behaves: str, location: str, error: str
) -> None:
    sender_of(marketing)._outgoing._seconds = 0.3
    async with receiver(behaves, location) as target:
        hook = await marketing.webhook(target.url)
        await marketing.answers(1)
        found = await marketing.until(hook, failures=1)
        assert found["error"] == error
        assert found["active"] is (behaves != "410")
        assert found["ended_because"] == (error if behaves == "410" else None)


@ONE_DATABASE
async def test_one_that_hangs_holds_up_nobody_else(marketing: Marketing) -> None:
    sender_of(marketing)._outgoing._seconds = 2.0
    async with receiver("hang") as hanging, receiver() as target:
        for _ in range(3):
            await marketing.webhook(hanging.url)
        await marketing.webhook(target.url)
        lives = await marketing.answers(20)
        assert leads_of(await received(target, 20)) == leads(lives)
        assert len(hanging.requests) == 3


async def test_a_replay_sends_again_with_the_same_ids(marketing: Marketing) -> None:
    async with receiver() as target:
        before = await marketing.answers(2)
        hook = await marketing.webhook(target.url, cursor="")
        await marketing.until(hook, delivered=2)
        marketing.feedback.clock.advance(timedelta(hours=1))
        since = marketing.feedback.clock.now()
        after = await marketing.answers(2)
        await marketing.until(hook, delivered=4)
        path = f"/feedback/v1/webhooks/{hook['webhook_id']}/replay"
        cursor = target.requests[0][1]["leadloop-cursor"]
        again = await marketing.client.post(path, json={"cursor": cursor})
        assert again.status_code == 202
        await marketing.until(hook, delivered=7)
        await marketing.client.post(path, json={"since": since.isoformat()})
        await marketing.until(hook, delivered=9, behind=0)
        assert leads_of(got(target)) == leads([*before, *after, before[1], *after, *after])
        ids = [headers["webhook-id"] for _, headers, _ in target.requests]
        assert ids[1:4] == ids[4:7]
        for body in ({}, {"cursor": "x"}, {"cursor": "", "since": since.isoformat()}):
            assert (await marketing.client.post(path, json=body)).status_code in (400, 422)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_processes_never_send_to_the_same_webhook(database_url: str) -> None:
    async with (
        open_marketing(database_url) as made,
        open_marketing(database_url) as other,
        receiver("wait") as target,
        receiver() as quick,
    ):
        slow = await made.webhook(target.url)
        lives = await made.answers(30)
        await received(target, 1)
        for _ in range(20):  # the other one looks as often as it likes: it is being sent to
            look(made)
            look(other)
            await asyncio.sleep(0.01)
        assert target.most_at_once == 1
        third = await other.webhook(quick.url, cursor="")
        await received(quick, 30)
        await other.until(third, delivered=30)
        assert target.most_at_once == 1
        target.go_on.set()
        await made.until(slow, delivered=30, behind=0)
        assert (leads_of(got(target)), leads_of(got(quick))) == (leads(lives), leads(lives))
        assert (target.most_at_once, quick.most_at_once) == (1, 1)


async def test_whoever_dies_leaves_it_to_the_others(marketing: Marketing) -> None:
    """A lease that nobody renews holds for half a minute."""
    transactions = sender_of(marketing)._transactions
    async with receiver() as target:
        hook = await marketing.webhook(target.url)
        await marketing.client.patch(
            f"/feedback/v1/webhooks/{hook['webhook_id']}", json={"active": False}
        )
        lives = await marketing.answers(2)
        (claimed,) = await transactions.run(
            lambda unit: _resumed_and_claimed(unit, hook["webhook_id"])
        )
        look(marketing)
        await asyncio.sleep(0.1)
        assert target.requests == []
        due, _ = await marketing.feedback.ask(next_due)
        assert due == marketing.feedback.clock.now() + timedelta(seconds=30)
        marketing.feedback.clock.advance(timedelta(seconds=31))
        look(marketing)
        assert leads_of(await received(target, 2)) == leads(lives)
        await marketing.until(hook, delivered=2)
        late = Progress(claimed.place + 1, 1, marketing.feedback.clock.now())
        assert (
            await transactions.run(lambda unit: webhooks.note(unit, claimed, late, 0.0, done=True))
            is None
        )
        assert (await marketing.until(hook))["delivered"] == 2


def _resumed_and_claimed(unit: Any, webhook_id: str) -> list[Webhook]:
    webhooks.change(unit, webhook_id, webhooks.Change(active=True))
    return webhooks.claim(unit, "somebody-else", 1_000_000, 10)


@ONE_DATABASE
async def test_what_is_refused(marketing: Marketing) -> None:
    for url in (
        "http://10.0.0.1/",
        "http://[::1]:8000/",
        "ftp://a.example/",
        "http://u:p@a.example/",
    ):
        response = await marketing.client.post("/feedback/v1/webhooks", json={"url": url})
        assert response.status_code == 422, url
    hook = await marketing.webhook("http://127.0.0.1:9/")
    path = f"/feedback/v1/webhooks/{hook['webhook_id']}"
    bad = await marketing.client.patch(path, json={"url": "http://192.168.0.1/"})
    assert bad.json()["errors"][0]["pointer"] == "/url"
    tried = (await marketing.client.post(f"{path}/test")).json()
    assert tried == {"delivered": False, "status": None, "error": "it can't be reached"}
    assert (await marketing.client.delete(path)).status_code == 204
    for call in (marketing.client.get(path), marketing.client.delete(path)):
        assert (await call).status_code == 404
    _, rep = await marketing.access.create_key(Role.REP, "ana")
    headers = {"Authorization": f"Bearer {rep}"}
    assert (await marketing.client.get("/feedback/v1/webhooks", headers=headers)).status_code == 403


@ONE_DATABASE
async def test_a_test_says_what_came_of_it(marketing: Marketing) -> None:
    async with receiver() as target:
        hook = await marketing.webhook(target.url)
        tried = await marketing.client.post(f"/feedback/v1/webhooks/{hook['webhook_id']}/test")
        assert tried.json() == {"delivered": True, "status": 204, "error": None}
        assert got(target)[0]["type"] == "leadloop.webhook.test.v1"
        assert (await marketing.until(hook))["delivered"] == 0


def test_waits_double_up_to_an_hour_and_a_receiver_may_ask_for_more() -> None:
    hook = Webhook("w", "", "http://a.example", "s", START, "key", 0, START)
    waits = []
    for _ in range(14):
        hook = advanced(hook, Progress(0, error="no"), START, 0.0)
        waits.append((hook.next_at - START).total_seconds())
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 3600
    asked = advanced(hook, Progress(0, error="no", asked=10**9), START, 1.0)
    assert asked.next_at - START == timedelta(hours=1)
    soon = advanced(hook, Progress(3, 2, START, error="no"), START, 1.0)
    assert (soon.failures, soon.delivered, soon.place) == (1, 2, 3)
    assert (soon.next_at - START).total_seconds() == 2.5
