"""Who gets a lead: a fair choice by weight, without a pointer to race on.

Each rep is owed a share of everything handed out, by weight. The *shortfall* is how much of it is
still missing (after Cal.com's weighted round robin):

    shortfall = (all assigned + all calibration) x weight / sum of weights
                - (own assigned + own calibration)

The largest shortfall wins, then the larger weight, then whoever waited longest. *Calibration* is
credit for leads a rep could not have had: whoever enters the pool (a newcomer, somebody back from
a pause, somebody with another weight) starts level with the others, and who is not at work keeps
level while the others are given leads: nobody comes back to a flood.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.routing.domain.asked import Basis

FALLBACK: Final = "fallback"
"""What a decision calls the group of a policy's fallback; no rule may be called so."""
KEPT: Final = 10
"""Most candidates that a decision tells of."""
_SAME: Final = 9
"""Decimals at which two shortfalls count as equal: beyond them is rounding noise."""


@dataclass(slots=True)
class Standing:
    """A rep as the choice sees them. Pools move ``assigned``, ``waiting`` and ``last_turn``."""

    rep_id: str
    weight: int
    capacity: int
    """Most leads that may wait for this rep's answer at once."""
    active: bool = True
    assigned: int = 0
    """Leads handed to this rep so far, answered or not."""
    calibration: float = 0.0
    waiting: int = 0
    """Leads that wait for this rep's answer now."""
    last_turn: int = 0
    """The pool's turn at which this rep got a lead last; 0: never."""
    away: str | None = None
    """Why this rep is not at work now, in words; None: they are."""
    back_at: datetime | None = None
    """When they are at work again, if they are ``away`` and that is known."""
    owned: int = 0
    """Leads that are this rep's now, answered or not."""
    owns_at_most: int | None = None
    recent: int = 0
    """Leads given to this rep within the window of ``recent_at_most``."""
    recent_at_most: int | None = None
    team_id: str | None = None
    skills: frozenset[str] = frozenset()
    """To be compared: in small letters, as are languages and territories."""
    languages: frozenset[str] = frozenset()
    territories: frozenset[str] = frozenset()

    @property
    def shares(self) -> bool:
        """Whether this rep takes part in sharing leads out at all."""
        return self.active and self.weight > 0

    @property
    def is_here(self) -> bool:
        """Whether this rep is at work and has room."""
        return self.active and self.away is None and self.full is None

    @property
    def has_room(self) -> bool:
        """Whether this rep may get one more of the leads that are shared out."""
        return self.shares and self.is_here

    @property
    def full(self) -> str | None:
        """Which limit is reached, in words; None while there is room."""
        if self.waiting >= self.capacity:
            return f"full: {self.waiting} of {self.capacity} waiting"
        if self.owns_at_most is not None and self.owned >= self.owns_at_most:
            return f"full: {self.owned} of {self.owns_at_most} open"
        if self.recent_at_most is not None and self.recent >= self.recent_at_most:
            return f"full: {self.recent} of {self.recent_at_most} new ones lately"
        return None


@dataclass(frozen=True, slots=True)
class Group:
    """Whom a policy lets have a lead: a rule's reps, or everybody."""

    rule_id: str | None = None
    rep_ids: frozenset[str] | None = None

    def holds(self, rep_id: str) -> bool:
        """Whether the policy lets this rep have the lead."""
        return self.rep_ids is None or rep_id in self.rep_ids


EVERYBODY: Final = Group()
"""Nobody in particular: every rep who shares."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rep in a decision, with the numbers it rested on."""

    rep_id: str
    eligible: bool
    why: str
    shortfall: float | None
    """In leads; None for somebody who does not share in this group."""
    weight: int
    given: float
    """Own assigned plus own calibration, before this decision."""
    waiting: int
    capacity: int
    last_turn: int


class Unrouted(StrEnum):
    """Why nobody got a lead."""

    NO_REP = "NO_REP"
    NO_ROOM = "NO_ROOM"
    OFF_WORK = "OFF_WORK"
    ALL_HAD_IT = "ALL_HAD_IT"
    ATTEMPTS_USED = "ATTEMPTS_USED"
    ROUNDS_USED = "ROUNDS_USED"


UNROUTED_WORDS: Mapping[Unrouted, str] = {
    Unrouted.NO_REP: "no active rep may have this lead",
    Unrouted.NO_ROOM: "every rep who may have this lead is full",
    Unrouted.OFF_WORK: "nobody who may have this lead is at work: it waits for the first of them",
    Unrouted.ALL_HAD_IT: "every rep with room had this lead already",
    Unrouted.ATTEMPTS_USED: "the last attempt ran out",
    Unrouted.ROUNDS_USED: "the last round is over: it waits until a rep or the policy is changed",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Who got a lead and why, and why not the others; ``rep_id`` None: nobody."""

    rep_id: str | None
    reason: str
    candidates: tuple[Candidate, ...]
    """Those who came first, whether they could have it or not, and the one who got it."""
    rule_id: str | None = None
    unrouted: Unrouted | None = None
    left_out: int = 0
    """Reps that ``candidates`` does not tell of."""
    group: Group = Group()
    back_at: datetime | None = None
    """When the first of those who are not at work is back, if nobody got it for that reason."""
    basis: Basis | None = None
    """What it rested on, where a policy or a person decided."""

    def nobody(self, unrouted: Unrouted, reason: str) -> "Decision":
        """The same, with nobody getting it for another reason."""
        return replace(self, rep_id=None, unrouted=unrouted, reason=reason)


_Rank = tuple[float, int, int, str]
"""What the choice goes by: minus the shortfall, minus the weight, the last turn, the id."""


@dataclass(slots=True)
class _Field:
    """Who shares the leads of a group, and how much they were given together."""

    reps: list[Standing]
    weights: int
    given: float


@dataclass(slots=True)
class Pool:
    """All reps, moving in memory while a batch of leads is handed out."""

    reps: dict[str, Standing] = field(default_factory=dict)
    turn: int = 0
    touched: dict[str, None] = field(default_factory=dict)
    """Reps whose figures changed otherwise than by being given a lead, in order."""
    _fields: dict[Group, _Field] = field(default_factory=dict)
    _groups: dict[Hashable, Group] = field(default_factory=dict)

    @classmethod
    def of(cls, reps: Iterable[Standing]) -> "Pool":
        """A pool that goes on after the last turn of these reps."""
        by_id = {rep.rep_id: rep for rep in reps}
        return cls(by_id, max((rep.last_turn for rep in by_id.values()), default=0))

    @property
    def has_room(self) -> bool:
        """Whether anybody could take one more lead."""
        return any(rep.has_room for rep in self.reps.values())

    def join(self, rep: Standing) -> None:
        """Add a rep, or put a changed one in place."""
        self.reps[rep.rep_id] = rep
        self.touched[rep.rep_id] = None
        self._fields.clear()
        self._groups.clear()

    def group(
        self, key: Hashable, rule_id: str | None, admits: Callable[[Standing], bool]
    ) -> Group:
        """Those whom a rule admits, found out once for each ``key``."""
        found = self._groups.get(key)
        if found is None:
            ids = frozenset(rep.rep_id for rep in self.reps.values() if admits(rep))
            found = self._groups[key] = Group(rule_id, ids)
        return found

    def choose(self, group: Group, excluded: Mapping[str, str]) -> Decision:
        """Weigh every rep for one lead. ``excluded`` says, in words, who may not have it and why.

        Changes nothing: ``give`` does.
        """
        ranks = self._ranks(group)
        best = next((r for r in ranks if self.reps[r[3]].has_room and r[3] not in excluded), None)
        candidates = self._candidates(group, ranks, excluded, best)
        left_out = len(self.reps) - len(candidates)
        if best is None:
            unrouted = self._nobody(group, excluded)
            reason = UNROUTED_WORDS[unrouted]
            back_at = self._back_at(group, excluded) if unrouted is Unrouted.OFF_WORK else None
            return Decision(
                None, reason, candidates, group.rule_id, unrouted, left_out, group, back_at
            )
        reason = _because(best, candidates)
        return Decision(best[3], reason, candidates, group.rule_id, None, left_out, group)

    def appoint(
        self, rep_id: str, group: Group, excluded: Mapping[str, str], reason: str
    ) -> Decision:
        """The decision for a rep whom something else than their turn speaks for. The others are
        told of as ever."""
        ranks = self._ranks(group)
        own = next((rank for rank in ranks if rank[3] == rep_id), None)
        candidates = self._candidates(group, ranks, excluded, own)
        if own is None:  # the rules would not have let them have it
            told = _candidate(self.reps[rep_id], Group(), excluded, None)
            candidates = (told, *(one for one in candidates if one.rep_id != rep_id))[:KEPT]
        left_out = len(self.reps) - len(candidates)
        return Decision(rep_id, reason, candidates, group.rule_id, None, left_out, group)

    def waiting_for(
        self, decision: Decision, rep_ids: Iterable[str | None], excluded: Mapping[str, str]
    ) -> Decision:
        """What a lead that nobody of its group can take waits for, where these may have it, too."""
        found = [rep for rep in map(self.reps.get, filter(None, rep_ids)) if rep and rep.active]
        able = [rep for rep in found if rep.rep_id not in excluded]
        if not able or decision.unrouted in (None, Unrouted.NO_ROOM):
            had_it = found and decision.unrouted is Unrouted.NO_REP
            return _waits(decision, Unrouted.ALL_HAD_IT, None) if had_it else decision
        if any(rep.away is None for rep in able):
            return _waits(decision, Unrouted.NO_ROOM, None)
        times = [decision.back_at, *(rep.back_at for rep in able)]
        back_at = min((one for one in times if one is not None), default=None)
        return _waits(decision, Unrouted.OFF_WORK, back_at)

    def give(self, rep_id: str, group: Group = EVERYBODY) -> list[Standing]:
        """Count one more lead for this rep, and credit those of the group who are not at work with
        what they miss. Returns whoever has other figures now."""
        rep = self.reps[rep_id]
        self.turn += 1
        rep.assigned += 1
        rep.waiting += 1
        rep.owned += 1
        rep.recent += 1
        rep.last_turn = self.turn
        self._counted(rep_id, 1.0)
        sharing = self._field(group).reps
        present = sum(one.weight for one in sharing if one.away is None)
        absent = [one for one in sharing if one.away is not None and one is not rep]
        for one in absent if present else ():
            credit = one.weight / present
            one.calibration += credit
            self._counted(one.rep_id, credit)
        return [rep, *absent]

    def give_back(self, rep_id: str) -> Standing | None:
        """Take a lead out of a rep's count, which makes them due again sooner."""
        rep = self.reps.get(rep_id)
        if rep is not None and rep.assigned > 0:
            rep.assigned -= 1
            self.touched[rep_id] = None
            self._counted(rep_id, -1.0)
        return rep

    def _counted(self, rep_id: str, leads: float) -> None:
        """Keep up what groups were given together. Whoever shares no leads is in none of them."""
        if not self.reps[rep_id].shares:
            return
        for group, sharing in self._fields.items():
            if group.holds(rep_id):
                sharing.given += leads

    def release(self, rep_id: str, *, waited: bool = True, closed: bool = True) -> None:
        """A lead that ``waited`` for this rep's answer does so no longer, and is theirs no more
        when ``closed``."""
        rep = self.reps.get(rep_id)
        if rep is not None:
            self.touched[rep_id] = None
            rep.waiting = max(rep.waiting - waited, 0)
            rep.owned = max(rep.owned - closed, 0)

    def _field(self, group: Group) -> _Field:
        found = self._fields.get(group)
        if found is None:
            reps = [rep for rep in self.reps.values() if rep.shares and group.holds(rep.rep_id)]
            weights = sum(rep.weight for rep in reps)
            given = sum(rep.assigned + rep.calibration for rep in reps)
            found = self._fields[group] = _Field(reps, weights, given)
        return found

    def _ranks(self, group: Group) -> list[_Rank]:
        """Of everybody who shares in the group, in the order in which they are due."""
        sharing = self._field(group)
        share = sharing.given / sharing.weights if sharing.weights else 0.0
        ranks = [
            (
                round(rep.assigned + rep.calibration - share * rep.weight, _SAME),
                -rep.weight,
                rep.last_turn,
                rep.rep_id,
            )
            for rep in sharing.reps
        ]
        ranks.sort()
        # The next lead finds nearly the same order, which is soon sorted again.
        sharing.reps = [self.reps[rank[3]] for rank in ranks]
        return ranks

    def _candidates(
        self, group: Group, ranks: list[_Rank], excluded: Mapping[str, str], best: _Rank | None
    ) -> tuple[Candidate, ...]:
        """The first of those who share, the best among them, and others while there is room."""
        first = ranks[:KEPT]
        if best is not None and best not in first:
            first[-1] = best
        told = [(self.reps[rank[3]], -rank[0] + 0.0) for rank in first]
        candidates = [_candidate(rep, group, excluded, short) for rep, short in told]
        if len(candidates) < KEPT:
            names = {rank[3] for rank in ranks}
            others = (rep for rep in self.reps.values() if rep.rep_id not in names)
            for rep, _ in zip(others, range(KEPT - len(candidates)), strict=False):
                candidates.append(_candidate(rep, group, excluded, None))
        return tuple(candidates)

    def _nobody(self, group: Group, excluded: Mapping[str, str]) -> Unrouted:
        sharing = self._field(group).reps
        if not sharing:
            return Unrouted.NO_REP
        left = [rep for rep in sharing if rep.rep_id not in excluded]
        if any(rep.away is None for rep in left):
            return Unrouted.NO_ROOM
        return Unrouted.OFF_WORK if left else Unrouted.ALL_HAD_IT

    def _back_at(self, group: Group, excluded: Mapping[str, str]) -> datetime | None:
        """When the first of those who may have it is at work again, as far as that is known."""
        left = (rep for rep in self._field(group).reps if rep.rep_id not in excluded)
        return min((rep.back_at for rep in left if rep.back_at is not None), default=None)


def _waits(decision: Decision, unrouted: Unrouted, back_at: datetime | None) -> Decision:
    reason = UNROUTED_WORDS[unrouted]
    return replace(decision, unrouted=unrouted, reason=reason, back_at=back_at)


def undecided(pool: Pool, group: Group, unrouted: Unrouted) -> Decision:
    """The decision to give a lead to nobody, whoever had room."""
    words = UNROUTED_WORDS[unrouted]
    weighed = pool.choose(group, dict.fromkeys(pool.reps, words))
    return weighed.nobody(unrouted, words)


def level(rep: Standing, others: Iterable[Standing]) -> float:
    """The calibration with which ``rep`` enters a pool neither owed nor owing a lead.

    Leads per unit of weight are made what they are on average for the others who share. With
    nobody to compare with, the calibration stays.
    """
    sharing = [other for other in others if other.shares and other.rep_id != rep.rep_id]
    weights = sum(other.weight for other in sharing)
    if not weights:
        return rep.calibration
    given = sum(other.assigned + other.calibration for other in sharing)
    return given * rep.weight / weights - rep.assigned


def _candidate(
    rep: Standing, group: Group, excluded: Mapping[str, str], shortfall: float | None
) -> Candidate:
    why_not = _why_not(rep, group, excluded)
    return Candidate(
        rep.rep_id,
        why_not is None,
        why_not or f"room for {rep.capacity - rep.waiting} more",
        shortfall,
        rep.weight,
        rep.assigned + rep.calibration,
        rep.waiting,
        rep.capacity,
        rep.last_turn,
    )


def _why_not(rep: Standing, group: Group, excluded: Mapping[str, str]) -> str | None:
    if not rep.active:
        return "inactive"
    if not group.holds(rep.rep_id):
        return f"not in {'the' if group.rule_id == FALLBACK else 'rule'} {group.rule_id}"
    if rep.weight <= 0:
        return "weight 0"
    if rep.rep_id in excluded:
        return excluded[rep.rep_id]
    return rep.away or rep.full


def _because(best: _Rank, candidates: Iterable[Candidate]) -> str:
    rivals = [c for c in candidates if c.eligible and c.rep_id != best[3]]
    if not rivals:
        return "the only rep who could take it"
    level_rivals = [c for c in rivals if c.shortfall == -best[0] + 0.0]
    if not level_rivals:
        return f"largest shortfall: {-best[0] + 0.0:.2f} leads behind the fair share"
    if any(c.weight == -best[1] for c in level_rivals):
        return "level with others, and waited longest"
    return "level with others, and has the largest weight"
