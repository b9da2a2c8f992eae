"""What capture does: take submissions in, record activities."""

from services.capture.handlers.activities import record_activity
from services.capture.handlers.submissions import capture_leads

__all__ = ["capture_leads", "record_activity"]
