"""What a database error means for whoever asked."""

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class Conflict(Exception):
    """Somebody else changed a row between our reading and our writing: read again, decide again."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: the database is away, busy, or chose us as the
    victim of a deadlock."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError | TimeoutError):
        return True
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or state.startswith(("40", "08", "53", "57"))
    return False


def is_unstorable(error: BaseException) -> bool:
    """Whether the database refused a value: a NUL in a text, a number out of its column's range."""
    if isinstance(error, DataError):
        return True  # also those that the driver raises itself, which have no SQLSTATE
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return str(state or "").startswith("22")  # SQL's class "data exception"
