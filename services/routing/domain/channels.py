"""How somebody wants to be told: by what, what of, and when."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit


class Tells(StrEnum):
    """What somebody is told of."""

    NEW_LEAD = "new_lead"
    """A lead is theirs now, however it came to them."""
    SLA_WARNED = "sla_warned"
    """The deadline of a lead that waits for their answer is near."""
    TAKEN_AWAY = "taken_away"
    """Its deadline passed, or a manager moved it: it is theirs no longer."""
    ESCALATED = "escalated"
    """The last attempt at a lead of their team ran out."""
    DIGEST = "digest"
    """All of that in one, at the start of their day."""
    TEST = "test"
    """Nothing has happened: they wanted to see whether it works."""


OF_LEADS: Final = (Tells.NEW_LEAD, Tells.SLA_WARNED, Tells.TAKEN_AWAY, Tells.ESCALATED)
"""What a channel may be asked to tell."""


class Medium(StrEnum):
    """How a message goes."""

    MAIL = "mail"
    SLACK = "slack"
    """An incoming webhook that takes ``{"text": …}``: Slack's, and those made like it."""
    WEBHOOK = "webhook"
    """A signed one, as Standard Webhooks has it."""
    PUSH = "push"
    """Web push, to the one browser that agreed to it last."""


class When(StrEnum):
    """At which time of day a channel tells."""

    AT_ONCE = "at_once"
    WORKING_HOURS = "working_hours"
    """At once while they work; what comes outside waits until they do."""
    DIGEST = "digest"
    """Once, at the start of their day, and nothing when nothing has happened."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One way in which a rep wants to be told, what of and when. They have one of each medium."""

    medium: Medium
    tells: tuple[Tells, ...] = (Tells.NEW_LEAD, Tells.ESCALATED)
    when: When = When.AT_ONCE
    url: str | None = field(default=None, repr=False)
    """Where a webhook is; mail goes to the rep's address."""
    secret: str | None = field(default=None, repr=False)
    """Of a signed webhook: ``whsec_…``; of a browser: its keys, ``<p256dh>.<auth>``."""
    ended: str | None = None
    """Why it is not used any more: its receiver said it is gone. Saving it again begins anew."""

    @property
    def destination(self) -> str:
        """What its messages share with others: if that is slow, the others are not."""
        return "mail" if self.url is None else urlsplit(self.url).netloc.lower()[:255]


BY_DEFAULT: Final = (Channel(Medium.MAIL),)
"""How somebody is told who has not said anything about it."""
