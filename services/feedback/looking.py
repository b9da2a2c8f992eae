"""Looks at the answers when a look is due, in a process of its own, and applies what it found."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import Connection

from services.feedback.domain.learning import LEASE, missing_answers
from services.feedback.domain.proposals import Change, Finding, Suggestion
from services.feedback.domain.samples import Group
from services.feedback.handlers import learning
from services.feedback.handlers.learning import Begun
from services.feedback.handlers.proposals import body_of, checked
from services.feedback.store import queries, samples
from services.feedback.store.unit import Feedback
from shared.db.errors import is_transient
from shared.runtime.jobs import JobBusy, JobFailed, Jobs
from shared.runtime.parts import Timer, describe
from shared.runtime.unit import Transactions

log = logging.getLogger(__name__)

LOOKS = Counter(
    "leadloop_feedback_looks_total", "Looks at the answers, by what became of them", ["result"]
)
LEARNER: Final = "services.feedback.learning"
COUNT_SECONDS: Final = 3600
"""Outcomes come due by time alone, so the answers are counted at least so often."""
OTHERS_SECONDS: Final = 10
"""How often it is looked for what other processes wrote; this one is told of its own."""
ACTIVE_DAYS: Final = 28
"""Who was given a lead within so many days is one of the reps that share the leads."""


@dataclass(frozen=True, slots=True)
class Short:
    """There were not enough answers: there can't be before the log has come to ``seq``, or this
    much time has passed."""

    about: Any = None
    seq: int = 0
    at: float = 0.0

    def until(self, seq: int) -> bool:
        """Whether there can't be enough yet."""
        return seq < self.seq and time.monotonic() < self.at


class Looking(Timer):
    """Takes a look whenever one is due: one at a time, among all processes."""

    def __init__(
        self, transactions: Transactions[Feedback], jobs: Jobs, *, every: float, timeout: float
    ) -> None:
        super().__init__("feedback.learning", every=every, run=self.run)
        self._transactions = transactions
        self._jobs = jobs
        self._timeout = timeout
        self._due = True
        self._seen: tuple[int, int | None] | None = None
        self._others_at = 0.0
        self._retry_at: datetime | None = None
        self._short = Short()

    def heard(self) -> None:
        """There are new answers, another definition or other wishes; call it on the event loop."""
        self._due = True

    def look(self) -> None:
        """Somebody asked for a look: see to it without waiting for the next turn."""
        self._due = True
        self.soon()

    async def run(self) -> int:
        """Once around; returns 0, because one look is all there is to do."""
        if not self._due and not self._again() and not await self._others_wrote():
            return 0
        self._due = False
        try:
            begun = await self._begin()
            if begun is not None:
                await self._look(begun)
        except BaseException:
            self._due = True
            raise
        return 0

    def _again(self) -> bool:
        return self._retry_at is not None and self._transactions.clock.now() >= self._retry_at

    async def _begin(self) -> Begun | None:
        now = self._transactions.clock.now()
        answers = await self._transactions.db.read(lambda conn: self._count(conn, now))
        if answers is None:
            return None
        return await self._transactions.run(lambda unit: learning.begin(unit, answers))

    def _count(self, conn: Connection, now: datetime) -> int | None:
        """The number of answers, if a look may be due. Counting them all takes its time, so it is
        not done before there can be enough: each needs an event of its own, or time to pass."""
        looks, version = queries.schedule(conn), queries.version_in_force(conn)
        self._retry_at = looks.waits_until(now)
        if version is None or self._retry_at is not None:
            return None
        choices = queries.choices(conn)
        seq, _ = queries.progress(conn)
        about = (choices.updated_at, looks.looked_at)
        if looks.asked_at is None and about == self._short.about and self._short.until(seq):
            return None
        groups = samples.count_groups(conn, choices.label, now)
        answers = groups[Group.GOOD] + groups[Group.BAD]
        missing = missing_answers(looks, choices, answers, now)
        self._short = Short(about, seq + missing, time.monotonic() + COUNT_SECONDS)
        return answers if looks.due(missing, now) else None

    async def _look(self, begun: Begun) -> None:
        """The look itself, while it is said again and again that it is being taken."""
        transactions, lease = self._transactions, begun.lease
        job = asyncio.ensure_future(self._learned(begun))
        try:
            while not job.done():
                await asyncio.wait([job], timeout=LEASE.total_seconds() / 3)
                if not job.done() and not await transactions.run(
                    lambda unit: learning.carry_on(unit, lease)
                ):
                    return
            finding = job.result()
            done = await transactions.run(lambda unit: learning.apply(unit, begun, finding))
            LOOKS.labels(done or "late").inc()
            self._retry_at = None
        except (JobBusy, JobFailed) as error:
            # With Retry-After it is not the look's fault: the service stops, or others compute.
            why = None if error.headers else error.detail
            LOOKS.labels("put_off" if why is None else "failed").inc()
            await transactions.run(lambda unit: learning.give_up(unit, lease, why))
            self._due = True
        except Exception as error:
            if is_transient(error):
                raise  # without the database nothing can be said: the lease runs out
            log.warning("a look at the answers failed: %s", describe(error))
            LOOKS.labels("failed").inc()
            why = f"What the learner answered could not be used ({type(error).__name__})."
            await transactions.run(lambda unit: learning.give_up(unit, lease, why))
            self._due = True
        finally:
            job.cancel()
            with contextlib.suppress(BaseException):
                await job

    async def _learned(self, begun: Begun) -> Finding:
        db, now = self._transactions.db, self._transactions.clock.now()
        since = now - timedelta(days=ACTIVE_DAYS)
        reps = await db.read(lambda conn: samples.active_reps(conn, since))
        request = {
            "database": db.url,
            "now": now,
            "base": body_of(begun.base),
            "learned_at": begun.learned_at,
            "settings": begun.choices.for_learner(reps),
            "looks": begun.state,
        }
        return finding_of(await self._jobs.run(LEARNER, request, self._timeout), begun)

    async def _others_wrote(self) -> bool:
        if self._transactions.db.dialect == "sqlite" or time.monotonic() < self._others_at:
            return False
        before, self._seen = self._seen, await self._transactions.db.read(queries.progress)
        self._others_at = time.monotonic() + OTHERS_SECONDS
        return self._seen != before


def finding_of(answer: Mapping[str, Any], begun: Begun) -> Finding:
    """The learner's answer. Raises KeyError, TypeError or Problem when it is no such answer."""
    status = answer["status"]
    base = body_of(begun.base)
    suggestion, missing, looked = None, "", True
    gained = (answer.get("evidence") or {}).get("difference") or {}
    if answer["kind"] == "proposal":
        body = checked(answer["definition"]).model_dump(mode="json")
        evidence = {
            **answer["evidence"],
            "flips": answer["flips"],
            "retarget": answer["retarget"],
            "base": base,
        }
        suggestion = Suggestion(body, tuple(map(Change.of, answer["changes"])), evidence)
    else:
        missing, looked = answer["text"], answer["looked"]
    return Finding(
        base_version=begun.base.version,
        answers=status.get("answers", 0),
        suggestion=suggestion,
        missing=missing,
        looked=looked,
        still_better=gained.get("auc", 0.0) >= gained.get("margin", 1.0),
        looks=answer["looks"],
        report={"reason": answer.get("reason"), **status, "evidence": answer.get("evidence")},
    )
