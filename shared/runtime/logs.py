"""JSON logs with trace ids (W3C Trace Context). Nothing personal is ever passed to a logger."""

import logging
import sys
import traceback

from pythonjsonlogger.json import JsonFormatter

from shared.contracts.ids import current_trace_id

_TALKATIVE = (
    "alembic",
    "httpcore",
    "httpx",
    "psycopg",
    "python_multipart",
    "sqlalchemy",
    "uvicorn",
)
"""Libraries that below WARNING quote statements, parameters, addresses and bodies."""


def frames(error: BaseException) -> list[str]:
    """Where an error came from, without its message: that may quote a lead."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ][-12:]


class _Trace(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.trace_id = current_trace_id()
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
