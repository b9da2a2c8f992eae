"""What the pages say: reasons and facts in plain words."""

from collections.abc import Mapping
from typing import Final

from shared.contracts.vocabulary import REASON_CLASS, ReasonClass, RejectReason

CLASS_WORDS: Final[Mapping[ReasonClass, str]] = {
    ReasonClass.PROCEDURAL: "Not for me – somebody else should get it",
    ReasonClass.CLERICAL: "Something is wrong with the data",
    ReasonClass.DEFINITIONAL: "Not a lead we want",
}

REASON_WORDS: Final[Mapping[RejectReason, str]] = {
    RejectReason.WRONG_TERRITORY: "Not my territory",
    RejectReason.WRONG_PRODUCT: "Not my product",
    RejectReason.ALREADY_OWNED: "A colleague is in touch already",
    RejectReason.NO_CAPACITY: "I have no time for it now",
    RejectReason.INVALID_DATA: "The contact details are wrong",
    RejectReason.INCOMPLETE: "Too little to go on",
    RejectReason.DUPLICATE: "We have this lead already",
    RejectReason.SPAM: "Spam",
    RejectReason.OUTSIDE_ICP: "Not the kind of company we sell to",
    RejectReason.BELOW_ACTIVITY: "Not interested enough yet",
    RejectReason.NOT_A_BUYER: "Cannot buy: student, supplier, job seeker …",
}

REASON_OPTIONS: Final = [
    ("", "Choose a reason"),
    *(
        (words, [(r.value, REASON_WORDS[r]) for r in RejectReason if REASON_CLASS[r] is klass])
        for klass, words in CLASS_WORDS.items()
    ),
]
"""For a select, grouped by who learns from the reason."""

FACT_WORDS: Final[Mapping[str, str]] = {
    "country": "Country",
    "employees": "Employees",
    "industry": "Industry",
    "utm_source": "Source",
    "utm_campaign": "Campaign",
}
"""Facts a rep sees at a glance."""

NOTICES: Final[Mapping[str, tuple[str, str]]] = {
    "acknowledged": ("ok", "Noted that you have seen it. Accept or reject it before the deadline."),
    "accepted": ("ok", "It is yours. You find it below, under “Working on”."),
    "rejected": ("ok", "Rejected. Thank you – the reason helps whoever can learn from it."),
    "late": (
        "warn",
        "This lead has moved on in the meantime, so your answer changed nothing: its deadline "
        "passed and somebody else has it now, or it was answered in another window.",
    ),
    "reason": ("bad", "Choose a reason, then reject the lead again. Nothing was changed."),
    "saved": ("ok", "Saved."),
    "policy": ("ok", "The new version of the policy is in force."),
}
"""What a page says after a form was sent, by the name in its address."""
