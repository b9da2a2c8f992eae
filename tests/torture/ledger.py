"""What clients sent and what they were told, kept outside the product in an append-only file."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Taken(NamedTuple):
    """A 202."""

    lead_id: str
    submission_id: str
    status: str


@dataclass(slots=True)
class Submission:
    """One submission of a form, however often it was sent."""

    number: int
    email: str
    key: str | None
    """Its Idempotency-Key. One without a key is never sent again."""
    answers: list[Taken] = field(default_factory=list)
    open_ends: int = 0
    """Attempts without an answer, or with one that leaves open what happened."""


@dataclass(slots=True)
class Given:
    """A rep's answer that the product confirmed."""

    assignment_id: str
    move: str
    reason: str | None


@dataclass(slots=True)
class Handed:
    """A lead that changed hands by somebody's word, which the product confirmed."""

    cause: str
    """As routing calls it: ``HANDED_OVER``, ``PUT_BACK``, ``MOVED``."""
    lead_id: str
    rep_id: str | None
    """Who has it then; None: nobody could take it."""
    before_id: str | None = None
    """The assignment that ends with it, where that is known."""
    after_id: str | None = None


@dataclass(slots=True)
class Reported:
    """An outcome of one Idempotency-Key, with the ids it was answered with."""

    lead_id: str
    stage: str
    outcome_ids: set[str] = field(default_factory=set)


class Ledger:
    """Every attempt and every answer. The file is written before the request leaves."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "ledger.ndjson").open("a", buffering=1)
        self.submissions: list[Submission] = []
        self.given: list[Given] = []
        self.handed: list[Handed] = []
        self.reported: dict[str, Reported] = {}
        self.refused: list[str] = []
        """Answers that nobody should get who did nothing wrong."""

    def close(self) -> None:
        self._file.close()

    def submission(self, email: str, key: str | None) -> Submission:
        """Open an entry."""
        entry = Submission(len(self.submissions), email, key)
        self.submissions.append(entry)
        return entry

    def sending(self, entry: Submission) -> None:
        self._note("post", entry.number, email=entry.email, key=entry.key)

    def taken(self, entry: Submission, answer: Taken) -> None:
        self._note("202", entry.number, **answer._asdict())
        entry.answers.append(answer)

    def left_open(self, entry: Submission, why: str) -> None:
        self._note("?", entry.number, why=why)
        entry.open_ends += 1

    def answered(self, assignment_id: str, move: str, reason: str | None, status: int) -> None:
        self._note(move, assignment_id, reason=reason, status=status)
        if status == 200:
            self.given.append(Given(assignment_id, move, reason))

    def handing(self, what: str, subject: str, status: int, done: Handed | None) -> None:
        """Somebody wanted a lead to change hands; ``done``: it did."""
        self._note(what, subject, status=status, done=None if done is None else asdict(done))
        if done is not None:
            self.handed.append(done)

    def outcome(self, key: str, lead_id: str, stage: str, status: int, outcome_id: str) -> None:
        self._note("outcome", key, lead=lead_id, stage=stage, status=status, id=outcome_id)
        if status in (201, 202):  # recorded, or kept until the acceptance arrives
            entry = self.reported.setdefault(key, Reported(lead_id, stage))
            entry.outcome_ids.add(outcome_id)

    def refusal(self, what: str, status: int, text: str) -> None:
        self._note("refused", what, status=status, text=text[:300])
        self.refused.append(f"{what} answered {status}: {text[:200]}")

    def note(self, what: str, **details: Any) -> None:
        """Anything else worth its time stamp: kills, restarts, rounds."""
        self._note(what, None, **details)

    @property
    def accepted_count(self) -> int:
        """How many 202s there were."""
        return sum(len(entry.answers) for entry in self.submissions)

    def _note(self, what: str, subject: object, **details: Any) -> None:
        self._file.write(json.dumps([round(time.time(), 3), what, subject, details]) + "\n")
