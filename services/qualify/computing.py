"""How a serving process asks ``services.qualify.analysis``: as jobs, in processes of their own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from services.qualify.domain.promotion import Comparison
from shared.runtime.jobs import Jobs
from shared.scorecard.intervals import Interval

MODULE: Final = "services.qualify.analysis"
SECONDS: Final = 120.0
"""Most that one task may take."""

Analyse = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Does a task of the analysis, by its name, with a request that JSON can tell. Raises Problem 503
when others compute already, and what ``Jobs.run`` raises."""


def analysing(jobs: Jobs, url: str) -> Analyse:
    """Tasks on the database at ``url``."""

    async def analyse(task: str, request: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = await jobs.run(
            MODULE, {**request, "task": task, "url": url}, SECONDS
        )
        return found

    return analyse


def comparison_of(found: Mapping[str, Any]) -> Comparison:
    """What the task ``compare`` found, as the gate of promotion takes it."""

    def interval(name: str) -> Interval | None:
        return None if found[name] is None else Interval(*found[name])

    return Comparison(
        labelled=found["labelled"],
        auc_before=found["auc_before"],
        auc_after=found["auc_after"],
        auc_difference=interval("auc_difference"),
        precision_before=interval("precision_before"),
        precision_after=interval("precision_after"),
        mqls_before=found["mqls_before"],
        mqls_after=found["mqls_after"],
    )
