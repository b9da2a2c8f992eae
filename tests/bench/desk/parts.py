"""``make bench ARGS="--only desk"``: handing out, deadlines, open inboxes and the list of leads.

Each can be had alone: ``--only desk-leads``.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tests.bench.desk import assign, deadlines, fairness, lead_list, streams
from tests.bench.desk.report import Report

DESK: Final[Mapping[str, Callable[[Report], Awaitable[None]]]] = {
    "desk-assign": assign.measure,
    "desk-fair": fairness.measure,
    "desk-sla": deadlines.measure,
    "desk-streams": streams.measure,
    "desk-leads": lead_list.measure,
}
