"""Webhooks: how far each has come, and what follows from what its receiver answers."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.feedback.domain.event_filter import EVERYTHING, EventFilter

FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)
GIVEN_UP_AFTER: Final = timedelta(days=5)
"""A webhook that has failed for so long is switched off."""
OVERLAP: Final = timedelta(days=1)
"""How long events are signed with the old secret too, once there is a new one."""
LEASE: Final = timedelta(seconds=30)
"""Nobody else sends to a webhook for so long; whoever does says again and again that it does."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that events are sent to, one after the other. ``place`` is the number of the last
    one that it has taken, or that it did not want."""

    webhook_id: str
    name: str
    url: str
    secret: str
    created_at: datetime
    created_by: str
    place: int
    next_at: datetime
    """When it is tried, if there is anything to send."""
    wanted: EventFilter = EVERYTHING
    old_secret: str | None = None
    old_secret_until: datetime | None = None
    edition: int = 0
    """Moves with each change by people: whoever sends by an older one stops."""
    active: bool = True
    ended_because: str | None = None
    ended_at: datetime | None = None
    delivered: int = 0
    delivered_at: datetime | None = None
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    error: str | None = None
    """Why the last try failed, in words that quote nothing."""
    lease: str | None = None
    lease_until: datetime | None = None

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """What an event is signed with."""
        if self.old_secret and self.old_secret_until and now < self.old_secret_until:
            return self.secret, self.old_secret
        return (self.secret,)

    def due_at(self) -> datetime:
        """When somebody may send what there is to send."""
        return max(self.next_at, self.lease_until) if self.lease_until else self.next_at


@dataclass(frozen=True, slots=True)
class Progress:
    """What came of sending for a while. ``place`` is how far it came, ``delivered`` how many events
    were taken; ``error`` says why the next one was not."""

    place: int
    delivered: int = 0
    delivered_at: datetime | None = None
    error: str | None = None
    gone: bool = False
    """The receiver wants no more."""
    asked: float = 0.0
    """Seconds until which the receiver wants to hear nothing."""


def claimed(hook: Webhook, lease: str, now: datetime) -> Webhook:
    """It is sent to by whoever has this lease."""
    return replace(hook, lease=lease, lease_until=now + LEASE)


def released(hook: Webhook) -> Webhook:
    """Nobody sends to it."""
    return replace(hook, lease=None, lease_until=None)


def advanced(hook: Webhook, progress: Progress, now: datetime, jitter: float) -> Webhook:
    """The webhook after some sending; ``jitter`` (0 to 1) spreads the next try of one that failed.

    The wait doubles from five seconds to an hour, less up to half of it.
    """
    hook = replace(hook, place=progress.place)
    if progress.delivered:
        hook = replace(
            hook,
            delivered=hook.delivered + progress.delivered,
            delivered_at=progress.delivered_at,
            failures=0,
            failing_since=None,
            failed_at=None,
            error=None,
        )
    if progress.error is None:
        return hook
    since = hook.failing_since or now
    hook = replace(
        hook, failures=hook.failures + 1, failing_since=since, failed_at=now, error=progress.error
    )
    if progress.gone:
        return ended(hook, progress.error, now)
    if now - since >= GIVEN_UP_AFTER:
        return ended(hook, f"it failed for {GIVEN_UP_AFTER.days} days: {progress.error}", now)
    wait = min(FIRST_WAIT * 2 ** min(hook.failures - 1, 16), LONGEST_WAIT) * (1 - jitter / 2)
    asked = timedelta(seconds=min(progress.asked, LONGEST_WAIT.total_seconds()))
    return replace(hook, next_at=now + max(wait, asked))


def ended(hook: Webhook, why: str | None, now: datetime) -> Webhook:
    """Nothing is sent any more, until somebody resumes it; without a reason, they paused it."""
    return replace(hook, active=False, ended_because=why and why[:200], ended_at=now)


def resumed(hook: Webhook, now: datetime) -> Webhook:
    """It goes on where it stopped, at once."""
    return replace(
        hook,
        active=True,
        ended_because=None,
        ended_at=None,
        next_at=now,
        failures=0,
        failing_since=None,
        failed_at=None,
        error=None,
    )


def with_secret(hook: Webhook, secret: str, now: datetime) -> Webhook:
    """With another secret; for a day events are signed with both."""
    return replace(hook, secret=secret, old_secret=hook.secret, old_secret_until=now + OVERLAP)
