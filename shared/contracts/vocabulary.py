"""The words every service shares: stages, transitions, and the reasons a lead is turned away.

A *reject* happens before a rep has spoken to the lead, a *disqualify* only after. A reason's class
says who learns from it: procedural reasons teach routing, clerical ones capture, definitional ones
the lead definition. A missed deadline is never a reason: silence says nothing about the lead.
"""

from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """Where a lead stands. Every captured lead is in exactly one stage."""

    INQUIRY = "INQUIRY"
    NURTURE = "NURTURE"
    DISQUALIFIED = "DISQUALIFIED"
    MQL = "MQL"
    UNROUTED = "UNROUTED"
    ASSIGNED = "ASSIGNED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    SQL = "SQL"
    OPPORTUNITY = "OPPORTUNITY"
    WON = "WON"
    LOST = "LOST"
    RECYCLED = "RECYCLED"


TRANSITIONS: Final[dict[Stage, frozenset[Stage]]] = {
    Stage.INQUIRY: frozenset({Stage.MQL, Stage.NURTURE, Stage.DISQUALIFIED}),
    Stage.NURTURE: frozenset({Stage.MQL}),
    Stage.DISQUALIFIED: frozenset(),
    Stage.MQL: frozenset({Stage.ASSIGNED, Stage.UNROUTED}),
    Stage.UNROUTED: frozenset({Stage.ASSIGNED}),
    Stage.ASSIGNED: frozenset(
        {Stage.ACKNOWLEDGED, Stage.ACCEPTED, Stage.REJECTED, Stage.ASSIGNED, Stage.UNROUTED}
    ),
    Stage.ACKNOWLEDGED: frozenset({Stage.ACCEPTED, Stage.REJECTED, Stage.ASSIGNED, Stage.UNROUTED}),
    Stage.ACCEPTED: frozenset({Stage.SQL, Stage.RECYCLED, Stage.DISQUALIFIED}),
    Stage.REJECTED: frozenset({Stage.ASSIGNED, Stage.UNROUTED, Stage.NURTURE, Stage.DISQUALIFIED}),
    Stage.SQL: frozenset({Stage.OPPORTUNITY, Stage.RECYCLED, Stage.DISQUALIFIED}),
    Stage.OPPORTUNITY: frozenset({Stage.WON, Stage.LOST}),
    Stage.WON: frozenset(),
    Stage.LOST: frozenset({Stage.RECYCLED}),
    Stage.RECYCLED: frozenset({Stage.MQL}),
}
"""From each stage, the stages a lead may go to next. Anything else is a conflict (409).

An assignment attempt that runs out or is turned down goes to another rep (ASSIGNED) or, when nobody
is left, to UNROUTED; there it waits for somebody with room.
"""

OUTCOME_STAGES: Final = frozenset(
    {Stage.SQL, Stage.OPPORTUNITY, Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED}
)
"""What the outcomes API records: the stages after a rep has accepted the lead."""


class ReasonClass(StrEnum):
    """Who learns from a reason."""

    PROCEDURAL = "procedural"
    CLERICAL = "clerical"
    DEFINITIONAL = "definitional"


class RejectReason(StrEnum):
    """Why a rep turns a lead down before any contact."""

    WRONG_TERRITORY = "WRONG_TERRITORY"
    WRONG_PRODUCT = "WRONG_PRODUCT"
    ALREADY_OWNED = "ALREADY_OWNED"
    NO_CAPACITY = "NO_CAPACITY"
    INVALID_DATA = "INVALID_DATA"
    INCOMPLETE = "INCOMPLETE"
    DUPLICATE = "DUPLICATE"
    SPAM = "SPAM"
    OUTSIDE_ICP = "OUTSIDE_ICP"
    BELOW_ACTIVITY = "BELOW_ACTIVITY"
    NOT_A_BUYER = "NOT_A_BUYER"


REASON_CLASS: Final[dict[RejectReason, ReasonClass]] = {
    RejectReason.WRONG_TERRITORY: ReasonClass.PROCEDURAL,
    RejectReason.WRONG_PRODUCT: ReasonClass.PROCEDURAL,
    RejectReason.ALREADY_OWNED: ReasonClass.PROCEDURAL,
    RejectReason.NO_CAPACITY: ReasonClass.PROCEDURAL,
    RejectReason.INVALID_DATA: ReasonClass.CLERICAL,
    RejectReason.INCOMPLETE: ReasonClass.CLERICAL,
    RejectReason.DUPLICATE: ReasonClass.CLERICAL,
    RejectReason.SPAM: ReasonClass.CLERICAL,
    RejectReason.OUTSIDE_ICP: ReasonClass.DEFINITIONAL,
    RejectReason.BELOW_ACTIVITY: ReasonClass.DEFINITIONAL,
    RejectReason.NOT_A_BUYER: ReasonClass.DEFINITIONAL,
}


class RecycleReason(StrEnum):
    """Why a worked lead goes back to marketing for later."""

    UNABLE_TO_REACH = "UNABLE_TO_REACH"
    NO_BUDGET = "NO_BUDGET"
    BAD_TIMING = "BAD_TIMING"
    NO_AUTHORITY = "NO_AUTHORITY"


class DisqualifyReason(StrEnum):
    """Why a worked lead is closed for good."""

    NO_NEED = "NO_NEED"
    NO_FIT = "NO_FIT"
    COMPETITOR_COMMITTED = "COMPETITOR_COMMITTED"
    DO_NOT_CONTACT = "DO_NOT_CONTACT"


FIELDS_READ: Final = "fields_read"
"""The kind of an activity that is none: what the lead had said before is read as something else
now. Its facts count, it does not."""
