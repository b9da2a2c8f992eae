"""Know who the leads are, so that people find them."""

from services.feedback.domain.people import person_of
from services.feedback.store.unit import Feedback
from shared.contracts.envelope import Event
from shared.contracts.events import ContactUpdated


def on_contact_updated(event: Event[ContactUpdated], unit: Feedback) -> None:
    """The whole of a lead's contact details, in the place of what was known."""
    data = event.data
    unit.knows(person_of(data.lead_id, data.model_dump(include=_SHOWN)))


_SHOWN = {"first_name", "last_name", "email", "phone", "company"}
