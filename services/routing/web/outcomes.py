"""What a rep can say became of a lead."""

from collections.abc import Mapping
from typing import Any, Final

from shared.contracts.vocabulary import (
    OUTCOME_STAGES,
    TRANSITIONS,
    DisqualifyReason,
    RecycleReason,
    Stage,
)

STEP_WORDS: Final[Mapping[Stage, str]] = {
    Stage.SQL: "Qualified: sales works on it (SQL)",
    Stage.OPPORTUNITY: "An opportunity",
    Stage.WON: "Won",
    Stage.LOST: "Lost",
    Stage.RECYCLED: "Back to marketing, for later",
    Stage.DISQUALIFIED: "Closed for good",
}
"""The outcomes, the best first."""
REASON_CHOICES: Final = {
    Stage.RECYCLED: [
        (RecycleReason.UNABLE_TO_REACH.value, "could not be reached"),
        (RecycleReason.NO_BUDGET.value, "no budget"),
        (RecycleReason.BAD_TIMING.value, "not now"),
        (RecycleReason.NO_AUTHORITY.value, "nobody who decides"),
    ],
    Stage.DISQUALIFIED: [
        (DisqualifyReason.NO_NEED.value, "no need"),
        (DisqualifyReason.NO_FIT.value, "does not fit"),
        (DisqualifyReason.COMPETITOR_COMMITTED.value, "committed to a competitor"),
        (DisqualifyReason.DO_NOT_CONTACT.value, "does not want to be contacted"),
    ],
}


def steps_from(stage: Stage | None) -> list[dict[str, Any]]:
    """What may come next of a lead in this stage; nothing while it is not known."""
    if stage is None:
        return []
    possible = TRANSITIONS[stage] & OUTCOME_STAGES
    return [
        {"stage": one.value, "words": words, "reasons": REASON_CHOICES.get(one)}
        for one, words in STEP_WORDS.items()
        if one in possible
    ]
