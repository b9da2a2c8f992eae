"""Places at which a process can be told to die: for ``make torture``, which proves that nothing is
lost there.

``LEADLOOP_FAILPOINT=name:service:count`` ends the process, as SIGKILL would, the ``count``-th time
it reaches that place. Without the variable a place costs a comparison.
"""

import os
import signal
from typing import Final

NAMES: Final = (
    "before-commit",
    "after-commit",
    "batch-half-done",
    "positions-moved",
    "before-publish",
    "published-not-removed",
    "removed",
    "seek",
    "lease-taken",
    "group-gathered",
    "group-committed",
    "retention",
    "compaction",
)
"""Every place there is."""

_name, _, _rest = os.environ.get("LEADLOOP_FAILPOINT", "").partition(":")
_service, _, _count = _rest.partition(":")
_left = int(_count or 1)


def reached(name: str, service: str) -> None:
    """Die here, if that is what was asked for."""
    if _name and name == _name and service == _service:
        _die()


def _die() -> None:
    global _left  # noqa: PLW0603 - the process ends by it
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
