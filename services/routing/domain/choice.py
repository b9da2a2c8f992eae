"""Who gets a lead: a fair choice by weight, without a pointer to race on.

Each rep is owed a share of everything handed out, by weight. The *shortfall* is how much of it is
still missing (after Cal.com's weighted round robin):

    shortfall = (all assigned + all calibration) x weight / sum of weights
                - (own assigned + own calibration)

The largest shortfall wins, then the larger weight, then whoever waited longest. *Calibration* is
credit for leads a rep could not have had: whoever enters the pool (a newcomer, somebody back from
leave, somebody with another weight) starts level with the others, and so is not flooded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_SAME = 9
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

    @property
    def shares(self) -> bool:
        """Whether this rep takes part in sharing leads out at all."""
        return self.active and self.weight > 0

    @property
    def has_room(self) -> bool:
        """Whether this rep may get one more lead."""
        return self.shares and self.waiting < self.capacity


@dataclass(frozen=True, slots=True)
class Group:
    """Whom a policy lets have a lead: a rule's reps, or everybody."""

    rule_id: str | None = None
    rep_ids: frozenset[str] | None = None

    def holds(self, rep_id: str) -> bool:
        """Whether the policy lets this rep have the lead."""
        return self.rep_ids is None or rep_id in self.rep_ids


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
    ALL_HAD_IT = "ALL_HAD_IT"
    ATTEMPTS_USED = "ATTEMPTS_USED"


UNROUTED_WORDS: Mapping[Unrouted, str] = {
    Unrouted.NO_REP: "no active rep may have this lead",
    Unrouted.NO_ROOM: "every rep who may have this lead is full",
    Unrouted.ALL_HAD_IT: "every rep with room had this lead already",
    Unrouted.ATTEMPTS_USED: "the last attempt ran out",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Who got a lead and why, and why not the others; ``rep_id`` None: nobody."""

    rep_id: str | None
    reason: str
    candidates: tuple[Candidate, ...]
    rule_id: str | None = None
    unrouted: Unrouted | None = None


@dataclass(slots=True)
class Pool:
    """All reps, moving in memory while a batch of leads is handed out."""

    reps: dict[str, Standing] = field(default_factory=dict)
    turn: int = 0

    @classmethod
    def of(cls, reps: Iterable[Standing]) -> "Pool":
        """A pool that goes on after the last turn of these reps."""
        by_id = {rep.rep_id: rep for rep in reps}
        return cls(by_id, max((rep.last_turn for rep in by_id.values()), default=0))

    @property
    def has_room(self) -> bool:
        """Whether anybody could take one more lead."""
        return any(rep.has_room for rep in self.reps.values())

    def choose(self, group: Group, excluded: Mapping[str, str]) -> Decision:
        """Weigh every rep for one lead. ``excluded`` says, in words, who may not have it and why.

        Changes nothing: ``give`` does.
        """
        sharing = [rep for rep in self.reps.values() if rep.shares and group.holds(rep.rep_id)]
        weights = sum(rep.weight for rep in sharing)
        given = sum(rep.assigned + rep.calibration for rep in sharing)
        candidates = tuple(
            _candidate(rep, group, excluded, given, weights) for rep in self.reps.values()
        )
        best = min((c for c in candidates if c.eligible), key=_rank, default=None)
        if best is None:
            unrouted = _nobody(candidates, sharing)
            return Decision(None, UNROUTED_WORDS[unrouted], candidates, group.rule_id, unrouted)
        return Decision(best.rep_id, _because(best, candidates), candidates, group.rule_id)

    def give(self, rep_id: str) -> None:
        """Count one more lead for this rep."""
        rep = self.reps[rep_id]
        self.turn += 1
        rep.assigned += 1
        rep.waiting += 1
        rep.last_turn = self.turn

    def release(self, rep_id: str) -> None:
        """A lead no longer waits for this rep's answer."""
        rep = self.reps.get(rep_id)
        if rep is not None and rep.waiting > 0:
            rep.waiting -= 1


def undecided(pool: Pool, group: Group, unrouted: Unrouted) -> Decision:
    """The decision to give a lead to nobody, whoever had room."""
    excluded = dict.fromkeys(pool.reps, UNROUTED_WORDS[unrouted])
    weighed = pool.choose(group, excluded)
    return Decision(None, UNROUTED_WORDS[unrouted], weighed.candidates, group.rule_id, unrouted)


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
    rep: Standing, group: Group, excluded: Mapping[str, str], given: float, weights: int
) -> Candidate:
    own = rep.assigned + rep.calibration
    why_not = _why_not(rep, group, excluded)
    shares = rep.shares and group.holds(rep.rep_id)
    shortfall = round(given * rep.weight / weights - own, _SAME) + 0.0 if shares else None
    return Candidate(
        rep.rep_id,
        why_not is None,
        why_not or f"room for {rep.capacity - rep.waiting} more",
        shortfall,
        rep.weight,
        own,
        rep.waiting,
        rep.capacity,
        rep.last_turn,
    )


def _why_not(rep: Standing, group: Group, excluded: Mapping[str, str]) -> str | None:
    if not rep.active:
        return "inactive"
    if not group.holds(rep.rep_id):
        return f"not in rule {group.rule_id}"
    if rep.weight <= 0:
        return "weight 0"
    if rep.rep_id in excluded:
        return excluded[rep.rep_id]
    if rep.waiting >= rep.capacity:
        return f"full: {rep.waiting} of {rep.capacity} waiting"
    return None


def _rank(candidate: Candidate) -> tuple[float, int, int, str]:
    assert candidate.shortfall is not None
    return (-candidate.shortfall, -candidate.weight, candidate.last_turn, candidate.rep_id)


def _because(best: Candidate, candidates: Iterable[Candidate]) -> str:
    rivals = [c for c in candidates if c.eligible and c.rep_id != best.rep_id]
    if not rivals:
        return "the only rep who could take it"
    level_rivals = [c for c in rivals if c.shortfall == best.shortfall]
    if not level_rivals:
        return f"largest shortfall: {best.shortfall:.2f} leads behind the fair share"
    if any(c.weight == best.weight for c in level_rivals):
        return "level with others, and waited longest"
    return "level with others, and has the largest weight"


def _nobody(candidates: Iterable[Candidate], sharing: list[Standing]) -> Unrouted:
    if not sharing:
        return Unrouted.NO_REP
    ids = {rep.rep_id for rep in sharing}
    if any(c.why.startswith("full") for c in candidates if c.rep_id in ids):
        return Unrouted.NO_ROOM
    return Unrouted.ALL_HAD_IT
