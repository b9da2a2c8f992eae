"""A new version takes on the leads that are open: some in each transaction, until all are done."""

from dataclasses import replace

from services.qualify.domain.decision import RESCORED
from services.qualify.domain.lifecycle import Lead
from services.qualify.domain.rescoring import OPEN, Rescore, may_move
from services.qualify.handlers.leads import decide
from services.qualify.store.unit import Qualify
from shared.contracts.ids import new_id


def begin_rescore(unit: Qualify, version: int, by: str | None) -> Rescore:
    """Have a version take on every open lead; what another one still had to do is not done."""
    for running in unit.rescores.find(status="running"):
        unit.rescores.put(replace(running, status="superseded", finished_at=unit.now))
    begun = Rescore(
        rescore_id=new_id(),
        version=version,
        status="running",
        total=unit.open_leads(),
        done=0,
        moved=0,
        cursor="",
        started_at=unit.now,
        requested_by=by,
    )
    unit.rescores.put(begun)
    unit.rescoring_begun()
    return begun


def continue_rescore(unit: Qualify, limit: int) -> int | None:
    """Score the next open leads, at most ``limit``; how many those were, None if there is nothing
    to do, or somebody else does it.

    The place that it has come to is written with the effects, so each lead is done once, whatever
    ends this process. Raises Conflict when another version was published meanwhile.
    """
    running = unit.rescores.find(status="running")
    if not running or not unit.lease():
        return None
    run = running[0]
    definition = unit.scoring()
    found = unit.open_after(run.cursor, limit)
    if not found or definition.version != run.version:
        unit.rescores.put(
            replace(
                run,
                status="done" if definition.version == run.version else "superseded",
                total=max(run.done, run.total),
                finished_at=unit.now,
            )
        )
        return 0
    unit.load(found)
    moved = 0
    for lead_id in found:
        lead = unit.leads.get(lead_id)
        if lead is not None and lead.stage in OPEN:  # still, now that it is ours alone
            moved += _rescored(unit, lead)
    unit.rescores.put(
        replace(run, done=run.done + len(found), moved=run.moved + moved, cursor=found[-1])
    )
    return len(found)


def _rescored(unit: Qualify, lead: Lead) -> bool:
    """Whether the lead comes to another stage."""
    return decide(unit, lead, RESCORED, unit.now, moves=may_move(lead)).moved
