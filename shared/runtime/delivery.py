"""Sending something once to a receiver that somebody named: what came of it, and its signature."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from shared.runtime.outgoing import Outgoing, Refused

GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one try: ``error`` is None when it was taken, else why not, in words that quote
    nothing. ``gone``: it never will be. ``asked``: seconds until which the receiver wants to hear
    nothing."""

    error: str | None = None
    status: int | None = None
    gone: bool = False
    asked: float = 0.0


async def deliver(
    outgoing: Outgoing,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    gone: Collection[int] = (GONE,),
) -> Tried:
    """Post once. Never raises for what a receiver does; ``gone`` are the answers by which one says
    that it is not there any more."""
    try:
        answer = await outgoing.post(url, body, headers)
    except Refused as refused:
        return Tried(str(refused)[:200])
    except TimeoutError:
        return Tried("it did not answer in time")
    except httpx.HTTPError:
        return Tried("it can't be reached")
    status = answer.status
    if 200 <= status < 300:
        return Tried(status=status)
    if status in gone:
        return Tried(f"its receiver says that it is gone ({status})", status, gone=True)
    if 300 <= status < 400:
        return Tried(f"it leads elsewhere ({status}): give the new address", status)
    after = answer.headers.get("retry-after", "")
    wait = float(after[:9]) if after.isdecimal() else 0.0
    return Tried(f"it answered {status}", status, asked=wait)


def signed(message_id: str, secrets: Sequence[str], body: bytes, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks (https://www.standardwebhooks.com), signed with each of the
    secrets: while one takes the place of another, receivers know either."""
    from standardwebhooks import Webhook

    signatures = [Webhook(one).sign(message_id, now, body.decode()) for one in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
