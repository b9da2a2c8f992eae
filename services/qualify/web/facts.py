"""What the editor offers to be looked at."""

from dataclasses import dataclass
from typing import Final

from services.qualify.store.hints import recent_names
from shared.db.database import Database
from shared.scorecard.facts import KNOWN_FIELDS

_KINDS: Final = ("form_submitted", "page_viewed", "email_clicked", "webinar_attended")


@dataclass(frozen=True, slots=True)
class Hints:
    """Names for the lists under a field."""

    fields: tuple[str, ...]
    activities: tuple[str, ...]


async def hints(db: Database) -> Hints:
    """Facts that every lead may have, those that recent leads do have, and what they did."""
    facts, kinds = await db.read(recent_names)
    activities = tuple(dict.fromkeys((*kinds, *_KINDS)))
    counted = (f"activity.{kind}" for kind in (*activities, "any", "any.days_ago"))
    fields = tuple(dict.fromkeys((*KNOWN_FIELDS, *facts, *counted)))
    return Hints(fields, (*activities, "any"))
