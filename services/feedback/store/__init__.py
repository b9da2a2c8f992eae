"""What feedback keeps, and how it is read and written."""

from services.feedback.store.tables import metadata
from services.feedback.store.unit import FeedbackUnit

__all__ = ["FeedbackUnit", "metadata"]
