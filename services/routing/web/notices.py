"""What a page says after a form was sent, by the name in its address."""

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, tuple[str, str]]] = {
    "acknowledged": ("ok", "Noted that you have seen it. Accept or reject it before the deadline."),
    "accepted": ("ok", "It is yours. You find it below, under “Working on”."),
    "rejected": ("ok", "Rejected. Thank you – the reason helps whoever can learn from it."),
    "handed": ("ok", "Handed over. Your colleague's clock runs."),
    "back": ("ok", "Put back. Whoever is due by the rules has it now."),
    "late": (
        "warn",
        "This lead has moved on in the meantime, so your answer changed nothing: its deadline "
        "passed and somebody else has it now, or it was answered in another window.",
    ),
    "reason": ("bad", "Choose a reason, then reject the lead again. Nothing was changed."),
    "saved": ("ok", "Saved."),
    "policy": ("ok", "The new version of the policy is in force."),
}
