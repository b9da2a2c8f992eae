"""The comparisons: pure functions from a ledger and a history to findings."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple

from tests.torture.history import History, Logged, Turn
from tests.torture.ledger import Ledger

_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)
TRANSIENT: Final = frozenset({"INQUIRY", "MQL", "REJECTED"})
"""Stages that the product leaves by itself, in seconds."""
FREE: Final = frozenset({"HANDED_OVER", "PUT_BACK", "MOVED", "AWAY"})
"""Why a rep's time with a lead may end that they had accepted, and somebody else's begin."""
ENDS: Final = frozenset({"WON", "LOST", "RECYCLED", "DISQUALIFIED"})
_TO_SOMEBODY_ELSE: Final = frozenset({"WRONG_TERRITORY", "NO_CAPACITY"})
"""Of the reasons with which the torture rejects: those after which a lead is given to others."""
_WORKED: Final = frozenset({"ACCEPTED", "SQL", "OPPORTUNITY"})


class Finding(NamedTuple):
    """Something that must never be. ``kind`` is one of a few words, ``text`` the evidence."""

    kind: str
    text: str


def check(ledger: Ledger, history: History, planted: Collection[str] = ()) -> list[Finding]:
    """Every finding. ``planted`` are ids of events that the torture itself put on the log."""
    genuine = [event for event in history.log if event.id not in planted]
    return [
        *nothing_lost(ledger, history),
        *one_lead_each(ledger, history),
        *submissions_counted_once(ledger, history),
        *one_owner(history.turns),
        *answers_kept(ledger, history),
        *hands_kept(ledger, history),
        *none_forgotten(history),
        *misses_are_misses(history, genuine),
        *no_effect_twice(genuine),
        *every_effect_told(history, genuine),
        *in_order(genuine),
        *stages_agree(history),
        *(Finding("offset", text) for text in history.backwards),
        *(Finding("dead letter", text) for text in history.dead_letters),
        *(Finding("refused", text) for text in ledger.refused),
    ]


def nothing_lost(ledger: Ledger, history: History) -> Iterator[Finding]:
    """Every 202 is in capture, was scored by qualify and has a stage in feedback."""
    captured = {lead_id for ids in history.emails.values() for lead_id in ids}
    owned = {turn.lead_id for turn in history.turns}
    for lead_id in sorted({a.lead_id for entry in ledger.submissions for a in entry.answers}):
        where = None
        if lead_id not in captured:
            where = "capture does not have it"
        elif lead_id not in history.scored:
            where = "qualify never scored it"
        elif lead_id not in history.stages:
            where = "feedback has no stage for it"
        elif history.stages[lead_id] in TRANSIENT:
            where = f"it stays {history.stages[lead_id]} with nothing left to read"
        elif history.scored[lead_id] == "MQL" and lead_id not in owned | history.unrouted:
            where = "qualify made it an MQL and routing never heard of it"
        if where is not None:
            yield Finding("lost", f"lead {lead_id} was answered with 202: {where}")


def one_lead_each(ledger: Ledger, history: History) -> Iterator[Finding]:
    """One lead per e-mail, in capture and in every answer."""
    for email, ids in history.emails.items():
        if len(ids) > 1:
            yield Finding("doubled lead", f"{email} is {len(ids)} leads: {sorted(ids)}")
    told: dict[str, set[str]] = defaultdict(set)
    for entry in ledger.submissions:
        told[entry.email].update(answer.lead_id for answer in entry.answers)
    for email, ids_told in told.items():
        if len(ids_told) > 1:
            yield Finding("doubled lead", f"202s for {email} name {sorted(ids_told)}")


def submissions_counted_once(ledger: Ledger, history: History) -> Iterator[Finding]:
    """One submission per Idempotency-Key, with one answer; a touch for each submission kept."""
    stored = {row.submission_id: row for row in history.submissions}
    per_key = Counter(row.key for row in history.submissions if row.key is not None)
    per_lead = Counter(row.lead_id for row in history.submissions)
    known: set[str] = set()
    unsure: Counter[str] = Counter()
    for entry in ledger.submissions:
        answers = set(entry.answers)
        if entry.key is not None and len(answers) > 1:
            yield Finding("doubled effect", f"key {entry.key} was answered {sorted(answers)}")
        if entry.key is not None and per_key[entry.key] > 1:
            yield Finding("doubled effect", f"key {entry.key} is {per_key[entry.key]} submissions")
        for answer in answers:
            known.add(answer.submission_id)
            if answer.submission_id not in stored:
                yield Finding("lost", f"submission {answer.submission_id} was answered with 202")
        if not answers:
            unsure[entry.email] += 1 if entry.key is not None else entry.open_ends
    email_of = {lead_id: email for email, ids in history.emails.items() for lead_id in ids}
    extra = Counter(email_of.get(r.lead_id) for i, r in stored.items() if i not in known)
    for email, count in extra.items():
        if count > unsure[email or ""]:
            text = f"{email}: {count} submissions more than answers, {unsure[email or '']} unsure"
            yield Finding("doubled effect", text)
    for lead_id, touches in history.touches.items():
        if touches != per_lead[lead_id]:
            text = f"lead {lead_id}: {touches} touches, {per_lead[lead_id]} submissions"
            yield Finding("doubled effect", text)


def one_owner(turns: Iterable[Turn]) -> Iterator[Finding]:
    """At most one owner of a lead at any moment of its history; attempts rise; one accept."""
    by_lead: dict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        by_lead[turn.lead_id].append(turn)
    for lead_id, own in by_lead.items():
        own.sort(key=lambda turn: (turn.assigned_at, turn.cycle, turn.attempt))
        still_open = [turn for turn in own if turn.closed_at is None]
        if len(still_open) > 1:
            names = ", ".join(f"{t.rep_id} (attempt {t.attempt})" for t in still_open)
            yield Finding("two owners", f"lead {lead_id} belongs to {names} at once")
        latest: Turn | None = None
        for turn in own:
            if latest is not None and turn.assigned_at < (latest.closed_at or _FOR_EVER):
                text = f"lead {lead_id}: {_words(turn)} begins inside {_words(latest)}"
                yield Finding("two owners", text)
            if latest is None or (turn.closed_at or _FOR_EVER) >= (latest.closed_at or _FOR_EVER):
                latest = turn
        for before, after in pairwise(own):
            if (after.cycle, after.attempt) <= (before.cycle, before.attempt):
                yield Finding("attempts", f"lead {lead_id}: {_words(after)} after {_words(before)}")
        stands = (turn for turn in own if turn.closed_because not in FREE)
        accepts = Counter(turn.cycle for turn in stands if turn.state == "ACCEPTED")
        for cycle, count in accepts.items():
            if count > 1:
                yield Finding("two accepts", f"lead {lead_id}, cycle {cycle}: {count} accepts")


def answers_kept(ledger: Ledger, history: History) -> Iterator[Finding]:
    """What a rep's answer was confirmed as is what stands; outcomes too."""
    states = {turn.assignment_id: turn for turn in history.turns}
    final: dict[str, set[str]] = defaultdict(set)
    for given in ledger.given:
        if given.move == "acknowledge":
            seen = states.get(given.assignment_id)
            if seen is None or seen.acknowledged_at is None:
                yield Finding("lost", f"{given.assignment_id} was confirmed as acknowledged")
        else:
            final[given.assignment_id].add(f"{given.move} {given.reason or ''}".strip())
    for assignment_id, moves in final.items():
        turn = states.get(assignment_id)
        if len(moves) > 1:
            yield Finding("two answers", f"{assignment_id} was confirmed as {sorted(moves)}")
            continue
        stands = None
        if turn is not None and turn.state in ("ACCEPTED", "REJECTED"):
            move = "accept" if turn.state == "ACCEPTED" else "reject"
            stands = f"{move} {turn.reason or ''}".strip()
        if moves != {stands}:
            what = "nothing" if turn is None else f"{turn.state} {turn.reason or ''}"
            yield Finding("lost", f"{assignment_id} was confirmed as {moves}, but it is {what}")
    for key, reported in ledger.reported.items():
        if len(reported.outcome_ids) > 1:
            yield Finding("doubled effect", f"outcome key {key}: {sorted(reported.outcome_ids)}")
        for outcome_id in reported.outcome_ids:
            if outcome_id not in history.outcomes.keys() | history.kept:
                yield Finding("lost", f"outcome {outcome_id} of {reported.lead_id} was confirmed")


def hands_kept(ledger: Ledger, history: History) -> Iterator[Finding]:
    """What was confirmed as handed over, put back or moved is so in the history."""
    by_id = {turn.assignment_id: turn for turn in history.turns}
    begun = {(turn.lead_id, turn.cause, turn.rep_id) for turn in history.turns}
    ended = {(turn.lead_id, turn.closed_because) for turn in history.turns}
    for one in ledger.handed:
        before, after = by_id.get(one.before_id or ""), by_id.get(one.after_id or "")
        kept = one.before_id is None or (before and before.closed_because == one.cause)
        if one.after_id is not None:
            kept = kept and after and (after.cause, after.rep_id) == (one.cause, one.rep_id)
        if one.rep_id is not None:
            kept = kept and (one.lead_id, one.cause, one.rep_id) in begun
        else:
            kept = kept and (one.lead_id, one.cause) in ended
        if not kept:
            yield Finding("lost", f"{one} was confirmed, but it is {before}, {after}")


def none_forgotten(history: History) -> Iterator[Finding]:
    """With everybody there and room for all: each lead has an owner, or has come to an end, or
    nobody is left who did not turn it down for good."""
    everybody = {turn.rep_id for turn in history.turns}
    by_lead: dict[str, list[Turn]] = defaultdict(list)
    for turn in history.turns:
        by_lead[turn.lead_id].append(turn)
    for lead_id, own in by_lead.items():
        last = max(own, key=lambda turn: (turn.cycle, turn.attempt))
        of_cycle = [turn for turn in own if turn.cycle == last.cycle]
        if any(turn.closed_at is None for turn in own):
            continue
        turned_down = {turn.rep_id for turn in of_cycle if turn.reason == "WRONG_TERRITORY"}
        if lead_id in history.unrouted:
            if turned_down < everybody:
                yield Finding("forgotten", f"lead {lead_id} waits, after {_words(last)}")
            continue
        worked = any(turn.state == "ACCEPTED" for turn in of_cycle)  # and its deal has ended
        rejected = last.state == "REJECTED" and last.reason not in _TO_SOMEBODY_ELSE
        if last.closed_because not in ENDS and not worked and not rejected:
            text = f"lead {lead_id} is nobody's, after {_words(last)}: {last.closed_because}"
            yield Finding("forgotten", text)


def misses_are_misses(history: History, log: Iterable[Logged]) -> Iterator[Finding]:
    """What is told as a miss is one: nobody answered, and nobody gave the lead away before."""
    missed = {t.assignment_id for t in history.turns if t.closed_because == "SLA_BREACHED"}
    for event in log:
        effect, subject = (event.subject or ("", ""))[:2]
        if effect == "breached" and subject not in missed:
            yield Finding("no miss", f"{subject} was told as a miss")


def no_effect_twice(log: Iterable[Logged]) -> Iterator[Finding]:
    """One event id for each effect. The same id may stand on the log twice: at least once."""
    ids: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for event in log:
        if event.subject is not None:
            ids[event.subject].add(event.id)
    for subject, found in ids.items():
        if len(found) > 1:
            yield Finding("doubled effect", f"{subject} happened {len(found)} times: {found}")


def every_effect_told(history: History, log: Iterable[Logged]) -> Iterator[Finding]:
    """What a database holds stands on the log, and reached feedback."""
    told = {event.subject for event in log if event.subject is not None}
    wanted: list[tuple[object, ...]] = [
        ("captured", lead_id) for ids in history.emails.values() for lead_id in ids
    ]
    wanted += [("activity", r.submission_id) for r in history.submissions if r.status == "touched"]
    wanted += [("outcome", outcome_id) for outcome_id in history.outcomes]
    for turn in history.turns:
        wanted.append(("assigned", turn.lead_id, turn.cycle, turn.attempt))
        if turn.state in ("ACCEPTED", "REJECTED"):
            wanted.append(("answered", turn.assignment_id))
            wanted.append(("recorded", turn.assignment_id))
            if turn.assignment_id not in history.recorded:
                text = f"the answer of {turn.assignment_id} never became feedback"
                yield Finding("lost", text)
        if turn.closed_because == "SLA_BREACHED":
            wanted.append(("breached", turn.assignment_id))
    for subject in wanted:
        if subject not in told:
            yield Finding("lost", f"{subject} is committed and was never published")


def in_order(log: Iterable[Logged]) -> Iterator[Finding]:
    """Of one lead, routing's attempts appear on the log in their order. A repeat is no news."""
    seen: set[str] = set()
    last: dict[str, Logged] = {}
    for event in sorted(log, key=lambda e: (e.topic, e.partition, e.offset)):
        if event.order is None or event.id in seen:
            continue
        seen.add(event.id)
        before = last.get(event.key)
        if before is not None and before.order is not None and event.order < before.order:
            text = f"{event.type} {event.order} after {before.type} {before.order}"
            yield Finding("order", f"lead {event.key}: {text}")
        last[event.key] = event


def stages_agree(history: History) -> Iterator[Finding]:
    """With everything read, feedback's stage of a lead is what routing has. A deal goes on in
    other hands: it is as far as it was."""
    owner = {turn.lead_id: turn for turn in history.turns if turn.closed_at is None}
    cycle = {turn.lead_id: turn.cycle for turn in sorted(history.turns, key=lambda t: t.cycle)}
    worked = {
        turn.lead_id
        for turn in history.turns
        if turn.state == "ACCEPTED" and turn.cycle == cycle[turn.lead_id]
    }
    for lead_id, stage in history.stages.items():
        turn = owner.get(lead_id)
        if turn is not None:
            expected = _WORKED if turn.state == "ACCEPTED" else frozenset({turn.state})
        elif lead_id in history.unrouted:
            expected = frozenset({"UNROUTED"})
        else:
            continue
        if lead_id in worked:
            expected |= {"SQL", "OPPORTUNITY"}
        if stage not in expected:
            text = f"lead {lead_id} is {stage} in feedback, {'/'.join(sorted(expected))} in routing"
            yield Finding("stages", text)


def _words(turn: Turn) -> str:
    return (
        f"{turn.rep_id}'s cycle {turn.cycle} attempt {turn.attempt}"
        f" [{turn.assigned_at:%H:%M:%S.%f}, {turn.closed_at or 'open'}]"
    )
