"""Accounts: companies that somebody looks after, and which of them a lead belongs to.

A lead belongs to the account that has its company's domain, or one above it; else to the account
whose name is nearly the same (RapidFuzz's token sort ratio, legal forms and punctuation left out).
Names in which other numbers stand are never the same, however like they are.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ALIKE: Final = 92.0
"""Names that are at least so much alike, of 100, are the same company."""
_LEGAL: Final = frozenset({
    "ab", "ag", "aps", "as", "asa", "bv", "co", "company", "corp", "corporation", "ev", "gmbh",
    "inc", "incorporated", "kg", "kgaa", "limited", "llc", "llp", "ltd", "mbh", "nv", "oy", "oyj",
    "plc", "pty", "sa", "sarl", "sas", "se", "sl", "spa", "srl", "the", "und", "and",
})  # fmt: skip
_WORD: Final = re.compile(r"[^\W_]+")
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Account:
    """A company that somebody looks after."""

    account_id: str
    name: str
    owner_id: str | None
    """The rep who gets its leads first."""
    stand_in_id: str | None
    """The rep who gets them while the owner is not there or full."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain that belongs to an account."""

    domain: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Match:
    """The account a lead belongs to, and how that is known."""

    account: Account
    reason: str


@dataclass(slots=True)
class Accounts:
    """All accounts, to find a lead's among them."""

    by_id: Mapping[str, Account] = field(default_factory=dict)
    by_domain: Mapping[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, accounts: Iterable[Account], domains: Iterable[Domain]) -> "Accounts":
        """Ready to be searched. Of two accounts with one name the older one counts."""
        by_id = {one.account_id: one for one in accounts}
        names: dict[str, str] = {}
        for one in sorted(by_id.values(), key=lambda one: (one.created_at, one.account_id)):
            names.setdefault(plain_name(one.name), one.account_id)
        names.pop("", None)
        return cls(by_id, {one.domain: one.account_id for one in domains}, names)

    def match(self, facts: Mapping[str, Any]) -> Match | None:
        """The account of a lead with these facts (``company_domain``, ``company``)."""
        return self._by_domain(facts.get("company_domain")) or self._by_name(facts.get("company"))

    def _by_domain(self, domain: Any) -> Match | None:
        rest = domain.lower() if isinstance(domain, str) else ""
        while "." in rest:
            account = self.by_id.get(self.by_domain.get(rest, ""))
            if account is not None:
                return Match(account, f"by its domain {rest}")
            rest = rest.partition(".")[2]
        return None

    def _by_name(self, company: Any) -> Match | None:
        wanted = plain_name(company) if isinstance(company, str) else ""
        if not wanted or not self._names:
            return None
        from rapidfuzz import fuzz, process  # only where there are accounts

        numbers = _numbers(wanted)
        found = process.extract(
            wanted, self._names.keys(), scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE, limit=5
        )
        for name, alike, _ in found:
            account = self.by_id.get(self._names[name])
            if account is not None and _numbers(name) == numbers:
                return Match(account, f"its company's name is {alike:.0f} % like {account.name}")
        return None


class Remembered:
    """The accounts as they were when one of them was changed last, for the life of the process."""

    def __init__(self) -> None:
        self._kept: tuple[datetime | None, Accounts] = (None, Accounts())

    def find(self, newest: datetime | None) -> Accounts | None:
        """The accounts, if the newest change is the one they were kept with."""
        kept, accounts = self._kept
        return accounts if newest == kept else None

    def keep(self, newest: datetime | None, accounts: Accounts) -> Accounts:
        """Keep them until there is a newer change."""
        self._kept = (newest, accounts)
        return accounts


def plain_name(name: str) -> str:
    """A company's name without legal forms, punctuation, accents and capitals; the name itself
    where nothing else is left of it."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(one for one in folded if not unicodedata.combining(one))
    words = _WORD.findall(plain.replace(".", ""))
    return " ".join([word for word in words if word not in _LEGAL] or words)


def plain_domain(text: str) -> str | None:
    """A domain as leads have it, of an address or a domain as people write it; None when it is
    neither."""
    bare = text.strip().lower()
    bare = bare.partition("://")[2] or bare
    bare = bare.rpartition("@")[2].partition("/")[0].partition(":")[0].removeprefix("www.")
    return bare if _DOMAIN.fullmatch(bare) else None


def _numbers(name: str) -> list[str]:
    return sorted(re.findall(r"\d+", name))
