"""One request, one answer."""

import gc
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from services.routing.documents import RepPatch, rfc3339
from services.routing.domain.past import PastLead, compared, happened
from services.routing.domain.policy import STARTER, Policy, read_policy
from services.routing.domain.simulation import simulated
from services.routing.store import decisions, queries
from shared.db.database import Database
from shared.runtime.jobs import answer_request

LISTED: Final = 200
"""Leads that are named, of those that would have had somebody else."""


def handle(request: Mapping[str, Any]) -> dict[str, Any]:
    """Play the time from ``first`` to ``last`` again, from the database at ``url``."""
    gc.disable()  # what is read is no garbage, and the process ends soon
    db = Database.open(request["url"], "routing", checkpoints=False)
    try:
        with db.connect() as conn:
            return simulation(conn, request)
    finally:
        db.close()


def simulation(conn: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    """The time beside what would have come of it."""
    policy_of = queries.policies_by_version(conn)
    policy = read_policy(0, request["document"])
    reps = {rep.rep_id: rep for rep in queries.list_reps(conn, limit=100_000)}
    changed = dict(reps)
    for rep_id, fields in request["reps"].items():
        changed[rep_id] = replace(reps[rep_id], **RepPatch.model_validate(fields).values())
    first, last = (datetime.fromisoformat(request[name]) for name in ("first", "last"))
    past, cut, again = decisions.past(conn, first, last, reps, policy_of, request["most"])

    def then(lead: PastLead) -> Policy:
        return policy_of(lead.policy_version) or _STARTER

    truth = happened(past)
    after = simulated(past, changed.values(), lambda _: policy)
    same = simulated(past, reps.values(), then)
    found = compared(past, truth, after, same, listed=LISTED)
    names = {rep.rep_id: rep.name for rep in reps.values()}
    for one in found["per_rep"]:
        one["name"] = names.get(one["rep_id"], one["rep_id"])
    return {
        "from": rfc3339(past.first),
        "to": rfc3339(past.last),
        "cut": cut,
        "left_out": again,
        "counts_known": bool(past.standings) or not past.leads,
        **found,
    }


_STARTER: Final = read_policy(0, STARTER)

if __name__ == "__main__":
    answer_request(handle)
