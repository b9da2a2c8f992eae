"""A body over the limit has its 413 even when the client sends megabytes on: a real server, and a
client that reads nothing until it has sent all of it."""

import asyncio
import re
import socket
from urllib.parse import urlsplit

import pytest

from services.capture.intake.reception import MAX_BODY
from shared.access import Role
from shared.runtime.asgi import DRAIN_BYTES
from tests.services.capture.conftest import LEADS, Capture, served

MEGABYTE = 1 << 20
FIELDS = "/capture/v1/fields"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def said(address: str, request: bytes, body: int, chunked: bool) -> bytes:
    """What the server answers to a request with so many bytes of body. Raises OSError when it
    closes the connection on us."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % body
    piece = b"x" * (64 * 1024)
    if chunked:
        piece = b"%x\r\n%s\r\n" % (len(piece), piece)
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port), timeout=20) as client:
        client.sendall(request + framing + b"\r\n\r\n")
        for _ in range(body // (64 * 1024)):
            client.sendall(piece)
        if chunked:
            client.sendall(b"0\r\n\r\n")
        answer = b""
        while b"}" not in answer:
            more = client.recv(65536)
            assert more, f"closed after {answer!r}"
            answer += more
        return answer


def request(capture: Capture, method: str, path: str) -> bytes:
    key = capture.keys[Role.ADMIN]
    return (
        f"{method} {path} HTTP/1.1\r\nHost: capture\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("method", "path"), [("POST", LEADS), ("PUT", FIELDS)])
async def test_megabytes_too_many_have_their_answer(
    capture: Capture, method: str, path: str, chunked: bool
) -> None:
    async with served(capture.service.app) as address:
        asked = request(capture, method, path)
        answer = await asyncio.to_thread(said, address, asked, 5 * MEGABYTE, chunked)
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert b"application/problem+json" in answer
    assert b"\r\ntraceresponse: " in answer.lower()
    assert b"64 KB" in answer
    assert b"\r\nconnection: close" not in answer.lower()  # all of it was read: it may be used on


@pytest.mark.parametrize("path", [LEADS, FIELDS])
async def test_a_client_that_never_ends_is_not_listened_to_for_ever(
    capture: Capture, path: str
) -> None:
    sent = 0

    async def receive() -> dict[str, object]:
        nonlocal sent
        sent += 64 * 1024
        return {"type": "http.request", "body": b"x" * (64 * 1024), "more_body": True}

    answer: dict[str, object] = {}

    async def send(message: dict[str, object]) -> None:
        answer.update(message)

    headers = [
        (b"authorization", f"Bearer {capture.keys[Role.ADMIN]}".encode()),
        (b"content-type", b"application/json"),
    ]
    scope = {"type": "http", "method": "POST" if path == LEADS else "PUT", "path": path,
             "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": headers,
             "http_version": "1.1", "scheme": "http", "server": ("capture", 80),
             "client": ("test", 1)}  # fmt: skip
    await capture.service.app(scope, receive, send)  # type: ignore[arg-type]
    assert answer["status"] == 413
    assert (b"connection", b"close") in answer["headers"]  # type: ignore[operator]
    assert sent < DRAIN_BYTES + MAX_BODY + 2 * MEGABYTE


async def test_a_client_that_stalls_is_answered_soon(capture: Capture) -> None:
    async with served(capture.service.app) as address:
        url = urlsplit(address)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(request(capture, "POST", LEADS) + b"Content-Length: 1000000\r\n\r\n")
        writer.write(b"x" * (MAX_BODY + 1))
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.read()  # and the connection ends
        writer.close()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()


async def test_a_202_carries_the_callers_trace(capture: Capture) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await capture.post({"email": "ada@example.com"}, traceparent=trace)
    assert answer.status_code == 202
    assert answer.headers["traceresponse"] == trace
    assert (await capture.events())[0].traceparent == trace
    begun = await capture.post({"email": "ada@example.com"})
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", begun.headers["traceresponse"])
    assert (await capture.events())[-1].traceparent == begun.headers["traceresponse"]
    refused = await capture.post({"email": "nobody"}, traceparent=trace)
    assert refused.status_code == 422
    assert refused.headers["traceresponse"] == trace
