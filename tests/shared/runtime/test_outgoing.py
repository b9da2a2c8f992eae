"""Calls to typed-in addresses, on real sockets: what must not be reached is not reached."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared.runtime.outgoing import MAX_ANSWER_BYTES, Outgoing, Refused, is_public
from shared.runtime.outward import Allowed
from tests.shared.runtime.receivers import receiver

PRIVATE = [
    "127.0.0.1",
    "10.1.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "0.0.0.0",
    "198.18.0.1",
    "255.255.255.255",
    "192.168.1.1",
    "172.16.0.1",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "2001:db8::1",
    "2001:0:7f00:1::",
]
PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest_asyncio.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    made = Outgoing()
    yield made
    await made.close()


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_ours_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_somebody_else_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "017700000001", "127.1", "localhost", "[::ffff:7f00:1]"],
)
async def test_this_machine_is_not_reached_however_it_is_spelt(
    outgoing: Outgoing, host: str
) -> None:
    async with receiver() as there:
        with pytest.raises(Refused):
            await outgoing.post(f"http://{host}:{there.port}/", b"{}", {})
    assert there.connections == 0


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Every name that is looked up from now on has these addresses; returns the names asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host in answers:
            return real(host, port, *more, **named)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


async def test_a_name_that_leads_into_our_network_is_refused(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, "127.0.0.1")
    async with receiver() as there:
        with pytest.raises(Refused, match="private network"):
            await outgoing.post(f"http://hooks.example:{there.port}/", b"{}", {})
    assert (asked, there.connections) == (["hooks.example"], 0)


async def test_what_was_checked_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up once: there is no second answer to be misled by."""
    outgoing = Outgoing(Allowed.parse("127.0.0.0/8"))
    asked = resolving(monkeypatch, "127.0.0.1")
    async with receiver() as there:
        answer = await outgoing.post(f"http://hooks.example:{there.port}/x", b"{}", {"a": "b"})
    assert answer.status == 204
    assert asked == ["hooks.example"]
    line, headers, body = there.requests[0]
    assert (line, headers["host"], headers["a"], body) == (
        "POST /x HTTP/1.1",
        f"hooks.example:{there.port}",
        "b",
        b"{}",
    )
    await outgoing.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "//example.com", "http://", "http://a:b@c.com/",
        "http://x:99999/", "http://ex ample.com/", "http://x/\n", "http://" + "a" * 2100,
    ],
)  # fmt: skip
async def test_what_is_no_web_address_is_refused_before_anything_is_done(
    outgoing: Outgoing, url: str
) -> None:
    with pytest.raises(Refused):
        outgoing.check(url)
    with pytest.raises(Refused):
        await outgoing.post(url, b"", {})


async def test_a_redirect_is_an_answer() -> None:
    async with receiver() as secret, receiver("302", secret.url) as there:
        outgoing = Outgoing(Allowed.parse(f"127.0.0.1:{there.port}"))
        assert (await outgoing.post(there.url, b"", {})).status == 302
        with pytest.raises(Refused):
            await outgoing.post(secret.url, b"", {})
        await outgoing.close()
    assert secret.connections == 0


@pytest.mark.parametrize("behaves", ["hang", "drip"])
async def test_a_receiver_has_so_long_in_all(behaves: str) -> None:
    async with receiver(behaves) as there:
        outgoing = Outgoing(Allowed.parse("127.0.0.1"), seconds=0.3)
        started = time.monotonic()
        with pytest.raises((TimeoutError, httpx.HTTPError)):
            await outgoing.post(there.url, b"", {})
        assert time.monotonic() - started < 2
        await outgoing.close()


async def test_of_an_endless_answer_the_beginning_is_read() -> None:
    async with receiver("flood") as there:
        outgoing = Outgoing(Allowed.parse("127.0.0.1"))
        answer = await outgoing.post(there.url, b"", {})
        assert len(answer.body) == MAX_ANSWER_BYTES
        await outgoing.close()


async def test_nobody_there_is_an_error_of_http() -> None:
    outgoing = Outgoing(Allowed.parse("127.0.0.1"))
    with pytest.raises(httpx.HTTPError):
        await outgoing.post("http://127.0.0.1:1/", b"", {})
    await outgoing.close()


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver("200") as proxy, receiver() as there:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        outgoing = Outgoing(Allowed.parse("127.0.0.1"))
        assert (await outgoing.post(there.url, b"", {})).status == 204
        await outgoing.close()
    assert proxy.connections == 0


async def test_tls_verifies_the_name_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    outgoing = Outgoing(Allowed.parse("127.0.0.1"))
    resolving(monkeypatch, "127.0.0.1")
    seen: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(2000))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(httpx.HTTPError):
        await outgoing.post(f"https://hooks.example:{port}/", b"", {})
    assert b"hooks.example" in seen[0]  # the server name of the handshake, not the address
    server.close()
    await outgoing.close()


@pytest.mark.parametrize(
    ("setting", "host", "address", "port", "allowed"),
    [
        ("10.0.0.0/8", "x", "10.2.3.4", 80, True),
        ("10.0.0.0/8", "x", "11.2.3.4", 80, False),
        ("127.0.0.1:9000", "x", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "x", "127.0.0.1", 9001, False),
        ("[::1]:9000", "x", "::1", 9000, True),
        ("crm.internal", "CRM.internal", "10.0.0.1", 443, True),
        ("crm.internal:8443", "crm.internal", "10.0.0.1", 443, False),
        ("", "x", "10.0.0.1", 80, False),
    ],
)
def test_what_an_operator_allows(
    setting: str, host: str, address: str, port: int, allowed: bool
) -> None:
    assert Allowed.parse(setting).holds(host, ipaddress.ip_address(address), port) is allowed


@pytest.mark.parametrize("setting", ["10.0.0.0/99", "host:port", ":80", "a/b"])
def test_an_allowance_that_says_nothing_is_an_error(setting: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Allowed.parse(setting)
