"""How a message goes out: by mail, to a chat's webhook, or to a signed one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from services.routing.documents import rfc3339
from services.routing.domain.channels import Channel, Medium
from services.routing.domain.notices import Notice
from services.routing.domain.reps import Rep
from services.routing.notifying.messages import Message
from services.routing.notifying.push import PushKey, encrypted, headers_of
from shared.runtime.delivery import GONE, deliver, signed
from shared.runtime.mail import Mailer, MailFailed
from shared.runtime.outgoing import Outgoing


class Result(StrEnum):
    """What became of one try."""

    SENT = "sent"
    FAILED = "failed"
    """To be tried again."""
    FINAL = "final"
    """It never will be sent."""
    GONE = "gone"
    """Nor will any other to this address."""
    DROPPED = "dropped"
    """There was nothing to send."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A try's result, and why, in words that quote nothing."""

    result: Result
    error: str | None = None
    asked: float = 0.0
    """Seconds until which the receiver wants to hear nothing."""
    url: str | None = None
    """Where it was sent, of a webhook."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """How messages to browsers are signed, and whom their carriers may turn to."""

    key: PushKey
    contact: str


class Media:
    """Sends a message once, by any medium."""

    def __init__(
        self, outgoing: Outgoing, mailer: Mailer | None, carrier: Callable[[], Carrier]
    ) -> None:
        self._outgoing = outgoing
        self._mailer = mailer
        self._carrier = carrier

    async def send(
        self, notice: Notice, channel: Channel, rep: Rep, message: Message, now: datetime
    ) -> Tried:
        """Try once. Never raises for what a receiver does."""
        if channel.medium is Medium.MAIL:
            return await self._mail(notice, rep, message)
        if channel.url is None:
            return Tried(Result.DROPPED, "it has no address")
        body, headers = self._written(notice, channel, message, now)
        gone = (GONE, 404) if channel.medium is Medium.PUSH else (GONE,)
        tried = await deliver(self._outgoing, channel.url, body, headers, gone=gone)
        if tried.error is None:
            return Tried(Result.SENT, url=channel.url)
        result = Result.GONE if tried.gone else Result.FAILED
        return Tried(result, tried.error, tried.asked, channel.url)

    async def close(self) -> None:
        """Close the connections."""
        await self._outgoing.close()

    def _written(
        self, notice: Notice, channel: Channel, message: Message, now: datetime
    ) -> tuple[bytes, dict[str, str]]:
        """The body and the headers. Raises Problem 503 while the access store is away."""
        json = {"content-type": "application/json"}
        match channel.medium:
            case Medium.SLACK:
                return orjson.dumps({"text": message.chat()}), json
            case Medium.PUSH:
                assert channel.url is not None
                carrier = self._carrier()
                headers = headers_of(carrier.key, channel.url, carrier.contact)
                return encrypted(message, channel.secret or ""), headers
        body = _document(notice, message)
        return body, json | signed(notice.notice_id, [channel.secret or ""], body, now)

    async def _mail(self, notice: Notice, rep: Rep, message: Message) -> Tried:
        if self._mailer is None:
            return Tried(Result.DROPPED, "mail is not set up")
        if not rep.email:
            return Tried(Result.DROPPED, "there is no mail address")
        try:
            await self._mailer.send(
                notice.notice_id, rep.email, message.subject, message.text(), message.html()
            )
        except MailFailed as failed:
            return Tried(Result.FINAL if failed.final else Result.FAILED, str(failed))
        return Tried(Result.SENT)


def _document(notice: Notice, message: Message) -> bytes:
    """The same at every try, but for what the lead has become meanwhile."""
    document: dict[str, Any] = {
        "type": f"leadloop.notice.{notice.tells}",
        "timestamp": rfc3339(notice.created_at),
        "data": message.data,
    }
    return orjson.dumps(document)
