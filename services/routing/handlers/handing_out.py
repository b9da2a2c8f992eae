"""Give leads to reps: new MQLs, and what else the bus says about a lead."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from services.routing.domain.assignment import (
    Assignment,
    Attempt,
    State,
    kept_out,
)
from services.routing.domain.choice import Decision, Unrouted, undecided
from services.routing.domain.lead import Lead
from services.routing.ports import Work
from shared.contracts.envelope import Event
from shared.contracts.events import (
    ContactUpdated,
    LeadAssigned,
    LeadQualified,
    LeadReassigned,
    LeadUnrouted,
    OutcomeRecorded,
)
from shared.contracts.vocabulary import Stage
from shared.runtime.clock import Clock, new_id

ENDS_OWNERSHIP: Final = frozenset({Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED})
Cause = Literal["SLA_BREACHED", "REJECTED"]
_WAITS_FOR_ROOM: Final = frozenset({Unrouted.NO_ROOM, Unrouted.NO_REP})


async def on_lead_qualified(event: Event[LeadQualified], work: Work, clock: Clock) -> None:
    """Give a new MQL to one rep and start its SLA clock; once per lead and cycle."""
    data = event.data
    known = work.leads.get(data.lead_id)
    if known is not None and known.cycle >= data.cycle:
        return
    pool = await work.pool()
    now = await work.now()
    owner = work.leads.owner(data.lead_id)
    if owner is not None:
        # Still counted as waiting in this batch's pool: the clock may have been faster than we
        # were, and then releasing it here too would let a rep have one more than their capacity.
        work.leads.close(owner, "NEW_CYCLE", now)
    policy = await work.policy()
    lead = _lead(data, now)
    await settle(work, lead, pool.choose(policy.group(lead.context()), {}))


async def on_contact_updated(event: Event[ContactUpdated], work: Work, clock: Clock) -> None:
    """Keep how to reach the lead, for the rep who gets it."""
    work.leads.contact(event.data)


async def on_outcome_recorded(event: Event[OutcomeRecorded], work: Work, clock: Clock) -> None:
    """End a rep's ownership with the deal, or when the lead goes back to marketing.

    An outcome of an earlier cycle may come late: it is older than the present owner's acceptance,
    and changes nothing.
    """
    owner = work.leads.owner(event.data.lead_id)
    if event.data.stage not in ENDS_OWNERSHIP or owner is None:
        return
    accepted = owner.state is State.ACCEPTED and owner.answered_at is not None
    if accepted and owner.answered_at <= event.time:  # type: ignore[operator]
        work.leads.close(owner, event.data.stage.value, await work.now())


async def pass_on(
    work: Work, lead: Lead, history: tuple[Attempt, ...], before: Assignment, cause: Cause
) -> None:
    """An attempt came to nothing: give the lead to somebody else of this round, or to nobody."""
    pool, policy = await work.pool(), await work.policy()
    group = policy.group(lead.context())
    if lead.attempt - lead.round_base >= policy.max_attempts:
        decision = undecided(pool, group, Unrouted.ATTEMPTS_USED)
    else:
        decision = pool.choose(group, kept_out(history, lead.round_base))
    await settle(work, lead, decision, before, cause)


async def settle(
    work: Work,
    lead: Lead,
    decision: Decision,
    before: Assignment | None = None,
    cause: Cause | None = None,
) -> None:
    """Carry a decision out: an assignment with a deadline, or a lead that waits unrouted."""
    policy, now = await work.policy(), await work.now()
    if decision.rep_id is None:
        lead = await _unroute(work, lead, decision, now, policy.sla)
    else:
        lead = replace(
            lead, attempt=lead.attempt + 1, unrouted_at=None, unrouted_reason=None, retry_at=None
        )
        assignment = Assignment(
            assignment_id=new_id(),
            lead_id=lead.lead_id,
            cycle=lead.cycle,
            rep_id=decision.rep_id,
            attempt=lead.attempt,
            state=State.ASSIGNED,
            policy_version=policy.version,
            definition_version=lead.definition_version,
            assigned_at=now,
            due_at=now + policy.sla,
        )
        (await work.pool()).give(decision.rep_id)
        work.leads.assign(assignment)
        work.emit(_assigned(assignment, before, cause), at=now)
    work.leads.put(lead)
    work.leads.decided(lead, decision, policy.version, now)


async def _unroute(
    work: Work, lead: Lead, decision: Decision, now: datetime, rest: timedelta
) -> Lead:
    """Nobody can take it now. Where room is what is missing, look again as soon as there is some;
    where everybody had it, let it rest first."""
    assert decision.unrouted is not None
    work.emit(
        LeadUnrouted(
            lead_id=lead.lead_id,
            cycle=lead.cycle,
            reason=decision.unrouted.value,
            unrouted_at=now,
        ),
        at=now,
    )
    return replace(
        lead,
        unrouted_at=now,
        unrouted_reason=decision.unrouted.value,
        retry_at=now if decision.unrouted in _WAITS_FOR_ROOM else now + rest,
        rest_until=now + rest,
    )


def _assigned(
    assignment: Assignment, before: Assignment | None, cause: Cause | None
) -> LeadAssigned:
    fields: Mapping[str, object] = {
        "lead_id": assignment.lead_id,
        "assignment_id": assignment.assignment_id,
        "rep_id": assignment.rep_id,
        "attempt": assignment.attempt,
        "cycle": assignment.cycle,
        "policy_version": assignment.policy_version,
        "definition_version": assignment.definition_version,
        "assigned_at": assignment.assigned_at,
        "due_at": assignment.due_at,
    }
    if before is None:
        return LeadAssigned.model_validate(fields)
    return LeadReassigned.model_validate(
        {**fields, "previous_rep_id": before.rep_id, "cause": cause}
    )


def _lead(data: LeadQualified, now: datetime) -> Lead:
    return Lead(
        lead_id=data.lead_id,
        cycle=data.cycle,
        definition_version=data.definition_version,
        score=data.score,
        grade=data.grade,
        threshold=data.threshold,
        facts=data.facts,
        attribution=data.attribution.model_dump(),
        contributions=[c.model_dump() for c in data.contributions],
        captured_at=data.captured_at,
        qualified_at=now,
    )
