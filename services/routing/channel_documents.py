"""The shapes in which the API and the page take and show how somebody is told of leads."""

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from services.routing.documents import rfc3339
from services.routing.domain.channels import BY_DEFAULT, Channel, Medium, Tells, When
from services.routing.domain.notices import Notice
from services.routing.domain.reps import Rep
from services.routing.notifying.push import are_keys
from services.routing.store.notices import ChannelStatus
from shared.contracts.problems import Problem
from shared.runtime.outgoing import MAX_ADDRESS, Outgoing, Refused

OfLeads = Literal["new_lead", "sla_warned", "taken_away", "escalated"]
SECRET_BYTES = 24


class ChannelIn(BaseModel):
    """One way of being told."""

    model_config = ConfigDict(extra="forbid")

    medium: Medium
    tells: Annotated[list[OfLeads], Field(max_length=4)] = ["new_lead", "escalated"]
    when: When = When.AT_ONCE
    url: Annotated[str, Field(max_length=MAX_ADDRESS)] | None = None
    """Where a webhook is, or what carries messages to a browser (its subscription's ``endpoint``);
    none for mail, which goes to the rep's address."""
    secret: Annotated[
        Annotated[str, Field(max_length=200)] | None, Field(validate_default=True)
    ] = None
    """Of a signed webhook, ``whsec_`` and base64 of 24 to 64 bytes; kept or made, if left out. Of a
    browser, its keys: ``<p256dh>.<auth>`` in base64url."""

    @field_validator("secret")
    @classmethod
    def _fits_the_medium(cls, secret: str | None, told: ValidationInfo) -> str | None:
        match told.data.get("medium"):
            case Medium.PUSH if not are_keys(secret or ""):
                raise ValueError("a browser's keys are its p256dh and auth in base64url, dotted")
            case Medium.WEBHOOK if secret is not None and not _signs(secret):
                raise ValueError("a secret is whsec_ and then 24 to 64 bytes in base64")
        return secret

    def channel(self) -> Channel:
        """The channel that was meant."""
        tells = tuple(Tells(one) for one in dict.fromkeys(self.tells))
        secret = self.secret if self.medium in (Medium.WEBHOOK, Medium.PUSH) else None
        return Channel(self.medium, tells, self.when, self.url, secret)


def _signs(secret: str) -> bool:
    """Whether a webhook can be signed with it."""
    try:
        size = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except binascii.Error:
        return False
    return secret.startswith("whsec_") and 24 <= size <= 64


class NotificationsIn(BaseModel):
    """How somebody is to be told; null: by mail of a new lead, as everybody who has not said."""

    model_config = ConfigDict(extra="forbid")

    channels: Annotated[list[ChannelIn], Field(max_length=len(Medium))] | None


class TestIn(BaseModel):
    """What to try."""

    model_config = ConfigDict(extra="forbid")

    medium: Medium


def fresh_secret() -> str:
    """A secret for a signed webhook that nobody has."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_channels(channels: Sequence[ChannelIn], outgoing: Outgoing) -> None:
    """Raise Problem 422 for channels that can't be."""
    errors = []
    for index, one in enumerate(channels):
        at = f"/channels/{index}"
        if one.medium in [other.medium for other in channels[:index]]:
            errors.append({"pointer": f"{at}/medium", "detail": "there is one of it already"})
        if one.medium is Medium.MAIL:
            if one.url is not None:
                detail = "mail goes to the rep's address, which an admin changes"
                errors.append({"pointer": f"{at}/url", "detail": detail})
            continue
        try:
            outgoing.check(one.url or "")
        except Refused as refused:
            errors.append({"pointer": f"{at}/url", "detail": str(refused)})
    if errors:
        raise Problem(422, "This can't be used", "Nothing was changed. See errors.", errors=errors)


def notifications_json(
    rep: Rep, statuses: Mapping[Medium, ChannelStatus], mail: bool
) -> dict[str, Any]:
    """How a rep is told, and how that does."""
    chosen = BY_DEFAULT if rep.channels is None else rep.channels
    return {
        "rep_id": rep.rep_id,
        "by_default": rep.channels is None,
        "mail_is_set_up": mail,
        "email": rep.email,
        "channels": [_channel_json(one, statuses.get(one.medium)) for one in chosen],
    }


def _channel_json(channel: Channel, status: ChannelStatus | None) -> dict[str, Any]:
    status = status or ChannelStatus(channel.medium)
    return {
        "medium": channel.medium,
        "tells": channel.tells,
        "when": channel.when,
        "url": channel.url,
        "secret": channel.secret,
        "ended": channel.ended,
        "waiting": status.waiting,
        "sent_at": rfc3339(status.sent_at),
        "error": status.error,
        "next_try_at": rfc3339(status.next_at),
    }


def notice_json(notice: Notice) -> dict[str, Any]:
    """A message as the API shows it."""
    return {
        "notice_id": notice.notice_id,
        "medium": notice.medium,
        "tells": notice.tells,
        "state": notice.state,
        "tries": notice.tries,
        "error": notice.error,
        "created_at": rfc3339(notice.created_at),
        "done_at": rfc3339(notice.done_at),
    }
