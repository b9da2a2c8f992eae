"""What pages call stages, reasons and facts: one place for all services."""

from collections.abc import Mapping
from typing import Final

from shared.contracts.vocabulary import REASON_CLASS, ReasonClass, RejectReason, Stage

STAGE_WORDS: Final[Mapping[Stage, str]] = {
    Stage.INQUIRY: "Inquiry",
    Stage.NURTURE: "Nurtured",
    Stage.DISQUALIFIED: "Disqualified",
    Stage.MQL: "MQL",
    Stage.UNROUTED: "Waiting for a rep",
    Stage.ASSIGNED: "Given to a rep",
    Stage.ACKNOWLEDGED: "Seen by the rep",
    Stage.ACCEPTED: "Accepted by sales",
    Stage.REJECTED: "Rejected by the rep",
    Stage.SQL: "SQL",
    Stage.OPPORTUNITY: "Opportunity",
    Stage.WON: "Won",
    Stage.LOST: "Lost",
    Stage.RECYCLED: "Recycled",
}
"""Where one lead is."""

MILESTONE_WORDS: Final[Mapping[Stage, str]] = {
    Stage.INQUIRY: "Inquiries",
    Stage.MQL: "MQLs",
    Stage.ASSIGNED: "Given to a rep",
    Stage.ACCEPTED: "Accepted by sales",
    Stage.SQL: "SQLs",
    Stage.OPPORTUNITY: "Opportunities",
    Stage.WON: "Won",
}
"""The steps that many leads take."""

REASON_NAMES: Final[Mapping[RejectReason, str]] = {
    RejectReason.WRONG_TERRITORY: "Wrong territory",
    RejectReason.WRONG_PRODUCT: "Wrong product",
    RejectReason.ALREADY_OWNED: "Already owned",
    RejectReason.NO_CAPACITY: "No capacity",
    RejectReason.INVALID_DATA: "Invalid data",
    RejectReason.INCOMPLETE: "Incomplete",
    RejectReason.DUPLICATE: "Duplicate",
    RejectReason.SPAM: "Spam",
    RejectReason.OUTSIDE_ICP: "Outside our profile",
    RejectReason.BELOW_ACTIVITY: "Too little activity",
    RejectReason.NOT_A_BUYER: "Not a buyer",
}
"""Why a lead was rejected, for those who read about it."""

LEARNS_WORDS: Final[Mapping[ReasonClass, str]] = {
    ReasonClass.DEFINITIONAL: "Teaches the definition",
    ReasonClass.CLERICAL: "Teaches capture",
    ReasonClass.PROCEDURAL: "Teaches routing",
}
"""Who learns from a reason."""

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
"""The same, in the words of the rep who rejects it."""

CLASS_WORDS: Final[Mapping[ReasonClass, str]] = {
    ReasonClass.PROCEDURAL: "Not for me – somebody else should get it",
    ReasonClass.CLERICAL: "Something is wrong with the data",
    ReasonClass.DEFINITIONAL: "Not a lead we want",
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
"""Facts that a rep sees at a glance."""

FACT_NAMES: Final[Mapping[str, str]] = {
    **FACT_WORDS,
    "company": "Company",
    "company_domain": "Company's domain",
    "job_title": "Job title",
    "email_type": "Kind of e-mail address",
    "email_disposable": "Throw-away e-mail address",
    "has_phone": "Phone given",
    "has_website": "Website given",
    "has_message": "Message given",
    "channel": "Channel",
    "touches": "Times in touch",
    "form_id": "Form",
    "page_url": "Page",
    "referrer": "Referrer",
    "utm_medium": "Medium",
    "utm_term": "Search term",
    "utm_content": "Advertisement",
}
"""All facts and attribution that definitions and rules may look at."""


def fact_name(name: str) -> str:
    """What pages call a fact: a custom field and an activity by their own names."""
    group, _, own = name.partition(".")
    if group == "fields" and own:
        return own
    if group == "activity" and own:
        kind, _, asked = own.partition(".")
        plain = "any activity" if kind == "any" else kind.replace("_", " ")
        return f"{plain}, days ago" if asked == "days_ago" else plain
    return FACT_NAMES.get(name, name)
