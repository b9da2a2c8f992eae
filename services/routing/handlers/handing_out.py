"""Give leads to reps: new MQLs, and what else the bus says about a lead."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.routing.domain.assignment import Assignment, Cause, State, kept_out
from services.routing.domain.choice import UNROUTED_WORDS, Decision, Unrouted, undecided
from services.routing.domain.explanation import explain
from services.routing.domain.lead import Contact, Lead
from services.routing.domain.policy import Policy
from services.routing.store.unit import Routing
from shared.contracts.envelope import Event
from shared.contracts.events import (
    ContactUpdated,
    LeadAssigned,
    LeadQualified,
    LeadReassigned,
    LeadUnrouted,
    OutcomeRecorded,
)
from shared.contracts.ids import new_id
from shared.contracts.vocabulary import Stage

ENDS_OWNERSHIP: Final = frozenset({Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED})


def on_lead_qualified(event: Event[LeadQualified], unit: Routing) -> None:
    """Give a new MQL to one rep and start its SLA clock; once per lead and cycle."""
    data = event.data
    known = unit.leads.get(data.lead_id)
    if known is not None and known.cycle >= data.cycle:
        return
    pool = unit.pool()
    owner = unit.owner(data.lead_id)
    if owner is not None:
        if owner.waits:
            pool.release(owner.rep_id)
        unit.assignments.put(owner.closed("NEW_CYCLE", unit.now))
    lead = _lead(data, unit.now)
    decision = pool.choose(unit.policy().group(lead.context()), {})
    settle(unit, lead, decision, opens_round=True)


def on_contact_updated(event: Event[ContactUpdated], unit: Routing) -> None:
    """Keep how to reach the lead, for the rep who gets it."""
    contact = event.data.model_dump(exclude={"lead_id"}, mode="json")
    unit.contacts.put(Contact(event.data.lead_id, contact, unit.now))


def on_outcome_recorded(event: Event[OutcomeRecorded], unit: Routing) -> None:
    """End a rep's ownership with the deal, or when the lead goes back to marketing.

    An outcome of another cycle may come late and changes nothing; one from before outcomes named
    their cycle (0) is taken to be the present one's.
    """
    data = event.data
    owner = unit.owner(data.lead_id)
    if data.stage not in ENDS_OWNERSHIP or owner is None or owner.state is not State.ACCEPTED:
        return
    if data.cycle in (0, owner.cycle):
        unit.assignments.put(owner.closed(data.stage.value, unit.now))


def pass_on(unit: Routing, lead: Lead, before: Assignment, cause: Cause) -> None:
    """An attempt came to nothing: give the lead to somebody else of this round, or to nobody."""
    pool, policy = unit.pool(), unit.policy()
    group = policy.group(lead.context())
    if lead.attempt - lead.round_base >= policy.max_attempts:
        decision = undecided(pool, group, Unrouted.ATTEMPTS_USED)
    else:
        decision = pool.choose(group, kept_out(unit.history(lead), lead.round_base))
    settle(unit, lead, decision, before, cause)


def settle(
    unit: Routing,
    lead: Lead,
    decision: Decision,
    before: Assignment | None = None,
    cause: Cause = Cause.RULES,
    *,
    opens_round: bool = False,
    given_by: str | None = None,
) -> None:
    """Carry a decision out: an assignment with a deadline, or a lead that waits unrouted."""
    policy, now = unit.policy(), unit.now
    if decision.rep_id is None:
        decision = _final(decision, lead, policy)
        lead = _unroute(unit, lead, decision, policy.sla)
    else:
        if opens_round:
            lead = replace(lead, round_base=lead.attempt, rounds=lead.rounds + 1)
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
            updated_at=now,
            grade=lead.grade,
            cause=cause,
            given_by=given_by,
        )
        unit.assign(assignment)
        unit.emit(_assigned(unit, assignment, before))
    unit.leads.put(lead)
    unit.decisions.put(explain(new_id(), lead, decision, policy.version, now))


def look_again(unrouted: Unrouted, now: datetime, rested: datetime) -> datetime | None:
    """When a lead that nobody could take is looked at again; None: when a rep or the policy is
    changed, because nothing else can help."""
    match unrouted:
        case Unrouted.NO_ROOM:
            return now  # as soon as there is some
        case Unrouted.NO_REP | Unrouted.ROUNDS_USED:
            return None
        case Unrouted.ALL_HAD_IT | Unrouted.ATTEMPTS_USED:
            return rested if rested > now else None


def _final(decision: Decision, lead: Lead, policy: Policy) -> Decision:
    """The last round ends for good; one that lacks room goes on once there is some."""
    over = decision.unrouted in (Unrouted.ALL_HAD_IT, Unrouted.ATTEMPTS_USED)
    if not over or lead.rounds < policy.max_rounds:
        return decision
    reason = UNROUTED_WORDS[Unrouted.ROUNDS_USED]
    return replace(decision, unrouted=Unrouted.ROUNDS_USED, reason=reason)


def _unroute(unit: Routing, lead: Lead, decision: Decision, rest: timedelta) -> Lead:
    """Nobody can take it now. Where everybody had it, let it rest for a while."""
    assert decision.unrouted is not None
    now, rested = unit.now, unit.now + rest
    unit.emit(
        LeadUnrouted(
            lead_id=lead.lead_id,
            cycle=lead.cycle,
            reason=decision.unrouted.value,
            unrouted_at=now,
        )
    )
    return replace(
        lead,
        unrouted_at=now,
        unrouted_reason=decision.unrouted.value,
        retry_at=look_again(decision.unrouted, now, rested),
        rest_until=rested,
    )


def _assigned(unit: Routing, assignment: Assignment, before: Assignment | None) -> LeadAssigned:
    team = unit.team_of(assignment.rep_id)
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
        "team_id": team.team_id if team is not None else None,
        "manager_id": team.manager_id if team is not None else None,
        "given_by": assignment.given_by,
    }
    if before is None:
        return LeadAssigned.model_validate(fields)
    return LeadReassigned.model_validate(
        {**fields, "previous_rep_id": before.rep_id, "cause": assignment.cause}
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
