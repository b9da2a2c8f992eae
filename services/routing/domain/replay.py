"""Making stored decisions anew from what they rested on, and naming every difference."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from services.routing.domain.asked import Basis
from services.routing.domain.choice import Candidate, Decision, Pool
from services.routing.domain.explanation import Explanation
from services.routing.domain.policy import Policy
from services.routing.domain.pool_record import (
    Figures,
    PoolRecord,
    figures_of,
    hear,
    heard,
    pool_of,
)

PolicyOf = Callable[[int], Policy | None]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is stored otherwise than it comes out now."""

    what: str
    stored: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """A stored decision, and what differs; [] when it comes out as it is stored."""

    decision: Explanation
    mismatches: list[Mismatch]


def replayed(
    records: Iterable[PoolRecord],
    decisions: Iterable[Explanation],
    policy_of: PolicyOf,
    starts: dict[str, Mapping[str, Figures]] | None = None,
) -> Iterator[Replayed]:
    """Make the decisions of whole chains anew. Who really got a lead stands in the records, so
    that one difference does not bring others with it. ``starts`` is filled with how the reps stood
    before each record's first decision."""
    stored: dict[str | None, dict[int, Explanation]] = defaultdict(dict)
    for one in decisions:
        stored[one.pool_id][(one.inputs or {}).get("step", -1)] = one
    ends: dict[str, Mapping[str, Figures]] = {}
    for record in sorted(records, key=lambda one: one.pool_id):
        known = {} if record.base_id is None else ends.get(record.base_id)
        made = stored[record.pool_id]
        if known is None:
            yield from (Replayed(one, [nothing("record of the reps")]) for one in made.values())
            continue
        figures = heard(known, record.document["start"])
        if starts is not None:
            starts[record.pool_id] = figures
        pool = pool_of(figures)
        for step, (changed, rep_id) in enumerate(record.document["steps"]):
            hear(pool, changed)
            if step in made:
                yield from _step(made[step], policy_of, pool, rep_id)
        hear(pool, record.document.get("end"))
        ends[record.pool_id] = figures_of(pool)


def _step(
    stored: Explanation, policy_of: PolicyOf, pool: Pool, rep_id: str | None
) -> Iterator[Replayed]:
    policy = policy_of(stored.policy_version)
    if policy is None:
        yield Replayed(stored, [nothing(f"policy version {stored.policy_version}")])
        return
    again = made_again(stored, policy, pool, rep_id)
    yield Replayed(stored, list(_mismatches(stored, again)))
    if rep_id in pool.reps:
        pool.give(rep_id, again.group)


def made_again(stored: Explanation, policy: Policy, pool: Pool, rep_id: str | None) -> Decision:
    """The decision as it comes out now. Whom a person chose is taken from ``rep_id``, who got
    the lead; the rest of it is made anew as well."""
    kept = stored.inputs or {}
    basis = Basis.of(kept)
    if basis.by_hand and rep_id in pool.reps:
        group = policy.group(basis.asked, pool)
        return replace(pool.appoint(rep_id, group, {}, stored.reason), basis=basis)
    decision = policy.decide(pool, basis.asked, basis.excluded, basis.used)
    return policy.last_word(decision, kept.get("rounds", 0))


def nothing(what: str) -> Mismatch:
    """The difference that something is needed and not there."""
    return Mismatch(what, "needed", "not there")


def _mismatches(stored: Explanation, again: Decision) -> Iterator[Mismatch]:
    unrouted = None if again.unrouted is None else again.unrouted.value
    for what, before, after in (
        ("owner", stored.rep_id, again.rep_id),
        ("rule", stored.rule_id, again.rule_id),
        ("why nobody", stored.unrouted_reason, unrouted),
        ("reason", stored.reason, again.reason),
        ("left out", stored.left_out, again.left_out),
    ):
        if before != after:
            yield Mismatch(what, before, after)
    yield from _candidates(stored.candidates, again.candidates)


def _candidates(stored: tuple[Candidate, ...], again: tuple[Candidate, ...]) -> Iterator[Mismatch]:
    was, made = [one.rep_id for one in stored], [one.rep_id for one in again]
    if was != made:
        yield Mismatch("candidates", ", ".join(was), ", ".join(made))
        return
    for before, after in zip(map(asdict, stored), map(asdict, again), strict=True):
        for name, value in before.items():
            if value != after[name]:
                yield Mismatch(f"{name} of {before['rep_id']}", value, after[name])
