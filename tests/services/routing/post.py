"""A real mail server, and what drives the part that sends without waiting for any clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from sqlalchemy import select, update

from services.routing.notifying.sender import Sender
from services.routing.store.tables import notices
from shared.runtime.outward import MailServer
from tests.services.routing.desk import PAST, Desk


@dataclass
class Mailbox:
    """A mail server. ``answers`` is what it says to a mail: ``250 OK`` takes it, ``hang`` never
    says anything; ``refuses`` names the answer to a recipient, if it is not taken."""

    port: int = 0
    answers: str = "250 OK"
    refuses: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    sent_to: list[str] = field(default_factory=list)
    server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def settings(self) -> MailServer:
        return MailServer.parse(self.url, "Leadloop <leads@acme.example>")

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers == "hang":
            await asyncio.sleep(60)
        if self.answers.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            self.sent_to += envelope.rcpt_tos
        return self.answers

    async def open(self, **more: Any) -> None:
        """Listen, on the same port as before if there was one."""
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            return SMTP(self, hostname="mail.test", loop=loop, **more)

        self.server = await loop.create_server(protocol, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Be away."""
        if self.server is not None:
            self.server.close()


@asynccontextmanager
async def mailbox(user: str = "", password: str = "") -> AsyncIterator[Mailbox]:
    """A mail server on a port of its own; with a user, for nobody else."""
    made = Mailbox()
    more: dict[str, Any] = {}
    if user:

        def known(
            server: Any, session: Any, envelope: Any, mechanism: str, data: Any
        ) -> AuthResult:
            right = (data.login, data.password) == (user.encode(), password.encode())
            return AuthResult(success=right, handled=False)

        more = {"authenticator": known, "auth_require_tls": False, "auth_required": True}
    await made.open(**more)
    yield made
    made.close()


def sender_of(desk: Desk) -> Sender:
    """The part that sends."""
    return next(part for part in desk.service.parts if isinstance(part, Sender))


async def send_due(desk: Desk) -> None:
    """Send all that is due, and note what became of it."""
    sender = sender_of(desk)
    while True:
        seconds = await sender.look()
        if sender._trying:
            await asyncio.wait(sender._trying)
        elif not sender._done and (seconds is None or seconds > 0.1):
            return


async def notices_of(desk: Desk, **equal: Any) -> list[Any]:
    """The rows of notices, oldest first."""
    query = select(notices).order_by(notices.c.created_at, notices.c.notice_id)
    for name, value in equal.items():
        query = query.where(notices.c[name] == value)
    return await desk.rows(query)


async def time_passes(desk: Desk, **more: Any) -> None:
    """Let every notice be due that is not sent."""
    waiting = notices.c.state == "waiting"
    await desk._change(update(notices).where(waiting).values(next_at=PAST, **more))
