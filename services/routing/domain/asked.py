"""What a decision about a lead rests on, beside the reps as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LANGUAGE: Final = ("language", "fields.language")
"""The facts in which a lead's language may be."""


@dataclass(frozen=True, slots=True)
class LeadAccount:
    """The account a lead belongs to, as a decision needs it."""

    name: str
    owner_id: str | None
    stand_in_id: str | None
    reason: str
    """How it is known that the lead is its, in words."""

    @property
    def rep_ids(self) -> frozenset[str]:
        """Who looks after it, and who does for them."""
        return frozenset(one for one in (self.owner_id, self.stand_in_id) if one is not None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy is asked about: a lead by its facts, and its account."""

    facts: Mapping[str, Any]
    account: LeadAccount | None = None

    @property
    def country(self) -> str | None:
        """The lead's, to be compared."""
        return _plain(self.facts.get("country"))

    @property
    def language(self) -> str | None:
        """The lead's in two letters, where it is known."""
        found = (_plain(self.facts.get(name)) for name in LANGUAGE)
        return next((one[:2] for one in found if one), None)


@dataclass(frozen=True, slots=True)
class Basis:
    """All that went into one decision, beside the reps and the policy."""

    asked: Asked
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Who could not have it and why, in words."""
    used: int = 0
    """Attempts of the running round that had come to nothing."""
    by_hand: bool = False
    """Whether a person chose who gets it."""

    def kept(self, fields: frozenset[str], rounds: int) -> dict[str, Any]:
        """As it is stored: only the facts that the policy looks at, and only what there is to say.
        ``rounds`` is how many rounds the lead had begun."""
        facts, account = self.asked.facts, self.asked.account
        said: dict[str, Any] = {
            "facts": {name: facts[name] for name in sorted(fields) if name in facts},
            "excluded": dict(self.excluded),
            "used": self.used,
            "rounds": rounds,
            "by_hand": self.by_hand,
        }
        if account is not None:
            said["account"] = [account.name, account.owner_id, account.stand_in_id, account.reason]
        return {name: value for name, value in said.items() if value}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Basis":
        """What was stored."""
        account = kept.get("account")
        return cls(
            Asked(kept.get("facts", {}), None if account is None else LeadAccount(*account)),
            kept.get("excluded", {}),
            kept.get("used", 0),
            kept.get("by_hand", False),
        )


def _plain(value: Any) -> str | None:
    text = value.strip().casefold() if isinstance(value, str) else ""
    return text or None
