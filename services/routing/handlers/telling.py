"""How reps want to be told of leads, and what became of the messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.routing.domain.channels import BY_DEFAULT, Channel, Medium, Tells
from services.routing.domain.notices import Notice, NoticeState, next_try
from services.routing.domain.reps import Rep
from services.routing.store.unit import Routing
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem

TEST_EVERY_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. Exactly one of the first three may be true; with none of them it is
    tried again."""

    notice: Notice
    sent: bool = False
    dropped: bool = False
    final: bool = False
    gone: bool = False
    """Its receiver says that nothing must come any more: the channel ends."""
    url: str | None = None
    """Where it was sent, of a webhook."""
    error: str | None = None
    jitter: float = 0.0
    asked: float = 0.0


def settle(unit: Routing, outcomes: Sequence[Outcome]) -> None:
    """Note what became of tries; of who was overtaken by somebody else, only that it is sent."""
    if any(one.gone for one in outcomes):
        unit.pool()  # before the notices: everybody locks in this order
    unit.notices.load([one.notice.notice_id for one in outcomes], by="notice_id")
    for one in outcomes:
        known = unit.notices.get(one.notice.notice_id)
        if known is None or known.state is not NoticeState.WAITING:
            continue
        if known.tries == one.notice.tries or one.sent:
            unit.notices.put(_after(known, one, unit))
        if one.gone:
            _end(unit, one)


def _after(known: Notice, outcome: Outcome, unit: Routing) -> Notice:
    now, error = unit.now, outcome.error and outcome.error[:300]
    done = replace(known, error=error, done_at=now, next_at=now)
    if outcome.sent:
        return replace(done, state=NoticeState.SENT, error=None)
    if outcome.dropped:
        return replace(done, state=NoticeState.DROPPED)
    next_at = next_try(known, now, outcome.jitter, outcome.asked)
    if outcome.final or outcome.gone or next_at is None:
        unit.warn("routing: a message by %s was given up: %s", known.medium.value, error)
        return replace(done, state=NoticeState.GIVEN_UP)
    return replace(known, error=error, next_at=next_at)


def _end(unit: Routing, outcome: Outcome) -> None:
    """End a channel, unless its rep has given it another address meanwhile."""
    rep = unit.reps.get(outcome.notice.rep_id)
    if rep is None or rep.channels is None:
        return
    ended = tuple(
        replace(one, ended=outcome.error or "gone")
        if (one.medium, one.url) == (outcome.notice.medium, outcome.url)
        else one
        for one in rep.channels
    )
    unit.reps.put(replace(rep, channels=ended))


def choose_channels(
    unit: Routing, rep_id: str, channels: Sequence[Channel] | None, fresh_secret: str
) -> Rep:
    """How a rep wants to be told from now on; None: as everybody who has not said. A webhook that
    names no secret keeps the one it had, or gets the fresh one. Raises Problem 404."""
    unit.pool()
    rep = _rep(unit, rep_id)
    if channels is not None:
        before = {one.medium: one for one in rep.channels or ()}
        channels = tuple(_with_secret(one, before, fresh_secret) for one in channels)
    after = replace(rep, channels=channels)
    unit.reps.put(after)
    return after


def choose_channel(
    unit: Routing, rep_id: str, medium: Medium, channel: Channel | None, fresh_secret: str
) -> Rep:
    """Use one medium as this channel says from now on, or no more. Raises Problem 404."""
    unit.pool()
    rep = _rep(unit, rep_id)
    chosen = BY_DEFAULT if rep.channels is None else rep.channels
    others = [one for one in chosen if one.medium is not medium]
    after = others if channel is None else [*others, channel]
    order = list(Medium)
    after.sort(key=lambda one: order.index(one.medium))
    return choose_channels(unit, rep_id, after, fresh_secret)


def _with_secret(channel: Channel, before: Mapping[Medium, Channel], fresh: str) -> Channel:
    if channel.medium is not Medium.WEBHOOK or channel.secret:
        return channel
    known = before.get(channel.medium)
    return replace(channel, secret=(known and known.secret) or fresh)


def ask_for_test(unit: Routing, rep_id: str, medium: Medium) -> Notice:
    """Send a rep a message that says nothing. Raises Problem 404, 409 and, within ten seconds of
    the last one, 429."""
    rep = unit.reps.fetch(rep_id)
    if rep is None:
        raise _no_rep()
    chosen = BY_DEFAULT if rep.channels is None else rep.channels
    channel = next((one for one in chosen if one.medium is medium), None)
    if channel is None:
        raise Problem(409, "This is not set up", "Set it up and save it first, then test it.")
    if channel.ended is not None:
        raise Problem(409, "It has ended", f"{channel.ended}. Save it again to begin anew.")
    if medium is Medium.MAIL and not (unit.mail and rep.email):
        why = "There is no mail address." if unit.mail else "No mail server is set up."
        raise Problem(409, "No mail can be sent", f"{why} An admin can change that.")
    for one in unit.notices.find(rep_id=rep_id, tells=Tells.TEST.value, medium=medium.value):
        if (unit.now - one.created_at).total_seconds() < TEST_EVERY_SECONDS:
            raise Problem(
                429,
                "One at a time",
                "The last test message is only seconds old: see what became of it below.",
                headers={"Retry-After": str(TEST_EVERY_SECONDS)},
            )
    now, waiting = unit.now, NoticeState.WAITING
    to = channel.destination
    notice = Notice(new_id(), rep_id, medium, Tells.TEST, to, waiting, now, now, now)
    unit.notices.put(notice)
    return notice


def _rep(unit: Routing, rep_id: str) -> Rep:
    rep = unit.reps.get(rep_id)
    if rep is None:
        raise _no_rep()
    return rep


def _no_rep() -> Problem:
    return Problem(404, "No such rep", "There is no rep with this id.")
