"""JSON logs with trace ids (W3C Trace Context). Nothing personal is ever passed to a logger."""

import logging
import re
import secrets
import sys
import traceback
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

_TALKATIVE = (
    "alembic",
    "aiosqlite",
    "httpcore",
    "httpx",
    "python_multipart",
    "sqlalchemy",
    "uvicorn",
)
"""Libraries that below WARNING quote statements, parameters, addresses and bodies."""

_VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def new_traceparent() -> str:
    """The start of a new trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def current_traceparent() -> str:
    """The trace of the work under way; a new one when there is none."""
    return _traceparent.get() or new_traceparent()


def follow(traceparent: str) -> None:
    """The work from here on belongs to this trace; one that is no traceparent starts a new one."""
    _traceparent.set(traceparent if _VALID.fullmatch(traceparent) else new_traceparent())


def frames(error: BaseException) -> list[str]:
    """Where an error came from, without its message: that may quote a lead."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ][-12:]


class _Trace(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        trace = _traceparent.get()
        record.trace_id = trace[3:35] if trace else None
        return True


def configure(level: str = "INFO") -> None:
    """Send every logger's records to standard error, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Trace())
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}{trace_id}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
