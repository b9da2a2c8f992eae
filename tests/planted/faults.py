"""Faults that tests catch, planted by a pytest plugin: ``LEADLOOP_PLANT=name pytest -p …``.

Those that show under kills alone are in ``tests/torture/faults.py``; those of one function stand
beside its tests.
"""

import os
from collections.abc import Callable
from typing import Any, Final


def key_without_hash() -> None:
    """An idempotency key answers for every body."""
    from services.capture.intake import reception

    digest = reception.blake2b
    reception.blake2b = lambda body, digest_size: digest(b"", digest_size=digest_size)  # type: ignore[assignment]


def two_timers() -> None:
    """Timers of two processes expire an attempt without claim, lock or fence."""
    from dataclasses import replace

    from services.routing.handlers import deadlines
    from services.routing.store import aggregates
    from shared.runtime.unit import Unit

    unclaimed = replace(aggregates.OVERDUE, claim=False)
    for module in (aggregates, deadlines):
        if hasattr(module, "OVERDUE"):
            module.OVERDUE = unclaimed  # type: ignore[attr-defined]
    aggregates.ASSIGNMENTS.fence = ()
    Unit.lock = lambda self, names: None  # type: ignore[method-assign]


def half_a_batch() -> None:
    """What a handler changed in an aggregate's second row of a batch is not written."""
    from shared.db.rows import Rows

    write = Rows.write

    def write_less(self: Rows[Any]) -> None:
        for key in list(self._changed)[1:2]:
            del self._changed[key]
        write(self)

    Rows.write = write_less  # type: ignore[method-assign]


FAULTS: Final[dict[str, tuple[Callable[[], None], str]]] = {
    "key_without_hash": (
        key_without_hash,
        "tests/services/capture/test_leads.py::test_an_idempotency_key_answers_the_same_again",
    ),
    "two_timers": (
        two_timers,
        "tests/services/routing/test_concurrency.py",
    ),
    "half_a_batch": (half_a_batch, "tests/shared/db/test_aggregates.py"),
}
"""By name: how to plant it, and which tests have to fail then."""


def pytest_configure() -> None:
    """Plant what the environment names."""
    FAULTS[os.environ["LEADLOOP_PLANT"]][0]()
