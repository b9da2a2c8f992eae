"""A possible criterion before it has points: its conditions, and what they say of each lead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.feedback.learning.facts import Codes, Floats


@dataclass(frozen=True, eq=False)
class Candidate:
    """A possible criterion.

    ``codes`` gives for each lead the first of ``conditions`` that holds, or their number when none
    does. A candidate without conditions is one of today's criteria as it is: ``share`` then says
    for each lead how much of the points it earns, 0 to 1. ``today`` is the criterion of the
    definition in force that has this shape. ``ordered_from`` is where bins of a number begin among
    the conditions, lowest first.
    """

    key: str
    field: str
    group: str
    conditions: tuple[Mapping[str, Any], ...] = ()
    codes: Codes | None = None
    share: Floats | None = None
    today: Mapping[str, Any] | None = None
    ordered_from: int | None = None

    @property
    def levels(self) -> int:
        """How many different amounts of points it can give."""
        return 1 if self.codes is None else len(self.conditions) + 1

    @property
    def freedom(self) -> int:
        """How many weights are free."""
        return max(self.levels - 1, 1)

    def design(self) -> Floats:
        """Its columns in a model: one for each level, or the share."""
        if self.codes is None:
            assert self.share is not None
            return self.share.reshape(-1, 1)
        return (self.codes[:, None] == np.arange(self.levels, dtype=np.int32)).astype(float)


def group_of(field: str) -> str:
    """What a lead does is engagement, what it is is fit."""
    return "engagement" if field.startswith("activity.") or field == "touches" else "fit"
