"""Where submissions of every kind come in: read, queue for the next COMMIT, answer.

No handler, because callers wait here for a transaction that they share with others.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b
from typing import Final

from prometheus_client import Counter

from services.capture.domain.submission import FieldError, Posted, Submission, Taken
from services.capture.domain.synonyms import Synonyms
from services.capture.handlers.fields import read_catalogue
from services.capture.handlers.submissions import Refused, keep_refused, take_submissions
from services.capture.intake.reading import read_submission
from services.capture.store.catalogue import REFRESH_SECONDS, Catalogue
from services.capture.store.queries import forget_bad_submissions, keep_newest_bad_submissions
from services.capture.store.unit import Capture
from shared.contracts.ids import current_traceparent
from shared.contracts.problems import Problem
from shared.runtime.group_commit import GroupCommit, Overloaded
from shared.runtime.parts import Part, Timer
from shared.runtime.unit import Transactions

log = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 1024
MAX_KEY: Final = 255

_submissions = Counter(
    "leadloop_capture_submissions_total", "Submissions by what became of them", ["status"]
)
_captured, _touched = _submissions.labels("captured"), _submissions.labels("touched")
_refused = _submissions.labels("refused")


class Reception:
    """Takes submissions in. An answer means that the submission is committed."""

    def __init__(
        self,
        transactions: Transactions[Capture],
        catalogue: Catalogue,
        *,
        default_country: str,
        bad_submission_days: float,
        bad_submissions: int,
        queue: int,
    ) -> None:
        self._transactions = transactions
        self._catalogue = catalogue
        self._region = default_country or None
        self._bad_days = timedelta(days=bad_submission_days)
        self._bad_kept = bad_submissions
        self._bad_since_pruned = 0
        self._writer: GroupCommit[Posted, Taken] = GroupCommit(
            "capture.writer", self._commit, max_queue=queue
        )
        self._bad: GroupCommit[Refused, None] = GroupCommit(
            "capture.bad-writer", self._commit_bad, max_queue=256
        )

    def parts(self) -> list[Part]:
        """What has to run for submissions to be taken."""
        parts: list[Part] = [
            Timer("capture.forget-bad-submissions", every=3600, run=self._forget),
            self._writer,
            self._bad,
        ]
        if self._transactions.db.dialect == "postgresql":  # else nobody but us declares fields
            parts.insert(0, Timer("capture.fields", every=REFRESH_SECONDS, run=self._refresh))
        return parts

    async def take(self, body: bytes, idempotency_key: str | None, *, same: bool = False) -> Taken:
        """Read JSON bytes and commit them. Raises Problem 400, 422 or 503.

        ``same``: whatever comes with this key is the same submission, for the sender says so.
        """
        if not self._catalogue.loaded:
            await self._refresh()
        submission = self._read(body)
        digest = (
            blake2b(b"" if same else body, digest_size=32).digest() if idempotency_key else None
        )
        try:
            taken = await self._writer.submit(
                Posted(submission, idempotency_key, digest, current_traceparent())
            )
        except Overloaded:
            raise busy() from None
        (_captured if taken.status == "captured" else _touched).inc()
        return replace(taken, unread=submission.unread) if submission.unread else taken

    def _read(self, body: bytes) -> Submission:
        known = self._catalogue
        return read_submission(body, known.declared, self._region, known.synonyms)

    def faults(self, body: bytes) -> list[FieldError]:
        """What is wrong with a lead, field by field, without taking it."""
        try:
            self._read(body)
        except Problem as problem:
            return [FieldError(e["pointer"], e["detail"]) for e in problem.extra.get("errors", [])]
        return []

    @property
    def synonyms(self) -> Synonyms:
        """Which names are understood."""
        return self._catalogue.synonyms

    async def keep(self, refused: Refused) -> bool:
        """Keep what could not be accepted; returns whether it is committed. Never fails: the caller
        has an answer to give."""
        _refused.inc()
        try:
            await self._bad.submit(refused)
        except Exception as error:
            log.warning("a bad submission was not kept: %s", type(error).__name__)
            return False
        return True

    async def _commit(self, batch: Sequence[Posted]) -> list[Taken | Exception]:
        return await self._transactions.run(lambda unit: take_submissions(unit, batch))

    async def _commit_bad(self, batch: Sequence[Refused]) -> list[Exception | None]:
        await self._transactions.run(lambda unit: keep_refused(unit, batch))
        self._bad_since_pruned += len(batch)
        if self._bad_since_pruned > self._bad_kept // 10:
            # Anybody may send to a public form: what is kept must not grow until the next hour.
            self._bad_since_pruned = 0
            await self._keep_newest()
        return [None] * len(batch)

    async def _refresh(self) -> int:
        await self._transactions.run(read_catalogue)
        return 0

    async def _forget(self) -> int:
        before = self._transactions.clock.now() - self._bad_days
        gone = await self._transactions.db.write(lambda conn: forget_bad_submissions(conn, before))
        return gone + await self._keep_newest()

    async def _keep_newest(self) -> int:
        return await self._transactions.db.write(
            lambda conn: keep_newest_bad_submissions(conn, self._bad_kept)
        )


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
