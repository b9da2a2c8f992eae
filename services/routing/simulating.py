"""How a serving process asks ``services.routing.simulation``: as jobs in their own processes."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from shared.runtime.jobs import Jobs

MODULE: Final = "services.routing.simulation"
SECONDS: Final = 120.0
"""Most that one simulation may take."""
MOST_LEADS: Final = 20_000
"""The newest leads of the time that are played again."""

Simulate = Callable[
    [Mapping[str, Any], Mapping[str, Mapping[str, Any]], datetime, datetime],
    Awaitable[dict[str, Any]],
]
"""Plays the time between two moments again with a policy document and changed fields of reps.
Raises Problem 503 when others compute already, and what ``Jobs.run`` raises."""


def simulating(jobs: Jobs, url: str) -> Simulate:
    """Simulations on the database at ``url``."""

    async def simulate(
        document: Mapping[str, Any],
        reps: Mapping[str, Mapping[str, Any]],
        first: datetime,
        last: datetime,
    ) -> dict[str, Any]:
        request = {
            "url": url,
            "document": document,
            "reps": reps,
            "first": first.isoformat(),
            "last": last.isoformat(),
            "most": MOST_LEADS,
        }
        found: dict[str, Any] = await jobs.run(MODULE, request, SECONDS)
        return found

    return simulate
