"""The curve over thresholds as lines of a drawing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 420
HEIGHT: Final = 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 8, 26
"""Room for the axes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A text at a place of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall as lines, and the share of leads that become MQLs as an area, over the
    threshold; ``here`` is where the definition's own threshold is, None outside of the drawing."""

    precision: str
    recall: str
    volume: str
    here: float | None
    across: Sequence[Mark]
    up: Sequence[Mark]
    bottom: float
    top: float
    left: float
    right: float


def curve_of(points: Sequence[Mapping[str, Any]], threshold: int) -> Curve | None:
    """The drawing; None for fewer than two thresholds."""
    if len(points) < 2:
        return None
    first, last = points[0]["threshold"], points[-1]["threshold"]
    most = max(point["mqls"] for point in points) or 1

    def x(value: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (value - first) / (last - first), 1)

    def y(share: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)

    def line(share_of: Callable[[Mapping[str, Any]], float | None]) -> str:
        found = ((point["threshold"], share_of(point)) for point in points)
        return " ".join(f"{x(at)},{y(share)}" for at, share in found if share is not None)

    volume = line(lambda point: point["mqls"] / most)
    return Curve(
        precision=line(lambda point: point["precision"]["estimate"]),
        recall=line(lambda point: point["recall"]["estimate"]),
        volume=f"{x(first)},{y(0)} {volume} {x(last)},{y(0)}",
        here=x(threshold) if first <= threshold <= last else None,
        across=[Mark(x(at), f"{at:d}") for at in _round_numbers(first, last)],
        up=[Mark(y(share), f"{share:.0%}") for share in (0, 0.5, 1)],
        bottom=y(0),
        top=y(1),
        left=x(first),
        right=x(last),
    )


def _round_numbers(first: int, last: int) -> list[int]:
    """Some four round numbers within a span."""
    step = next(
        size * ten
        for ten in (1, 10, 100, 1000, 10_000, 100_000)
        for size in (1, 2, 5)
        if (last - first) / (size * ten) <= 6
    )
    begin = -(-first // step) * step
    return list(range(begin, last + 1, step))
