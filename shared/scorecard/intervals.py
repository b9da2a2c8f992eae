"""Intervals for shares and for the difference of two shares, from counts."""

from math import sqrt
from typing import Final, NamedTuple

Z95: Final = 1.959963984540054
"""The 97.5 % point of the normal distribution: two-sided 95 %."""


class Interval(NamedTuple):
    """A share or a difference of shares with its bounds, each from -1 to 1."""

    estimate: float
    low: float
    high: float


def wilson(successes: float, total: float, z: float = Z95) -> Interval | None:
    """Wilson's score interval of a share, without continuity correction (Wilson 1927; method 3 of
    Newcombe 1998, Statist. Med. 17:857-872). Counts are whole, or effective sample sizes of
    weighted observations. None without observations."""
    if total <= 0:
        return None
    share = successes / total
    centre = successes + z * z / 2
    spread = z * sqrt(successes * (total - successes) / total + z * z / 4)
    scale = total + z * z
    # At the ends the formula is exactly 0 or 1; floats miss it by a hair.
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == total else (centre + spread) / scale
    return Interval(share, low, high)


def newcombe(
    successes_1: int, total_1: int, successes_2: int, total_2: int, z: float = Z95
) -> Interval | None:
    """The hybrid score interval of the difference of two independent shares, first minus second
    (method 10 of Newcombe 1998, Statist. Med. 17:873-890). None when a side has no observation."""
    first, second = wilson(successes_1, total_1, z), wilson(successes_2, total_2, z)
    if first is None or second is None:
        return None
    (p1, l1, u1), (p2, l2, u2) = first, second
    return Interval(
        p1 - p2,
        p1 - p2 - sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2),
        p1 - p2 + sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2),
    )
