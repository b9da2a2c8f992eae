"""Give leads to reps: new MQLs, and what else the bus says about a lead."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.routing.domain.asked import Asked, Basis, LeadAccount
from services.routing.domain.assignment import Assignment, Cause, State, attempts_used, kept_out
from services.routing.domain.choice import Decision, Unrouted
from services.routing.domain.explanation import explain
from services.routing.domain.lead import Contact, Lead
from services.routing.store.unit import Routing
from shared.contracts.envelope import Event
from shared.contracts.events import (
    ContactUpdated,
    LeadAssigned,
    LeadEscalated,
    LeadQualified,
    LeadReassigned,
    LeadUnrouted,
    OutcomeRecorded,
)
from shared.contracts.ids import new_id
from shared.contracts.vocabulary import Stage

ESCALATED: Final = frozenset({Unrouted.ATTEMPTS_USED, Unrouted.ALL_HAD_IT, Unrouted.ROUNDS_USED})
"""Nobody is left to be asked in this round: a manager is."""
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
        pool.release(owner.rep_id, waited=owner.waits)
        unit.assignments.put(owner.closed("NEW_CYCLE", unit.now))
    lead = _of_account(unit, _lead(data, unit.now))
    decision = choose(unit, lead, {})
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
    lead = unit.leads.get(data.lead_id)
    if data.stage not in ENDS_OWNERSHIP or lead is None or data.cycle not in (0, lead.cycle):
        return
    # Whom it was handed over to may not have taken it yet, or nobody has it since it was put back:
    # the deal goes on all the same.
    of_cycle = (one for one in unit.attempts(data.lead_id) if one.cycle == lead.cycle)
    if not any(one.state is State.ACCEPTED for one in of_cycle):
        return
    pool, owner = unit.pool(), unit.owner(data.lead_id)
    if owner is not None:
        pool.release(owner.rep_id, waited=owner.waits)
        unit.assignments.put(owner.closed(data.stage.value, unit.now))
    elif lead.unrouted_at is not None:
        unit.leads.put(replace(lead, unrouted_at=None, unrouted_reason=None, retry_at=None))


def choose(unit: Routing, lead: Lead, excluded: Mapping[str, str], used: int = 0) -> Decision:
    """Whom the policy gives a lead to, of those who are not ``excluded``."""
    return unit.policy().decide(unit.pool(), asked(unit, lead), excluded, used)


def asked(unit: Routing, lead: Lead) -> Asked:
    """What the policy is asked about a lead."""
    account = unit.account(lead.account_id)
    if account is None:
        return Asked(lead.context())
    reason = lead.account_reason or ""
    of_account = LeadAccount(account.name, account.owner_id, account.stand_in_id, reason)
    return Asked(lead.context(), of_account)


def choose_anew(unit: Routing, lead: Lead, tries: Iterable[Mapping[str, str]]) -> Decision:
    """The decision for the first of these exclusions that lets somebody have it; when none does,
    that for the last, which leaves out the fewest: it knows best what the lead waits for."""
    decision = None
    for excluded in tries:
        decision = choose(unit, lead, excluded)
        if decision.rep_id is not None:
            break
    assert decision is not None
    return decision


def _of_account(unit: Routing, lead: Lead) -> Lead:
    match = unit.known_accounts().match(lead.facts)
    if match is None:
        return lead
    return replace(lead, account_id=match.account.account_id, account_reason=match.reason[:200])


def take_away(unit: Routing, before: Assignment, cause: Cause, given_by: str | None = None) -> None:
    """End an attempt that is nobody's fault, and have the rules choose somebody else: it counts for
    no attempt of the round. Nobody gets what they had in this round already."""
    _end(unit, before, cause)
    lead = unit.leads.get(before.lead_id)
    if lead is None or lead.cycle != before.cycle:
        return
    kept = kept_out(unit.history(lead), lead.round_base)
    decision = choose(unit, lead, kept)
    settle(unit, lead, decision, before, cause, given_by=given_by)


def give_to(
    unit: Routing,
    lead: Lead,
    before: Assignment | None,
    rep_id: str,
    reason: str,
    cause: Cause,
    given_by: str | None = None,
) -> None:
    """Give a lead to somebody whom a person has chosen, whatever the rules say, and end the attempt
    ``before`` it, which counts for no attempt of the round."""
    pool = unit.pool()
    if before is not None:
        _end(unit, before, cause)
    basis = Basis(asked(unit, lead), by_hand=True)
    group = unit.policy().group(basis.asked, pool)
    decision = replace(pool.appoint(rep_id, group, {}, reason), basis=basis)
    settle(unit, lead, decision, before, cause, given_by=given_by)


def _end(unit: Routing, before: Assignment, cause: Cause) -> None:
    unit.pool().release(before.rep_id, waited=before.waits)
    unit.assignments.put(before.closed(cause.value, unit.now))
    if before.waits:
        unit.give_turn_back(before.rep_id)


def pass_on(unit: Routing, lead: Lead, before: Assignment, cause: Cause) -> None:
    """An attempt came to nothing: give the lead to somebody else of this round, or to nobody."""
    unit.pool()
    history = unit.history(lead)
    used = attempts_used(history, lead.round_base)
    decision = choose(unit, lead, kept_out(history, lead.round_base), used)
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
    policy, now, rounds = unit.policy(), unit.now, lead.rounds
    decision = policy.last_word(decision, rounds)
    pool_id, step = unit.record(decision)
    if decision.rep_id is None:
        if before is not None and decision.unrouted in ESCALATED and policy.escalate:
            lead = _escalate(unit, lead, before)
        lead = _unroute(unit, lead, decision, policy.sla)
    else:
        # Whoever waited for others began before them, and clocks are set back: nobody has it yet
        # while somebody else does.
        ends = [one.closed_at for one in unit.attempts(lead.lead_id) if one.closed_at is not None]
        now = max([now, *ends])
        if opens_round:
            lead = replace(lead, round_base=lead.attempt, rounds=lead.rounds + 1)
        lead = replace(
            lead, attempt=lead.attempt + 1, unrouted_at=None, unrouted_reason=None, retry_at=None
        )
        due_at, warn_at = clock(unit, decision.rep_id, policy.times(lead.grade).first_answer, now)
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
            due_at=due_at,
            warn_at=warn_at,
            updated_at=now,
            grade=lead.grade,
            cause=cause,
            given_by=given_by,
        )
        unit.assign(assignment, decision.group)
        unit.emit(_assigned(unit, assignment, before))
    unit.leads.put(lead)
    assert decision.basis is not None
    inputs = {"step": step, **decision.basis.kept(policy.fields, rounds)}
    unit.decisions.put(explain(new_id(), lead, decision, policy.version, now, pool_id, inputs))


def clock(
    unit: Routing, rep_id: str, amount: timedelta, since: datetime
) -> tuple[datetime, datetime | None]:
    """A deadline after so much of a rep's working time, and when they are warned of it."""
    rep, share = unit.reps.get(rep_id), unit.policy().warn_at
    calendar = None if rep is None else unit.calendar(rep)
    due_at = since + amount if calendar is None else calendar.add(since, amount)
    if due_at is None:  # no working time in sight: the lead must not wait for ever
        due_at = since + amount
    if share is None or calendar is None:
        return due_at, None
    return due_at, min(calendar.add(since, amount * share) or due_at, due_at)


def look_again(decision: Decision, now: datetime, rested: datetime) -> datetime | None:
    """When a lead that nobody could take is looked at again; None: when a rep or the policy is
    changed, because nothing else can help."""
    assert decision.unrouted is not None
    match decision.unrouted:
        case Unrouted.NO_ROOM:
            return now  # as soon as there is some
        case Unrouted.OFF_WORK:  # or when it may be offered again to those who had it
            times = (decision.back_at, rested if rested > now else None)
            return min((one for one in times if one is not None), default=None)
        case Unrouted.NO_REP | Unrouted.ROUNDS_USED:
            return None
        case Unrouted.ALL_HAD_IT | Unrouted.ATTEMPTS_USED:
            return rested if rested > now else None


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
        retry_at=look_again(decision, now, rested if lead.attempt else now),
        rest_until=rested,
    )


def _escalate(unit: Routing, lead: Lead, last: Assignment) -> Lead:
    """Tell the manager of whoever had it last that the round is over."""
    team = unit.team_of(last.rep_id)
    unit.emit(
        LeadEscalated(
            lead_id=lead.lead_id,
            cycle=lead.cycle,
            attempt=last.attempt,
            rep_id=last.rep_id,
            team_id=team.team_id if team is not None else None,
            manager_id=team.manager_id if team is not None else None,
            escalated_at=unit.now,
        )
    )
    return replace(lead, escalated_at=unit.now)


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
