"""Feedback's unit of work."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from services.feedback.domain.learning import ROW, Choices, Schedule
from services.feedback.domain.outcomes import WaitingOutcome
from services.feedback.domain.people import Person
from services.feedback.domain.proposals import Version
from services.feedback.domain.samples import Sample
from services.feedback.domain.stages import Attempt, Lead, Mql
from services.feedback.store import feedback_log, people, samples
from services.feedback.store.aggregates import (
    ANSWERED,
    ATTEMPTS,
    CHOICES,
    DEFINITIONS,
    LEADS,
    LOOKS,
    MQLS,
    NOT_RETIRED,
    OUTCOMES,
    PEOPLE,
    PROPOSALS,
    SAMPLES,
    STAGE_CHANGES,
    WAITING_OUTCOMES,
    WEBHOOKS,
)
from shared.runtime.unit import Unit


class Feedback(Unit):
    """One transaction of feedback. ``heard`` is called once there are new answers, another
    definition or other wishes, ``sendable`` once a webhook may be sent to that could not before."""

    service = "feedback"

    def __init__(
        self,
        now: datetime,
        conn: Connection | None = None,
        heard: Callable[[], None] | None = None,
        sendable: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(now, conn)
        self.leads = self.rows(LEADS)
        self.stage_changes = self.rows(STAGE_CHANGES)
        self.mqls = self.rows(MQLS)
        self.attempts = self.rows(ATTEMPTS)
        self.outcomes = self.rows(OUTCOMES)
        self.waiting_outcomes = self.rows(WAITING_OUTCOMES)
        self.answered = self.rows(ANSWERED)
        self.definitions = self.rows(DEFINITIONS)
        self.proposals = self.rows(PROPOSALS)
        self.samples = self.rows(SAMPLES)
        self.choices = self.rows(CHOICES)
        self.looks = self.rows(LOOKS)
        self.people = self.rows(PEOPLE)
        self.webhooks = self.rows(WEBHOOKS)
        self._found_by: dict[str, Person] = {}
        self._became_mqls: list[str] = []
        self._heard = heard
        self._sendable = sendable

    def lead(self, lead_id: str) -> Lead:
        """A loaded lead; a new one when nothing is known of it."""
        return self.leads.get(lead_id) or Lead(lead_id)

    def mql(self, lead_id: str, cycle: int) -> Mql:
        """A loaded lead's time as an MQL; an empty one when nothing is known of it."""
        return self.mqls.get(lead_id, cycle) or Mql(lead_id, cycle)

    def untold(self, lead_id: str, cycle: int) -> list[Attempt]:
        """Answers of a loaded lead's cycle that nobody has been told of, in their order."""
        found = [
            one
            for one in self.attempts
            if one.lead_id == lead_id and one.cycle == cycle and one.waiting
        ]
        return sorted(found, key=lambda one: one.attempt)

    def waiting(self, lead_id: str) -> list[WaitingOutcome]:
        """Outcomes of a loaded lead that wait for its acceptance, in their order."""
        found = [one for one in self.waiting_outcomes if one.lead_id == lead_id]
        return sorted(found, key=lambda one: one.step)

    def in_force(self) -> Version | None:
        """The published definition."""
        return next(iter(self.definitions.select(NOT_RETIRED)), None)

    def sample(self, one: Sample) -> None:
        """Keep what a decision looked at. What was kept of a lead before its first time as an MQL
        goes then."""
        self.samples.put(one)
        if one.cycle == 1:
            before = self.samples.get(one.lead_id, 0)
            if before is not None:
                self.samples.remove(before)
            self._became_mqls.append(one.lead_id)

    def knows(self, person: Person) -> None:
        """Keep who a lead is, and find it by that."""
        self.people.put(person)
        self._found_by[person.lead_id] = person

    def chosen(self) -> Choices:
        """What marketing wants of learning."""
        return self.choices.fetch(ROW) or Choices()

    def schedule(self) -> Schedule:
        """Where the looks at the answers stand."""
        return self.looks.fetch(ROW) or Schedule()

    def sendable(self) -> None:
        """A webhook may be sent to that could not before."""
        if self._sendable is not None:
            self.after_commit(self._sendable)

    def write(self) -> None:
        """Write what changed, and last of all number the events for readers with a cursor."""
        heard = self.definitions.touched or self.choices.touched
        if self.conn is not None:
            people.find_by(self.conn, list(self._found_by.values()))
        super().write()
        if self.conn is not None:
            samples.forget_before(self.conn, self._became_mqls)
            heard = feedback_log.add(self.conn, self.events) > 0 or heard
        if heard and self._heard is not None:
            self.after_commit(self._heard)
