"""What a look finds: a proposal with its evidence, or nothing and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.feedback.learning.looks import Looks


@dataclass(frozen=True, slots=True)
class Nothing:
    """No proposal. ``reason`` names the kind: ``no_answers``, ``few_answers``, ``equal_answers``,
    ``few_of_a_kind``, ``not_due``, ``proposed_enough``, ``no_unseen``, ``no_better``;
    ``missing_answers`` is how many more it takes until the next look, when that is known."""

    reason: str
    text: str
    looks: Looks
    looked: bool = False
    missing_answers: int | None = None
    status: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """As JSON tells it."""
        return _plain(
            {
                "kind": "nothing",
                "reason": self.reason,
                "text": self.text,
                "looked": self.looked,
                "missing_answers": self.missing_answers,
                "status": dict(self.status),
                "evidence": self.evidence,
                "looks": self.looks.document(),
            }
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A better definition. ``definition`` is its body; ``changes`` say in words what changes and
    why; ``evidence`` what it did on leads it had not seen; ``flips`` the known leads that change
    sides. ``retarget`` means that only the threshold moves."""

    definition: Mapping[str, Any]
    changes: Sequence[Mapping[str, Any]]
    evidence: Mapping[str, Any]
    flips: Mapping[str, Any]
    looks: Looks
    retarget: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON tells it."""
        return _plain(
            {
                "kind": "proposal",
                "definition": dict(self.definition),
                "changes": [dict(one) for one in self.changes],
                "evidence": dict(self.evidence),
                "flips": dict(self.flips),
                "retarget": self.retarget,
                "status": dict(self.status),
                "looks": self.looks.document(),
            }
        )


Finding = Proposal | Nothing


def _plain(value: Any) -> Any:
    """With numbers that are Python's own, whatever they were computed with."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.item() if hasattr(value, "item") else value
