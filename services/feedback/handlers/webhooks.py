"""Webhooks: add, change and remove them, and note how far each has come.

A webhook's row is written by people and by whoever sends. Each waits for the others, so that none
writes what it read before another's change.
"""

from dataclasses import dataclass, replace
from typing import Final

from services.feedback.domain.event_filter import EventFilter
from services.feedback.domain.webhooks import (
    Progress,
    Webhook,
    advanced,
    claimed,
    ended,
    released,
    resumed,
    with_secret,
)
from services.feedback.store.aggregates import DUE_WEBHOOKS
from services.feedback.store.unit import Feedback
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem

MOST: Final = 100
_LOCK: Final = ["webhooks"]


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody changes; None stays."""

    name: str | None = None
    url: str | None = None
    wanted: EventFilter | None = None
    active: bool | None = None
    secret: str | None = None


def add(
    unit: Feedback, name: str, url: str, wanted: EventFilter, secret: str, by: str, place: int
) -> Webhook:
    """A new webhook, which gets what comes behind ``place``. Raises Problem 409."""
    unit.lock(_LOCK)
    if len(unit.webhooks.all()) >= MOST:
        raise Problem(409, "Too many webhooks", f"There are {MOST}: remove one that is not used.")
    hook = Webhook(new_id(), name, url, secret, unit.now, by, place, unit.now, wanted)
    unit.webhooks.put(hook)
    unit.sendable()
    return hook


def change(unit: Feedback, webhook_id: str, wish: Change) -> Webhook:
    """Change some of it. Another address, or being active again, has it tried at once. Raises
    Problem 404."""
    hook = _locked(unit, webhook_id)
    values = {"name": wish.name, "url": wish.url, "wanted": wish.wanted}
    hook = replace(hook, **{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
    if wish.secret is not None:
        hook = with_secret(hook, wish.secret, unit.now)
    if wish.active is False and hook.active:
        hook = ended(hook, None, unit.now)
    elif hook.active if wish.active is None else wish.active:
        hook = resumed(hook, unit.now)
    return _put(unit, hook)


def remove(unit: Feedback, webhook_id: str) -> None:
    """Send nothing there any more, and forget it. Raises Problem 404."""
    unit.webhooks.remove(_locked(unit, webhook_id))


def replay(unit: Feedback, webhook_id: str, place: int) -> Webhook:
    """Send what is behind ``place``, again or for the first time. Raises Problem 404."""
    hook = replace(_locked(unit, webhook_id), place=place)
    return _put(unit, resumed(hook, unit.now) if hook.active else hook)


def claim(unit: Feedback, lease: str, newest: int, limit: int) -> list[Webhook]:
    """Take webhooks that there is something for, up to the ``newest`` event, to send to them."""
    unit.lock(_LOCK)
    due = unit.webhooks.select(DUE_WEBHOOKS, now=unit.now, newest=newest, limit=limit)
    found = [claimed(hook, lease, unit.now) for hook in due]
    for hook in found:
        unit.webhooks.put(hook)
    return found


def note(
    unit: Feedback, sent: Webhook, progress: Progress, jitter: float, *, done: bool
) -> Webhook | None:
    """Note how far a webhook has come; None: whoever sends has to stop, because it was changed or
    removed, or somebody else sends. What was taken counts, unless the change was a replay."""
    unit.lock(_LOCK)
    hook = unit.webhooks.fetch(sent.webhook_id)
    if hook is None or hook.lease != sent.lease:
        return None
    if hook.edition != sent.edition:
        if hook.place == sent.place:
            hook = advanced(hook, replace(progress, error=None), unit.now, jitter)
        unit.webhooks.put(released(hook))
        return None
    hook = advanced(hook, progress, unit.now, jitter)
    hook = released(hook) if done or not hook.active else claimed(hook, sent.lease or "", unit.now)
    unit.webhooks.put(hook)
    return hook


def _locked(unit: Feedback, webhook_id: str) -> Webhook:
    unit.lock(_LOCK)
    hook = unit.webhooks.fetch(webhook_id)
    if hook is None:
        raise Problem(404, "No such webhook", "There is no webhook with this id.")
    return hook


def _put(unit: Feedback, hook: Webhook) -> Webhook:
    hook = replace(hook, edition=hook.edition + 1)
    unit.webhooks.put(hook)
    unit.sendable()
    return hook
