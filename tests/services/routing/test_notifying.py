"""Messages to a real mail server and real receivers: once or again, never lost, never held up."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from sqlalchemy import update
from standardwebhooks import Webhook

from services.routing.domain.channels import Medium
from services.routing.domain.notices import Notice
from services.routing.handlers.telling import Outcome, settle
from services.routing.notifying import sender
from services.routing.notifying.sender import count_failing, forget
from services.routing.store.notices import claim
from services.routing.store.tables import assignments, notices
from shared.access import Role
from shared.runtime.outward import Allowed, MailServer, Outward
from tests.services.routing.desk import PAST, Desk, mql, open_desk, person
from tests.services.routing.post import (
    Mailbox,
    mailbox,
    notices_of,
    send_due,
    sender_of,
    time_passes,
)
from tests.shared.runtime.receivers import Receiver, receiver

ALL = ["new_lead", "sla_warned", "taken_away", "escalated"]
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is no different on the other."""


@dataclass
class Office:
    """A desk with a rep, a mail server and a receiver."""

    desk: Desk
    post: Mailbox
    hook: Receiver
    admin: httpx.AsyncClient

    async def tell(self, *channels: dict[str, Any], rep_id: str = "ana") -> dict[str, Any]:
        place = f"/routing/v1/reps/{rep_id}/notifications"
        response = await self.admin.put(place, json={"channels": list(channels)})
        assert response.status_code == 200, response.text
        return response.json()

    async def told(self, rep_id: str = "ana") -> dict[str, Any]:
        response = await self.admin.get(f"/routing/v1/reps/{rep_id}/notifications")
        assert response.status_code == 200, response.text
        return response.json()

    async def lead(self, **more: Any) -> str:
        lead = mql(**more)
        await self.desk.happen(person(lead.lead_id), lead)
        return lead.lead_id

    @property
    def webhook(self) -> dict[str, Any]:
        return {"medium": "webhook", "url": self.hook.url, "tells": ALL}


@asynccontextmanager
async def open_office(database_url: str, folder: Path, post: Mailbox) -> AsyncIterator[Office]:
    async with receiver() as hook:
        allowed = Allowed.parse("127.0.0.1")
        outward = Outward("https://leads.acme.example", post.settings, allowed)
        async with open_desk(database_url, folder, outward) as desk:
            admin = await desk.client(Role.ADMIN)
            zone, email = "Europe/Lisbon", "ana@acme.example"
            body = {"rep_id": "ana", "name": "Ana", "email": email, "time_zone": zone}
            await admin.post("/routing/v1/reps", json=body)
            yield Office(desk, post, hook, admin)
            await sender_of(desk)._media.close()


@pytest_asyncio.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with mailbox() as post, open_office(database_url, tmp_path, post) as made:
        yield made


@ONE_DATABASE
async def test_a_new_lead_is_mailed_at_once_to_who_has_not_said_anything(office: Office) -> None:
    lead_id = await office.lead()
    await send_due(office.desk)
    (mail,) = office.post.mails
    (notice,) = await notices_of(office.desk)
    assert office.post.sent_to == ["ana@acme.example"]
    assert mail["From"] == "Leadloop <leads@acme.example>"
    assert mail["Message-ID"] == f"<{notice.notice_id}@acme.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "A new lead for you, grade A"
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    parts = {part.get_content_type(): part.get_content() for part in leaves}
    (given,) = await office.desk.open_rows()
    due_at = given.due_at.astimezone(ZoneInfo("Europe/Lisbon"))
    for text in (parts["text/plain"], parts["text/html"]):
        assert "Grade A, 65 points." in text
        assert f"{due_at:%H:%M} (Europe/Lisbon)" in text
        assert "https://leads.acme.example/routing/open/" in text
        for personal in ("Jane", "Doe", "acme gmbh", "+49", "jane.doe", "spreadsheet", lead_id):
            assert personal.lower() not in text.lower()
    assert (notice.state, notice.tries, notice.error) == ("sent", 1, None)


@ONE_DATABASE
async def test_a_webhook_is_signed_and_its_receiver_can_check_it(office: Office) -> None:
    told = await office.tell(office.webhook)
    secret = told["channels"][0]["secret"]
    await office.lead()
    await send_due(office.desk)
    ((line, headers, body),) = office.hook.requests
    document = Webhook(secret).verify(body, headers)
    (notice,) = await notices_of(office.desk)
    (given,) = await office.desk.open_rows()
    assert line == "POST /hook HTTP/1.1"
    assert headers["webhook-id"] == notice.notice_id
    assert document["type"] == "leadloop.notice.new_lead"
    assert document["data"]["assignment_id"] == given.assignment_id
    assert (document["data"]["grade"], document["data"]["score"]) == ("A", 65)
    assert document["data"]["link"].startswith("https://leads.acme.example/routing/open/")
    for personal in (b"Jane", b"Doe", b"jane.doe", b"+49", b"GmbH"):
        assert personal not in body
    with pytest.raises(Exception, match="No matching signature"):
        Webhook("whsec_" + "A" * 32).verify(body, headers)


@ONE_DATABASE
async def test_a_chat_gets_text(office: Office) -> None:
    await office.tell({"medium": "slack", "url": office.hook.url})
    await office.lead()
    await send_due(office.desk)
    ((_, headers, body),) = office.hook.requests
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert set(document) == {"text"}
    assert document["text"].startswith("*A new lead for you, grade A*\nGrade A, 65 points.\n")
    assert "<https://leads.acme.example/routing/open/" in document["text"]


async def test_a_mail_server_that_is_away_loses_nothing(office: Office) -> None:
    office.post.close()
    await office.lead()
    await send_due(office.desk)
    (notice,) = await notices_of(office.desk)
    assert (notice.state, notice.tries) == ("waiting", 1)
    assert notice.error == "the mail server does not answer"
    wait = (notice.next_at - datetime.now(UTC)).total_seconds()
    assert 5 < wait <= 15
    for _ in range(6):  # most of an hour
        await time_passes(office.desk)
        await send_due(office.desk)
    (notice,) = await notices_of(office.desk)
    assert (notice.state, notice.tries, office.post.mails) == ("waiting", 7, [])
    told = await office.told()
    assert told["channels"][0]["error"] == "the mail server does not answer"
    assert told["channels"][0]["next_try_at"] is not None
    await count_failing(office.desk.transactions)
    gauge = "leadloop_routing_notices_failing"
    assert REGISTRY.get_sample_value(gauge, {"medium": "mail"}) == 1

    await office.post.open()
    await time_passes(office.desk)
    await send_due(office.desk)
    (mail,) = office.post.mails
    assert mail["Message-ID"].startswith(f"<{notice.notice_id}@")
    told = await office.told()
    assert told["channels"][0]["error"] is None
    assert told["channels"][0]["sent_at"] is not None
    await count_failing(office.desk.transactions)
    assert REGISTRY.get_sample_value(gauge, {"medium": "mail"}) == 0


@ONE_DATABASE
async def test_a_retry_has_the_id_of_the_first_try(office: Office) -> None:
    secret = (await office.tell(office.webhook))["channels"][0]["secret"]
    office.hook.behaves = "500"
    await office.lead()
    await send_due(office.desk)
    assert (await office.told())["channels"][0]["error"] == "it answered 500"
    office.hook.behaves = "204"
    await time_passes(office.desk)
    await send_due(office.desk)
    first, second = (Webhook(secret).verify(b, h) and h for _, h, b in office.hook.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert office.hook.requests[0][2] == office.hook.requests[1][2]
    assert [one.state for one in await notices_of(office.desk)] == ["sent"]


@ONE_DATABASE
async def test_after_a_day_it_is_given_up(office: Office) -> None:
    office.post.close()
    await office.lead()
    await send_due(office.desk)
    yesterday = datetime.now(UTC) - timedelta(hours=23, minutes=59)
    await time_passes(office.desk, due_at=yesterday, tries=50)
    await send_due(office.desk)
    (notice,) = await notices_of(office.desk)
    assert (notice.state, notice.tries) == ("given_up", 51)
    assert notice.done_at is not None
    told = await office.told()
    assert told["channels"][0]["error"] == "the mail server does not answer"
    assert told["channels"][0]["next_try_at"] is None


@ONE_DATABASE
async def test_who_is_not_known_there_is_given_up_at_once(office: Office) -> None:
    office.post.refuses = "550 no such user ana@acme.example"
    await office.lead()
    await send_due(office.desk)
    (notice,) = await notices_of(office.desk)
    assert (notice.state, notice.error) == ("given_up", "the mail server refused it (550)")


@ONE_DATABASE
@pytest.mark.parametrize("answers", ["451 try later", "421 busy"])
async def test_a_mail_server_that_says_later_is_tried_later(office: Office, answers: str) -> None:
    office.post.answers = answers
    await office.lead()
    await send_due(office.desk)
    (notice,) = await notices_of(office.desk)
    assert (notice.state, notice.tries) == ("waiting", 1)
    assert answers[:3] in notice.error


@ONE_DATABASE
async def test_a_receiver_that_is_gone_ends_its_channel(office: Office) -> None:
    await office.tell(office.webhook, {"medium": "mail"})
    office.hook.behaves = "410"
    await office.lead()
    await send_due(office.desk)
    webhook, mail = sorted(
        (await office.told())["channels"], key=lambda one: one["medium"], reverse=True
    )
    assert "410" in webhook["ended"]
    assert mail["ended"] is None
    assert len(office.post.mails) == 1
    await office.lead()
    await send_due(office.desk)
    assert len(office.hook.requests) == 1
    assert len(office.post.mails) == 2
    office.hook.behaves = "204"
    again = await office.tell(office.webhook)  # saved again, it begins anew, with its secret
    assert again["channels"][0]["ended"] is None
    assert again["channels"][0]["secret"] == webhook["secret"]
    await office.lead()
    await send_due(office.desk)
    assert len(office.hook.requests) == 2


@ONE_DATABASE
async def test_a_redirect_is_not_followed(office: Office) -> None:
    async with receiver() as inner:
        office.hook.behaves, office.hook.location = "307", inner.url
        await office.tell(office.webhook)
        await office.lead()
        await send_due(office.desk)
        assert inner.connections == 0
    assert "leads elsewhere (307)" in (await office.told())["channels"][0]["error"]


@ONE_DATABASE
async def test_when_a_receiver_asks_for_time_it_gets_it(office: Office) -> None:
    office.hook.behaves = "429 -\r\nRetry-After: 900\r\nX:"
    await office.tell(office.webhook)
    await office.lead()
    await send_due(office.desk)
    (notice,) = await notices_of(office.desk)
    assert 890 < (notice.next_at - datetime.now(UTC)).total_seconds() <= 900


@ONE_DATABASE
async def test_a_hanging_receiver_holds_up_nobody(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty messages to one that never answers, and one to another behind them."""
    monkeypatch.setattr(sender, "LEAVING_SECONDS", 0.1)
    office.hook.behaves = "hang"
    sender_of(office.desk)._media._outgoing._seconds = 60.0
    await office.tell(office.webhook)
    await office.admin.post("/routing/v1/reps", json={"rep_id": "ben", "name": "Ben", "weight": 0})
    async with receiver() as quick:
        await office.tell({**office.webhook, "url": quick.url}, rep_id="ben")
        for _ in range(20):
            await office.lead()
        await office.admin.patch("/routing/v1/reps/ana", json={"weight": 0})
        await office.admin.patch("/routing/v1/reps/ben", json={"weight": 1})
        await office.lead()
        part = sender_of(office.desk)
        await part.start()
        await asyncio.wait_for(quick.came.wait(), 30)  # half of what the other ones take
        assert len(quick.requests) == 1
        assert 0 < office.hook.most_at_once <= 2 * sender.EACH
        await part.stop()


async def test_two_senders_send_nothing_twice(
    office: Office, database_url: str, tmp_path: Path
) -> None:
    """Two processes of routing on one database, at once."""
    await office.tell(office.webhook)
    await office.admin.patch("/routing/v1/reps/ana", json={"capacity": 100})
    await office.desk.happen(*[mql() for _ in range(60)])
    outward = Outward(allowed=Allowed.parse("127.0.0.1"))
    async with open_desk(database_url, tmp_path / "other", outward) as other:
        await asyncio.gather(send_due(office.desk), send_due(other))
        await asyncio.gather(send_due(office.desk), send_due(other))
    ids = [headers["webhook-id"] for _, headers, _ in office.hook.requests]
    assert len(ids) == len(set(ids)) == 60
    assert {(one.state, one.tries) for one in await notices_of(office.desk)} == {("sent", 1)}


async def test_who_dies_while_sending_leaves_it_to_others(office: Office) -> None:
    await office.tell(office.webhook)
    office.hook.behaves = "hang"
    await office.lead()
    part = sender_of(office.desk)
    await part.look()
    await office.hook.came.wait()
    for task in part._trying:
        task.cancel()
    (notice,) = await notices_of(office.desk)
    assert (notice.state, notice.tries) == ("waiting", 1)
    left = (notice.next_at - datetime.now(UTC)).total_seconds()
    assert 50 < left <= 60  # until then it is nobody else's
    office.hook.behaves = "204"
    await time_passes(office.desk)
    await send_due(office.desk)
    first, second = (headers["webhook-id"] for _, headers, _ in office.hook.requests)
    assert first == second


async def test_a_result_that_comes_too_late_takes_nothing_from_who_tries_now(
    office: Office,
) -> None:
    await office.tell(office.webhook)
    await office.lead()
    desk = office.desk

    async def take() -> Notice:
        await time_passes(desk)
        now = datetime.now(UTC)
        (taken,) = await desk.db.write(lambda conn: claim(conn, now, [], 4, 4))
        return taken

    first, second = await take(), await take()
    late = Outcome(first, error="it did not answer in time")
    await desk.transactions.run(lambda unit: settle(unit, [late]))
    (notice,) = await notices_of(desk)
    assert (notice.tries, notice.error, notice.next_at) == (2, None, second.next_at)
    await desk.transactions.run(lambda unit: settle(unit, [Outcome(first, sent=True)]))
    await desk.transactions.run(lambda unit: settle(unit, [Outcome(second, error="x")]))
    assert [(one.state, one.error) for one in await notices_of(desk)] == [("sent", None)]


@ONE_DATABASE
async def test_a_stop_lets_what_is_under_way_come_to_its_end(office: Office) -> None:
    await office.tell(office.webhook)
    office.hook.behaves = "wait"
    part = sender_of(office.desk)
    await part.start()
    await office.lead()
    await office.hook.came.wait()
    stopping = asyncio.create_task(part.stop())
    await asyncio.sleep(0)
    office.hook.go_on.set()
    await stopping
    assert [one.state for one in await notices_of(office.desk)] == ["sent"]


@ONE_DATABASE
async def test_a_mail_server_that_hangs_does_not_block_the_loop(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes leads on it goes on meanwhile."""
    monkeypatch.setattr(sender, "LEAVING_SECONDS", 0.1)
    office.post.answers = "hang"
    part = sender_of(office.desk)
    await part.start()
    for _ in range(8):
        await office.lead()
    slowest = 0.0
    for _ in range(50):
        started = time.monotonic()
        await asyncio.sleep(0.005)
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 5.0  # of the ten seconds that each waits
    assert len(part._trying) > 1
    await part.stop()


async def test_outside_working_hours_it_waits_and_is_told_if_it_still_holds(office: Office) -> None:
    desk = office.desk
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%a").lower()
    hours = {tomorrow: [["00:00", "24:00"]]}
    await office.tell({**office.webhook, "when": "working_hours"})
    await office.admin.patch("/routing/v1/reps/ana", json={"hours": hours, "time_zone": "UTC"})
    await office.admin.post("/routing/v1/reps", json={"rep_id": "ben", "name": "Ben", "weight": 0})
    lead, other = mql(), mql()
    await desk.happen(lead)
    await desk.happen(other)
    moved = {"lead_ids": [lead.lead_id, other.lead_id], "rep_id": "ana"}
    assert (await office.admin.post("/routing/v1/moves", json=moved)).status_code == 200
    found = await notices_of(desk, tells="new_lead")
    assert len(found) == 2
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    assert {one.due_at for one in found} == {midnight}
    await send_due(desk)
    assert office.hook.requests == []
    (gone,) = [one for one in await desk.open_rows() if one.lead_id == other.lead_id]
    await office.admin.post(f"/routing/v1/assignments/{gone.assignment_id}/acknowledge")
    await time_passes(desk)
    await send_due(desk)
    ((_, _, body),) = office.hook.requests
    assert json.loads(body)["data"]["lead_id"] == lead.lead_id
    states = {one.lead_id: (one.state, one.error) for one in await notices_of(desk)}
    assert states[other.lead_id] == ("dropped", "it had been seen")


async def test_a_digest_holds_what_waits_when_the_day_begins(office: Office) -> None:
    desk = office.desk
    await office.tell({**office.webhook, "when": "digest"}, {"medium": "mail", "when": "digest"})
    leads = [await office.lead() for _ in range(3)]
    await send_due(desk)
    assert office.hook.requests == []
    given = {one.lead_id: one.assignment_id for one in await desk.open_rows()}
    await office.admin.post(f"/routing/v1/assignments/{given[leads[0]]}/accept")
    one = assignments.c.assignment_id == given[leads[1]]
    await desk._change(update(assignments).where(one).values(due_at=PAST))
    await desk.expire()
    await time_passes(desk)
    await send_due(desk)
    ((_, headers, body),) = office.hook.requests
    document = json.loads(body)
    assert headers["webhook-id"].startswith("digest-ana-webhook-")
    assert document["type"] == "leadloop.notice.digest"
    assert [one["lead_id"] for one in document["data"]["waiting"]] == [leads[2]]
    assert document["data"]["taken_away"] == 1
    (mail,) = office.post.mails
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "One lead waits for your answer." in text
    assert "went to somebody else" not in text  # of that mail was not asked to tell
    assert text.count("/routing/open/") == 1


@ONE_DATABASE
async def test_a_digest_of_nothing_is_not_sent(office: Office) -> None:
    await office.tell({**office.webhook, "when": "digest", "tells": ["new_lead"]})
    await office.lead()
    (given,) = await office.desk.open_rows()
    await office.admin.post(f"/routing/v1/assignments/{given.assignment_id}/accept")
    await time_passes(office.desk)
    await send_due(office.desk)
    assert office.hook.requests == []
    assert [one.state for one in await notices_of(office.desk)] == ["dropped"]


@ONE_DATABASE
async def test_without_a_mail_server_nothing_piles_up(database_url: str, tmp_path: Path) -> None:
    async with open_desk(database_url, tmp_path) as desk:
        admin = await desk.client(Role.ADMIN)
        body = {"rep_id": "ana", "name": "Ana", "email": "ana@acme.example"}
        await admin.post("/routing/v1/reps", json=body)
        await desk.happen(mql())
        assert await notices_of(desk) == []
        told = (await admin.get("/routing/v1/reps/ana/notifications")).json()
        assert told["mail_is_set_up"] is False
        tried = await admin.post("/routing/v1/reps/ana/notifications/test", json={"medium": "mail"})
        assert (tried.status_code, "No mail server" in tried.json()["detail"]) == (409, True)


async def test_old_messages_are_forgotten(office: Office) -> None:
    await office.lead()
    await office.lead()
    await send_due(office.desk)
    first = (await notices_of(office.desk))[0].notice_id
    old = update(notices).where(notices.c.notice_id == first)
    await office.desk._change(old.values(done_at=PAST))
    await forget(office.desk.transactions)
    assert first not in [one.notice_id for one in await notices_of(office.desk)]
    assert len(await notices_of(office.desk)) == 1


@ONE_DATABASE
async def test_a_private_address_is_refused_when_saved_and_when_sent(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "/routing/v1/reps/ana/notifications"
    body = {"channels": [{"medium": "webhook", "url": "http://169.254.169.254/latest"}]}
    refused = await office.admin.put(place, json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/channels/0/url"
    await office.tell({"medium": "webhook", "url": "http://localtest.example/"})
    told = [(2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: told)
    await office.lead()
    await send_due(office.desk)
    assert "private network" in (await office.told())["channels"][0]["error"]


@ONE_DATABASE
@pytest.mark.parametrize(
    ("channels", "pointer"),
    [
        ([{"medium": "slack"}], "/channels/0/url"),
        ([{"medium": "slack", "url": "ftp://x.example/"}], "/channels/0/url"),
        ([{"medium": "mail", "url": "https://x.example/"}], "/channels/0/url"),
        ([{"medium": "mail"}, {"medium": "mail"}], "/channels/1/medium"),
        ([{"medium": "pigeon"}], "/channels/0/medium"),
        ([{"medium": "mail", "tells": ["digest"]}], "/channels/0/tells/0"),
        ([{"medium": "webhook", "url": "https://x.example", "secret": "x"}], "/channels/0/secret"),
    ],
)
async def test_what_can_t_be_is_refused(
    office: Office, channels: list[dict[str, Any]], pointer: str
) -> None:
    place = "/routing/v1/reps/ana/notifications"
    refused = await office.admin.put(place, json={"channels": channels})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer
    assert (await office.told())["by_default"] is True


@ONE_DATABASE
async def test_it_is_for_oneself_and_for_admins(office: Office) -> None:
    await office.admin.post("/routing/v1/reps", json={"rep_id": "ben", "name": "Ben"})
    ben = await office.desk.client(Role.REP, "ben")
    boss = await office.desk.client(Role.MANAGER, "ana")
    service = await office.desk.client(Role.SERVICE)
    mine, other = ("/routing/v1/reps/ben/notifications", "/routing/v1/reps/ana/notifications")
    for client, place, status in (
        (ben, mine, 200),
        (ben, other, 403),
        (boss, other, 200),
        (boss, mine, 403),
        (service, mine, 403),
        (office.admin, mine, 200),
        (office.admin, mine.replace("ben", "nobody"), 404),
    ):
        assert (await client.get(place)).status_code == status
        assert (await client.put(place, json={"channels": None})).status_code == status
    assert (await ben.post(f"{other}/test", json={"medium": "mail"})).status_code == 403


@ONE_DATABASE
async def test_a_test_message_says_that_it_is_one_and_comes_one_at_a_time(office: Office) -> None:
    place = "/routing/v1/reps/ana/notifications/test"
    ana = await office.desk.client(Role.REP, "ana")
    assert (await ana.post(place, json={"medium": "mail"})).status_code == 202
    assert (await ana.post(place, json={"medium": "mail"})).status_code == 429
    assert (await ana.post(place, json={"medium": "slack"})).status_code == 409
    await send_due(office.desk)
    (mail,) = office.post.mails
    assert mail["Subject"] == "A test message"
    sent = (await ana.get(place.replace("/test", "/sent"))).json()["items"]
    assert [(one["tells"], one["state"]) for one in sent] == [("test", "sent")]


@ONE_DATABASE
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_mail_is_handed_in_with_a_password(database_url: str, tmp_path: Path) -> None:
    async with mailbox("us er", "p@ss:/") as post:
        sender_address = "leads@acme.example"
        url = f"smtp://us%20er:p%40ss%3A%2F@127.0.0.1:{post.port}?starttls=off"
        server = MailServer.parse(url, sender_address)
        async with open_desk(database_url, tmp_path, Outward(mail=server)) as desk:
            admin = await desk.client(Role.ADMIN)
            body = {"rep_id": "ana", "name": "Ana", "email": "ana@acme.example"}
            await admin.post("/routing/v1/reps", json=body)
            await desk.happen(mql())
            await send_due(desk)
            assert len(post.mails) == 1
            object.__setattr__(server, "password", "wrong")
            await desk.happen(mql())
            await send_due(desk)
            states = [(one.state, one.error) for one in await notices_of(desk)]
            assert ("waiting", "the mail server does not take our user and password") in states


@pytest.mark.parametrize(
    "url",
    ["http://x", "smtp://", "smtp://x?tls=1", "smtp://x?starttls=maybe", "smtp://u:secret@"],
)
def test_a_mail_server_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"mail server") as refused:
        MailServer.parse(url, "leads@acme.example")
    assert "secret" not in str(refused.value)


def test_mail_needs_a_sender() -> None:
    with pytest.raises(ValueError, match="LEADLOOP_MAIL_FROM"):
        MailServer.parse("smtp://x", "")
    known = MailServer.parse("smtps://u:p@x:1?starttls=auto", "A <a@b.example>")
    assert (known.port, known.tls, known.user, known.domain) == (1, True, "u", "b.example")
    assert "'p'" not in repr(known)


def test_a_medium_has_a_gauge_each() -> None:
    assert [one.value for one in Medium] == ["mail", "slack", "webhook", "push"]
