"""A possible criterion before it has points: its conditions, and what they say of each lead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from services.feedback.learning.facts import Codes, Floats

SORTED_COSTS: Final = 0.5
"""What a value costs that answers put into a group, beside a weight of its own."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A possible criterion.

    ``codes`` gives for each lead the first of ``conditions`` that holds, or their number when none
    does. A candidate without conditions is one of today's criteria as it is: ``share`` then says
    for each lead how much of the points it earns, 0 to 1. ``today`` is the criterion of the
    definition in force that has this shape. ``ordered_from`` is where bins of a number begin among
    the conditions, lowest first. ``sorted_out`` is how many values or words were put into groups by
    their answers.
    """

    key: str
    field: str
    group: str
    conditions: tuple[Mapping[str, Any], ...] = ()
    codes: Codes | None = None
    share: Floats | None = None
    today: Mapping[str, Any] | None = None
    ordered_from: int | None = None
    sorted_out: int = 0

    @property
    def levels(self) -> int:
        """How many different amounts of points it can give."""
        return 1 if self.codes is None else len(self.conditions) + 1

    @property
    def freedom(self) -> float:
        """How many weights are free, and in part those that grouping has used up already."""
        return max(self.levels - 1, 1) + SORTED_COSTS * max(self.sorted_out - self.levels, 0)

    def design(self) -> Floats:
        """Its columns in a model: one for each level, or the share."""
        if self.codes is None:
            assert self.share is not None
            return self.share.reshape(-1, 1)
        return (self.codes[:, None] == np.arange(self.levels, dtype=np.int32)).astype(float)


def group_of(field: str) -> str:
    """What a lead does is engagement, what it is is fit."""
    return "engagement" if field.startswith("activity.") or field == "touches" else "fit"
