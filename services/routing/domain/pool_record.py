"""The reps as decisions found them, kept so small that it can be kept of all decisions.

A transaction that decides something writes one record: how the reps stand at its first decision,
as what differs from how the record before it ended; then, for each decision, what changed since the
one before (answers, not the decisions themselves) and who got the lead; then what changed after the
last. Giving a lead changes figures by a rule, which a replay follows: nothing of that is kept.

Records of one process form a chain, which begins with everybody in full and is cut when it is
``LONGEST``. Processes need not know of each other: what others did is a difference like any
other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from services.routing.domain.choice import Pool, Standing

LONGEST: Final = 2000
"""The length at which a chain is cut: each decision is 1 and each record ``EACH``."""
EACH: Final = 10
NAMES: Final = (
    *("weight", "capacity", "active", "assigned", "calibration", "waiting", "last_turn"),
    *("away", "back_at", "owned", "owns_at_most", "recent", "recent_at_most"),
    *("team_id", "skills", "languages", "territories"),
)
"""What is kept of a rep: all that a decision looks at."""
_SETS: Final = ("skills", "languages", "territories")
_read: Final = attrgetter(*NAMES)
_NEW: Final[tuple[Any, ...]] = _read(Standing("", 0, 0))

Figures = tuple[Any, ...]
"""The values of ``NAMES``."""
Told = dict[str, Any]
"""What differs, by rep and name, as JSON has it; None for a rep who is gone from the list."""


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """One transaction's part of the log of the reps."""

    pool_id: str
    chain_id: str
    """The id of the record that the chain began with."""
    base_id: str | None
    """The record before it; None: this one says everything."""
    at: datetime
    document: Mapping[str, Any]
    """``start``, ``steps`` (pairs: what changed, who got the lead) and ``end``."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how a record left the reps."""

    pool_id: str
    chain_id: str
    length: int
    figures: Mapping[str, Figures]


class Records:
    """The end of this process's chain, once it is committed."""

    def __init__(self) -> None:
        self.head: Head | None = None


@dataclass(slots=True)
class Recording:
    """A record while its transaction goes on."""

    pool_id: str
    base: Head | None
    start: Told
    steps: list[tuple[Told | None, str | None]] = field(default_factory=list)

    @classmethod
    def begin(cls, pool_id: str, head: Head | None, pool: Pool) -> "Recording":
        """Where the reps stand before the first decision."""
        base = head if head is not None and head.length < LONGEST else None
        known = base.figures if base is not None else {}
        start = told(known, pool.reps.values())
        start |= {rep_id: None for rep_id in known if rep_id not in pool.reps}
        pool.touched.clear()
        return cls(pool_id, base, start)

    def step(self, pool: Pool, rep_id: str | None) -> int:
        """A decision that has been made and not yet been carried out; returns its number."""
        self.steps.append((_touched(pool), rep_id))
        return len(self.steps) - 1

    def end(self, pool: Pool, at: datetime) -> tuple[PoolRecord, Head]:
        """The record, and where it leaves the reps."""
        base = self.base
        chain_id = self.pool_id if base is None else base.chain_id
        document: dict[str, Any] = {"start": self.start, "steps": self.steps}
        if (last := _touched(pool)) is not None:
            document["end"] = last
        record = PoolRecord(self.pool_id, chain_id, base.pool_id if base else None, at, document)
        length = (0 if base is None else base.length) + EACH + len(self.steps)
        return record, Head(self.pool_id, chain_id, length, figures_of(pool))


def _touched(pool: Pool) -> Told | None:
    """All that is said of reps who changed by more than a lead they were given."""
    if not pool.touched:
        return None
    found = told({}, [pool.reps[rep_id] for rep_id in pool.touched])
    pool.touched.clear()
    return found


def told(known: Mapping[str, Figures], reps: Iterable[Standing]) -> Told:
    """What differs from what is known; of who is not known, what differs from a rep of whom nothing
    is said."""
    found: Told = {}
    for rep in reps:
        now, before = _read(rep), known.get(rep.rep_id, _NEW)
        if now != before or rep.rep_id not in known:
            found[rep.rep_id] = {
                name: sorted(value) if name in _SETS else value
                for name, value, was in zip(NAMES, now, before, strict=True)
                if value != was
            }
    return found


def heard(known: Mapping[str, Figures], said: Mapping[str, Any]) -> dict[str, Figures]:
    """The figures after what was told; the other way round of ``told``."""
    found = dict(known)
    for rep_id, values in said.items():
        if values is None:
            found.pop(rep_id, None)
        else:
            found[rep_id] = _heard(known.get(rep_id, _NEW), values)
    return found


def hear(pool: Pool, said: Mapping[str, Any] | None) -> None:
    """Put reps in a pool as a step tells of them."""
    for rep_id, values in (said or {}).items():
        pool.join(standing(rep_id, _heard(_NEW, values)))


def pool_of(figures: Mapping[str, Figures]) -> Pool:
    """The reps as they stood."""
    return Pool.of(standing(rep_id, figures[rep_id]) for rep_id in sorted(figures))


def figures_of(pool: Pool) -> dict[str, Figures]:
    """The reps as they stand."""
    return {rep_id: _read(rep) for rep_id, rep in pool.reps.items()}


def standing(rep_id: str, figures: Figures) -> Standing:
    """A rep as the choice saw them."""
    return Standing(rep_id, **dict(zip(NAMES, figures, strict=True)))


def _heard(before: Figures, values: Mapping[str, Any]) -> Figures:
    return tuple(
        _value(name, values[name]) if name in values else was
        for name, was in zip(NAMES, before, strict=True)
    )


def _value(name: str, stored: Any) -> Any:
    if name in _SETS:
        return frozenset(stored)
    if name == "back_at" and isinstance(stored, str):
        return datetime.fromisoformat(stored)
    return stored
