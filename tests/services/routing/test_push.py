"""Messages to a browser: read with its own keys, signed by ours, and over when it is gone."""

from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import http_ece
import orjson
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey
from playwright.async_api import Browser, expect

from services.routing.notifying.push import PURPOSE, PushKey, are_keys, contact_of, to_base64
from shared.access import Role
from shared.runtime.outward import Outward
from tests.services.routing.desk import Desk
from tests.services.routing.post import Mailbox, mailbox, notices_of, send_due
from tests.services.routing.test_inbox import base, browser, page_of
from tests.services.routing.test_notifying import Office, open_office

__all__ = ["base", "browser"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
AUTH = b"0123456789abcdef"


@pytest_asyncio.fixture
async def post() -> AsyncIterator[Mailbox]:
    async with mailbox() as made:
        yield made


@pytest_asyncio.fixture
async def office(database_url: str, tmp_path: Path, post: Mailbox) -> AsyncIterator[Office]:
    async with open_office(database_url, tmp_path, post) as made:
        yield made


@pytest.fixture
def theirs() -> ec.EllipticCurvePrivateKey:
    """The key that the browser keeps to itself."""
    return ec.generate_private_key(ec.SECP256R1())


def keys_of(theirs: ec.EllipticCurvePrivateKey) -> str:
    point = theirs.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return f"{to_base64(point)}.{to_base64(AUTH)}"


async def test_only_the_browser_can_read_it_and_the_carrier_knows_who_sent_it(
    office: Office, theirs: ec.EllipticCurvePrivateKey
) -> None:
    await office.tell({"medium": "push", "url": office.hook.url, "secret": keys_of(theirs)})
    await office.lead()
    await send_due(office.desk)
    ((_, headers, body),) = office.hook.requests
    shown = orjson.loads(
        http_ece.decrypt(body, private_key=theirs, auth_secret=AUTH, version="aes128gcm")
    )
    assert shown["title"] == "A new lead for you, grade A"
    assert "65 points" in shown["body"]
    assert shown["url"].startswith("https://leads.acme.example/routing/open/")
    assert "Jane" not in str(shown)
    assert headers["content-encoding"] == "aes128gcm"
    assert int(headers["ttl"]) > 0
    claims = verified(office.desk, headers["authorization"])
    assert claims["aud"] == office.hook.url.removesuffix("/hook")
    assert claims["sub"] == "mailto:leads@acme.example"
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Exception, match=r"Decrypt|decrypt"):
        http_ece.decrypt(body, private_key=other, auth_secret=AUTH, version="aes128gcm")


def verified(desk: Desk, authorization: str) -> dict[str, Any]:
    """The claims of a VAPID header that our own key has signed."""
    token, key = (part.strip() for part in authorization.removeprefix("vapid ").split(","))
    ours = PushKey(desk.access.sessions.derived(PURPOSE)).public
    assert key == f"k={ours}"
    point = urlsafe_b64decode(ours + "=")
    x, y = to_base64(point[1:33]), to_base64(point[33:])
    public = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})
    return dict(jwt.decode(token.removeprefix("t="), public, algorithms=["ES256"]).claims)


@pytest.mark.parametrize("status", ["404", "410"])
async def test_a_browser_that_is_gone_is_told_nothing_more(
    office: Office, theirs: ec.EllipticCurvePrivateKey, status: str
) -> None:
    await office.tell({"medium": "push", "url": office.hook.url, "secret": keys_of(theirs)})
    office.hook.behaves = status
    await office.lead()
    await send_due(office.desk)
    (channel,) = (await office.told())["channels"]
    assert "its receiver says that it is gone" in channel["ended"]
    await office.lead()
    await send_due(office.desk)
    assert len(office.hook.requests) == 1


async def test_a_carrier_that_is_busy_is_tried_again(
    office: Office, theirs: ec.EllipticCurvePrivateKey
) -> None:
    await office.tell({"medium": "push", "url": office.hook.url, "secret": keys_of(theirs)})
    office.hook.behaves = "500"
    await office.lead()
    await send_due(office.desk)
    (notice,) = await notices_of(office.desk)
    assert (notice.state, notice.error) == ("waiting", "it answered 500")


async def test_what_is_no_browser_is_refused(office: Office) -> None:
    place = "/routing/v1/reps/ana/notifications"
    for secret in (None, "x", "a.b", f"{to_base64(b'x' * 65)}.{to_base64(AUTH)}", "é.é"):
        channel = {"medium": "push", "url": office.hook.url, "secret": secret}
        answer = await office.admin.put(place, json={"channels": [channel]})
        assert answer.status_code == 422, secret
    assert not are_keys("")


def test_the_key_is_the_same_in_every_process_and_for_nothing_else(database_url: str) -> None:
    seed = bytes(range(64))
    assert PushKey(seed).public == PushKey(seed).public
    assert PushKey(seed[1:] + b"x").public != PushKey(seed).public
    assert len(urlsafe_b64decode(PushKey(seed).public + "=")) == 65
    assert contact_of(Outward("https://leads.acme.example")) == "https://leads.acme.example"
    assert contact_of(Outward()) == "mailto:operator@127.0.0.1"


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_browser_agrees_on_the_page(
    desk: Desk, browser: Browser, base: str, width: int
) -> None:
    await desk.add_reps(("ana", 1, 9))
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/notifications")
        form = page.get_by_role("form", name="This browser")
        await expect(form.get_by_role("button", name="Send them to this browser")).to_be_visible()
        # No carrier is within reach here: a browser's agreement stands in for the maker's server.
        await page.evaluate(
            """() => {
                Notification.requestPermission = async () => "granted";
                const made = { endpoint: "https://push.example/x", getKey: (name) =>
                    new Uint8Array(name === "auth" ? 16 : 65).fill(4).buffer };
                PushManager.prototype.subscribe = async () => made;
                PushManager.prototype.getSubscription = async () => null;
            }"""
        )
        await form.get_by_role("button", name="Send them to this browser").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        shown = await _shown_by_worker(page)
        assert shown == ["A new lead"]
    admin = await desk.client(Role.ADMIN)
    channels = (await admin.get("/routing/v1/reps/ana/notifications")).json()["channels"]
    (push,) = [one for one in channels if one["medium"] == "push"]
    assert push["url"] == "https://push.example/x"
    assert are_keys(push["secret"])


async def _shown_by_worker(page: Any) -> list[str]:
    """The titles of what the page's worker shows when a message is delivered to it."""
    await page.context.grant_permissions(["notifications"])
    session = await page.context.new_cdp_session(page)
    registrations: list[str] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: registrations.extend(one["registrationId"] for one in told["registrations"]),
    )
    await session.send("ServiceWorker.enable")
    for _ in range(100):
        if registrations:
            break
        await page.wait_for_timeout(50)
    await session.send(
        "ServiceWorker.deliverPushMessage",
        {
            "origin": page.url.split("/routing")[0],
            "registrationId": registrations[0],
            "data": '{"title": "A new lead", "body": "Grade A", "url": "/x"}',
        },
    )
    for _ in range(100):
        found: list[str] = await page.evaluate(
            """async () => (await Promise.all((await navigator.serviceWorker.getRegistrations())
                .map((one) => one.getNotifications()))).flat().map((one) => one.title)"""
        )
        if found:
            return found
        await page.wait_for_timeout(50)
    return []
