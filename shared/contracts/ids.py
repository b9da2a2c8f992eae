"""Identity of things and of the work under way: UUIDv7 ids, and W3C trace context."""

import re
from contextvars import ContextVar
from random import Random

from uuid_utils import uuid7

_VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_random = Random()  # noqa: S311 - names, no secrets; the system's would be a system call each
_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def new_id() -> str:
    """A UUIDv7 (RFC 9562): unique, and sorted by the time it was made."""
    return str(uuid7())


def new_traceparent() -> str:
    """The start of a new trace."""
    ids = f"{_random.getrandbits(192) | 1 << 191 | 1 << 63:048x}"  # neither may be all zeros
    return f"00-{ids[:32]}-{ids[32:]}-01"


def current_traceparent() -> str:
    """The trace of the work under way; a new one when there is none."""
    return _traceparent.get() or new_traceparent()


def current_trace_id() -> str | None:
    """The id of the trace of the work under way, in 32 hexadecimal digits."""
    return _traceparent.get()[3:35] or None


def follow(traceparent: str) -> None:
    """The work from here on belongs to this trace; one that is no traceparent starts a new one."""
    _traceparent.set(traceparent if _VALID.fullmatch(traceparent) else new_traceparent())
