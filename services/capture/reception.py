"""Where submissions of every kind come in: read, queue for the next COMMIT, answer."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final

from prometheus_client import Counter

from services.capture.domain.submission import FieldError
from services.capture.handlers import capture_leads
from services.capture.intake.reading import read_submission
from services.capture.ports import Answer, Posted
from services.capture.store.catalogue import REFRESH_SECONDS, Catalogue
from services.capture.store.reading import (
    add_bad_submissions,
    forget_bad_submissions,
    keep_newest_bad_submissions,
)
from services.capture.store.work import CaptureUnitOfWork
from shared.contracts.problems import Problem
from shared.db.engine import Database
from shared.db.group_commit import GroupCommit, Overloaded
from shared.runtime.clock import Clock, new_id
from shared.runtime.logs import current_traceparent
from shared.runtime.parts import Part, Timer
from shared.runtime.unit_of_work import Transactions

log = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 1024
MAX_KEY: Final = 255

_submissions = Counter(
    "leadloop_capture_submissions_total", "Submissions by what became of them", ["status"]
)
_captured, _touched = _submissions.labels("captured"), _submissions.labels("touched")


@dataclass(frozen=True, slots=True)
class Refused:
    """A submission that could not be accepted, to be kept."""

    problem: Problem
    content_type: str
    body: bytes
    source: str
    """Who sent it: ``key:<id>`` or ``form:<id>``."""


class Reception:
    """Takes submissions in. An answer means that the submission is committed."""

    def __init__(
        self,
        db: Database,
        transactions: Transactions[CaptureUnitOfWork],
        catalogue: Catalogue,
        clock: Clock,
        *,
        default_country: str,
        bad_submission_days: float,
        bad_submissions: int,
        queue: int,
    ) -> None:
        self._db = db
        self._transactions = transactions
        self._clock = clock
        self._region = default_country or None
        self._bad_days = bad_submission_days
        self._bad_kept = bad_submissions
        self._bad_since_pruned = 0
        self.catalogue = catalogue
        self.writer: GroupCommit[Posted, Answer] = GroupCommit(
            "capture.writer", self._commit, max_queue=queue
        )
        self._bad: GroupCommit[Refused, None] = GroupCommit(
            "capture.bad-writer", self._commit_bad, max_queue=256
        )

    def parts(self) -> list[Part]:
        """What has to run for submissions to be taken."""
        return [
            Timer("capture.fields", every=REFRESH_SECONDS, run=self.catalogue.refresh),
            Timer("capture.forget-bad-submissions", every=3600, run=self._forget),
            self.writer,
            self._bad,
        ]

    async def take(self, body: bytes, idempotency_key: str | None) -> Answer:
        """Read JSON bytes and commit them. Raises Problem 400, 422 or 503."""
        if not self.catalogue.loaded:
            await self.catalogue.refresh()
        submission = read_submission(body, self.catalogue.declared, self._region)
        digest = blake2b(body, digest_size=32).digest() if idempotency_key else None
        try:
            answer = await self.writer.submit(
                Posted(submission, idempotency_key, digest, current_traceparent())
            )
        except Overloaded:
            raise busy() from None
        (_captured if answer.status == "captured" else _touched).inc()
        return answer

    def faults(self, body: bytes) -> list[FieldError]:
        """What is wrong with a lead, field by field, without taking it."""
        try:
            read_submission(body, self.catalogue.declared, self._region)
        except Problem as problem:
            return [FieldError(e["pointer"], e["detail"]) for e in problem.extra.get("errors", [])]
        return []

    async def keep(self, refused: Refused) -> None:
        """Keep what could not be accepted. Never fails: the caller has an answer to give."""
        _submissions.labels("refused").inc()
        try:
            await self._bad.submit(refused)
        except Exception as error:
            log.warning("a bad submission was not kept: %s", type(error).__name__)

    async def _commit(self, batch: Sequence[Posted]) -> list[Answer | Exception]:
        async with self._transactions.begin() as uow:
            return await capture_leads(batch, uow, self._clock)

    async def _commit_bad(self, batch: Sequence[Refused]) -> list[Exception | None]:
        now = self._clock.now()
        rows: list[dict[str, Any]] = [
            {
                "bad_submission_id": new_id(),
                "received_at": now,
                "status": one.problem.status,
                "reason": f"{one.problem.title}: {one.problem.detail}",
                "errors": one.problem.extra.get("errors", []),
                "content_type": one.content_type[:200].replace("\x00", ""),
                "body": one.body[:MAX_BODY],
                "source": one.source[:100],
            }
            for one in batch
        ]
        await add_bad_submissions(self._db, rows)
        self._bad_since_pruned += len(rows)
        if self._bad_since_pruned > self._bad_kept // 10:
            # Anybody may send to a public form: what is kept must not grow until the next hour.
            self._bad_since_pruned = 0
            await keep_newest_bad_submissions(self._db, self._bad_kept)
        return [None] * len(rows)

    async def _forget(self) -> int:
        await forget_bad_submissions(self._db, self._clock.now() - timedelta(days=self._bad_days))
        await keep_newest_bad_submissions(self._db, self._bad_kept)
        return 0


def scoped_key(caller: str, key: str | None) -> str | None:
    """An Idempotency-Key as it is stored. Raises Problem 400 for one that is none."""
    if key is None:
        return None
    if not key or len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        raise Problem(
            400,
            "Unusable Idempotency-Key",
            f"Use 1 to {MAX_KEY} printable ASCII characters, a UUID for example.",
        )
    return f"{caller}:{key}"


def busy() -> Problem:
    """Too many submissions wait."""
    return Problem(
        503,
        "Try again",
        "More comes in than can be stored at the moment. Nothing of this request was stored; send "
        "it again.",
        headers={"Retry-After": "1"},
    )
