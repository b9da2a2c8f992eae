"""One request, one answer; see the package."""

import gc
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from services.qualify.analysis.backtest import backtest
from services.qualify.analysis.caution import cautions
from services.qualify.analysis.comparison import compare
from services.qualify.analysis.impact import impact
from shared.db.database import Database
from shared.runtime.jobs import answer_request

TASKS: Final[Mapping[str, Callable[[Connection, Mapping[str, Any]], dict[str, Any]]]] = {
    "backtest": backtest,
    "compare": compare,
    "impact": impact,
    "warnings": cautions,
}


def handle(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a request by its ``task``, from the database at its ``url``."""
    gc.disable()  # a hundred thousand leads are no garbage, and the process ends soon
    db = Database.open(request["url"], "qualify", checkpoints=False)
    try:
        with db.connect() as conn:
            return TASKS[request["task"]](conn, request)
    finally:
        db.close()


if __name__ == "__main__":
    answer_request(handle)
