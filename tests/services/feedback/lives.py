"""Lives of leads as the other services would tell them, and a feedback service to tell them to."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

import orjson

from services.feedback.consumer import HANDLERS
from services.feedback.domain.proposals import Change, Finding, Suggestion
from services.feedback.domain.samples import Label
from services.feedback.handlers import learning
from services.feedback.service import MIGRATIONS, NAME
from services.feedback.settings import Settings
from services.feedback.store import feedback_log, figures, queries, samples
from services.feedback.store.status import followed_up
from services.feedback.store.unit import Feedback as Unit
from shared.bus.api import Received, TopicPartition
from shared.contracts.definition import Criterion, DefinitionBody, DefinitionDocument
from shared.contracts.envelope import Event
from shared.contracts.events import (
    Attribution,
    Contribution,
    DefinitionPublished,
    EventData,
    LeadAccepted,
    LeadAcknowledged,
    LeadAssigned,
    LeadCaptured,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadReassigned,
    LeadRejected,
    LeadScored,
    LeadUnrouted,
    SlaBreached,
)
from shared.contracts.ids import new_id
from shared.contracts.topics import topics_read_by
from shared.contracts.vocabulary import REASON_CLASS, RejectReason, Stage
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.clock import FixedClock
from shared.runtime.consumer import Consumer
from shared.runtime.unit import Transactions

TRACE = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
START = datetime(2026, 11, 2, 9, tzinfo=UTC)


def event_of(data: EventData, at: datetime) -> Event[Any]:
    return Event(new_id(), data.type, "/test", at, data.key(), TRACE, data)


@dataclass
class Life:
    """One lead's events in the order in which they happened; ``stage`` is where it ended."""

    lead_id: str = field(default_factory=new_id)
    version: int = 1
    source: str | None = "search"
    campaign: str | None = "autumn"
    criteria: tuple[str, ...] = ("size",)
    at: datetime = START
    stage: Stage = Stage.INQUIRY
    cycle: int = 0
    attempt: int = 0
    rep: str = "rep-0"
    assignment: str = ""
    assigned_at: datetime = START
    due_at: datetime = START
    facts: dict[str, Any] = field(default_factory=dict)
    explored: bool = False
    events: list[Event[Any]] = field(default_factory=list)

    def later(self, minutes: float = 1) -> "Life":
        self.at += timedelta(minutes=minutes)
        return self

    def captured(self) -> "Life":
        attribution = Attribution(utm_source=self.source, utm_campaign=self.campaign)
        return self._tell(
            Stage.INQUIRY,
            LeadCaptured(
                lead_id=self.lead_id,
                submission_id=new_id(),
                captured_at=self.at,
                facts={},
                attribution=attribution,
            ),
        )

    def scored(self) -> "Life":
        return self._tell(self.stage, LeadScored(**self._decision()))

    def qualified(self) -> "Life":
        self.cycle += 1
        self.attempt = 0
        return self._tell(Stage.MQL, LeadQualified(**self._decision()))

    def nurtured(self) -> "Life":
        return self._tell(Stage.NURTURE, LeadNurtured(**self._decision(), reason="threshold"))

    def disqualified(self) -> "Life":
        return self._tell(Stage.DISQUALIFIED, LeadDisqualified(**self._decision(), reason="rule"))

    def assigned(self, rep: str | None = None, minutes: float = 15) -> "Life":
        previous, self.rep = self.rep, rep or f"rep-{self.attempt}"
        again = self.attempt > 0 and self.stage is not Stage.UNROUTED
        self.attempt += 1
        self.assignment = new_id()
        self.assigned_at, self.due_at = self.at, self.at + timedelta(minutes=minutes)
        data = {
            **self._turn(),
            "policy_version": 1,
            "definition_version": self.version,
            "assigned_at": self.at,
            "due_at": self.due_at,
        }
        return self._tell(
            Stage.ASSIGNED,
            LeadReassigned(**data, previous_rep_id=previous, cause="SLA_BREACHED")
            if again
            else LeadAssigned(**data),
        )

    def unrouted(self) -> "Life":
        return self._tell(
            Stage.UNROUTED,
            LeadUnrouted(
                lead_id=self.lead_id, cycle=self.cycle, reason="NOBODY", unrouted_at=self.at
            ),
        )

    def acknowledged(self) -> "Life":
        return self._tell(
            Stage.ACKNOWLEDGED,
            LeadAcknowledged(
                **self._turn(), acknowledged_at=self.at, due_at=self.at + timedelta(hours=4)
            ),
        )

    def breached(self) -> "Life":
        return self._tell(
            self.stage, SlaBreached(**self._turn(), due_at=self.due_at, breached_at=self.at)
        )

    def accepted(self) -> "Life":
        return self._tell(Stage.ACCEPTED, LeadAccepted(**self._answer()))

    def rejected(self, reason: RejectReason = RejectReason.OUTSIDE_ICP) -> "Life":
        return self._tell(
            Stage.REJECTED,
            LeadRejected(**self._answer(), reason=reason, reason_class=REASON_CLASS[reason]),
        )

    def streams(self) -> list[list[Event[Any]]]:
        """The events by topic: the only order that a reader can count on."""
        topics: dict[str, list[Event[Any]]] = {}
        for event in self.events:
            topics.setdefault(event.data.topic, []).append(event)
        return list(topics.values())

    def _tell(self, stage: Stage, data: EventData) -> "Life":
        self.stage = stage
        self.events.append(event_of(data, self.at))
        return self.later()

    def _decision(self) -> dict[str, Any]:
        contributions = [
            Contribution(criterion_id=name, points=10, because="matched") for name in self.criteria
        ]
        unmet = Contribution(criterion_id="unmet", points=0, because="not matched")
        return {
            "lead_id": self.lead_id,
            "definition_version": self.version,
            "cycle": self.cycle,
            "score": 10 * len(self.criteria),
            "threshold": 10,
            "facts": self.facts,
            "attribution": Attribution(utm_source=self.source, utm_campaign=self.campaign),
            "contributions": [*contributions, unmet],
            "captured_at": START,
            "decided_at": self.at,
            "explored": self.explored,
            "exploration_rate": 0.02 if self.explored else 0,
        }

    def _turn(self) -> dict[str, Any]:
        return {
            "lead_id": self.lead_id,
            "assignment_id": self.assignment,
            "rep_id": self.rep,
            "attempt": self.attempt,
            "cycle": self.cycle,
        }

    def _answer(self) -> dict[str, Any]:
        return {
            **self._turn(),
            "definition_version": self.version,
            "assigned_at": self.assigned_at,
            "due_at": self.due_at,
            "answered_at": self.at,
        }


def random_life(random: Random) -> Life:
    """A life that the other services could really tell, of up to three cycles."""
    life = Life(source=random.choice([None, "search", "fair"])).captured()
    for _ in range(random.randint(0, 3)):
        if random.random() < 0.3:
            life.scored()
        if life.stage is Stage.INQUIRY and random.random() < 0.3:
            random.choice([life.nurtured, life.disqualified])()
        if life.stage not in (Stage.INQUIRY, Stage.NURTURE):
            break
        _hand_over(life.qualified(), random)
    return life


def _hand_over(life: Life, random: Random) -> None:
    for _ in range(random.randint(0, 4)):
        if random.random() < 0.2:
            life.unrouted()
            continue
        life.assigned()
        if random.random() < 0.5:
            life.acknowledged()
        match random.choice(["accept", "procedural", "definitional", "clerical", "breach", "wait"]):
            case "accept":
                life.accepted()
                return
            case "definitional":
                life.rejected().nurtured()
                return
            case "clerical":
                life.rejected(RejectReason.SPAM).disqualified()
                return
            case "procedural":
                life.rejected(RejectReason.WRONG_TERRITORY)
            case "breach":
                life.later(20).breached()
            case "wait":
                return


def interleaved(random: Random, streams: Sequence[Sequence[Event[Any]]]) -> list[Event[Any]]:
    """One of the orders in which a reader may see these streams."""
    left = [list(stream) for stream in streams]
    merged: list[Event[Any]] = []
    while any(left):
        merged.append(random.choice([stream for stream in left if stream]).pop(0))
    return merged


def answer_life(answer: str, criteria: tuple[str, ...], **values: Any) -> Life:
    """A lead that a rep has answered."""
    life = Life(criteria=criteria, **values).captured().qualified().assigned()
    return life.accepted() if answer == "accepted" else life.rejected(RejectReason(answer))


R = TypeVar("R")


@dataclass
class Feedback:
    """A feedback service on a database, without a broker: the consumer is fed by hand."""

    db: Database
    clock: FixedClock
    transactions: Transactions[Unit]
    consumer: Consumer[Unit]
    offsets: dict[str, int] = field(default_factory=dict)

    async def read(self, events: Sequence[Event[Any]], batch: int = 500) -> None:
        """Have the consumer read these events, in batches."""
        messages = [self._message(event) for event in events]
        for start in range(0, len(messages), batch):
            await self.consumer.process(messages[start : start + batch])

    async def look(self, finding: Finding) -> str | None:
        """What is done with what a look found."""

        def whole(unit: Unit) -> str | None:
            learning.ask(unit)
            begun = learning.begin(unit, finding.answers)
            assert begun is not None
            return learning.apply(unit, begun, finding)

        return await self.transactions.run(whole)

    async def ask(self, query: Callable[..., R], *args: Any) -> R:
        """What a query answers."""
        return await self.db.read(lambda conn: query(conn, *args))

    async def metrics(self) -> dict[str, Any]:
        return await self.ask(figures.metrics, self.clock.now())

    async def stages(self) -> dict[str, Any]:
        return await self.ask(queries.stages, self.clock.now(), Settings().stuck_after())

    async def history(self, lead_id: str) -> dict[str, Any] | None:
        return await self.ask(queries.lead_history, lead_id)

    async def proposals(self) -> list[dict[str, Any]]:
        found = await self.ask(queries.list_proposals)
        return await self.ask(followed_up, found, self.clock.now())

    async def samples(self, label: Label = Label.ACCEPTED) -> dict[tuple[str, bool], Any]:
        """What learning reads, by lead and whether it was an MQL."""
        read = await self.db.read(
            lambda conn: list(samples.read_samples(conn, label, self.clock.now()))
        )
        return {(one.lead_id, one.mql): one for one in read}

    async def sent(self, topic: str) -> list[dict[str, Any]]:
        """The data of everything that waits for the bus on this topic."""
        pending = await self.ask(outbox.take, 100_000)
        return [orjson.loads(row.value or "null") for row in pending if row.topic == topic]

    async def log(self) -> list[dict[str, Any]]:
        """All feedback events."""
        found = await self.ask(feedback_log.after, 0, 100_000)
        return [orjson.loads(one.event) for one in found.events]

    def _message(self, event: Event[Any]) -> Received:
        topic = event.data.topic
        offset = self.offsets.get(topic, 0)
        self.offsets[topic] = offset + 1
        return Received(topic, 0, offset, event.data.key(), event.value(), event.headers())


@asynccontextmanager
async def open_feedback(url: str) -> AsyncIterator[Feedback]:
    """A migrated feedback service at a fixed time, a day after ``START``."""
    db = Database.open(url, NAME)
    try:
        migrate(db, MIGRATIONS)
        clock = FixedClock(START + timedelta(days=1))
        transactions = Transactions(db, clock, Unit)
        bus: Any = None
        consumer = Consumer(NAME, [], HANDLERS, transactions, bus)
        # What a subscription does when it is given its partitions.
        await consumer._load([TopicPartition(topic, 0) for topic in topics_read_by(NAME)])
        yield Feedback(db, clock, transactions, consumer)
    finally:
        db.close()


def definition_of(points: Mapping[str, int]) -> dict[str, Any]:
    """A document with a criterion for each fact, and a threshold that can be reached."""
    criteria = [
        Criterion(
            id=name, group="fit", field=f"fields.{name}", operator="is_present", points=number
        )
        for name, number in points.items()
    ]
    return DefinitionBody(threshold=20, criteria=criteria).model_dump(mode="json")


def published(
    version: int = 1, points: Mapping[str, int] | None = None, proposal_id: str | None = None
) -> Event[Any]:
    """A definition in force: threshold 20, criteria ``size`` and ``title`` unless told."""
    body = definition_of(points or {"size": 30, "title": 20})
    document = DefinitionDocument.model_validate(
        {**body, "version": version, "status": "published"}
    )
    at = START + timedelta(hours=version)
    data = DefinitionPublished(definition=document, published_at=at, proposal_id=proposal_id)
    return event_of(data, at)


def answers(
    having: tuple[int, int], lacking: tuple[int, int], *, version: int = 1, name: str = "size"
) -> list[Event[Any]]:
    """Leads with and without a criterion: so many accepted, so many rejected as not fitting."""
    lives = [
        answer_life(answer, criteria, version=version)
        for criteria, counts in (((name,), having), ((), lacking))
        for answer, count in zip(("accepted", "OUTSIDE_ICP"), counts, strict=True)
        for _ in range(count)
    ]
    return [event for life in lives for event in life.events]


def suggestion(points: Mapping[str, int] | None = None, **evidence: Any) -> Suggestion:
    """A definition with other points, as the learner would suggest it."""
    document = definition_of(points or {"size": 40, "title": 20})
    changes = (Change("Criterion size: points", "+30", "+40", "accepted more often"),)
    figures = {
        "before": {"precision": {"estimate": 0.5}, "per_week": {"estimate": 20.0}},
        "after": {"precision": {"estimate": 0.7}, "per_week": {"estimate": 15.0}},
    }
    return Suggestion(document, changes, {"label": "accepted", **figures, **evidence})


def found(answers: int = 150, version: int = 1, **values: Any) -> Finding:
    """What a look found: a suggestion, unless told otherwise."""
    return Finding(version, answers, **{"suggestion": suggestion(), **values})


def learnable(many: int, start: datetime) -> list[Event[Any]]:
    """Leads of two months; of one industry nearly all are accepted, of the other nearly none."""
    random = Random(4)
    lives = []
    for number in range(many):
        industry = random.choice(["Software", "Retail"])
        facts = {"size": "10", "industry": industry, "employees": random.randrange(5, 500)}
        at = start + number * timedelta(days=60) / many
        life = Life(facts=facts, at=at).captured().qualified().assigned(f"rep-{number % 3}")
        liked = random.random() < (0.9 if industry == "Software" else 0.15)
        lives.append(life.accepted() if liked else life.rejected())
    return [event for life in lives for event in life.events]
