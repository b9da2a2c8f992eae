"""Receivers on a real port, which answer as they are told and keep what they were sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Receiver:
    """An HTTP receiver. ``behaves`` is a status to answer, ``wait`` (until it may
    ``go_on``), ``hang``, ``drip`` or ``flood``."""

    port: int = 0
    behaves: str = "204"
    location: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.at_once -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value
            for name, _, value in (one.partition(": ") for one in head[1:] if one)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        self.came.set()
        if self.behaves == "hang":
            await reader.read()
            return
        if self.behaves == "wait":
            await self.go_on.wait()
        if self.behaves in ("drip", "flood"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                writer.write(b"x" if self.behaves == "drip" else b"x" * 65536)
                await writer.drain()
                if self.behaves == "drip":
                    await asyncio.sleep(0.02)
        more = f"Location: {self.location}\r\n" if self.location else ""
        more += "Content-Length: 2\r\nConnection: close\r\n"
        status = "200" if self.behaves == "wait" else self.behaves
        writer.write(f"HTTP/1.1 {status} -\r\n{more}\r\nok".encode())
        await writer.drain()


@asynccontextmanager
async def receiver(behaves: str = "204", location: str = "") -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    made = Receiver(behaves=behaves, location=location)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
