"""Who the leads are, and the words by which somebody looks for one."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

WORD: Final = 64
"""Longest word, in characters; of a longer one the beginning counts."""
MOST_WORDS: Final = 40
SHORTEST_PHONE: Final = 5
COUNTRY_CODE: Final = 3
"""Most digits of a country's code (ITU-T E.164)."""

_PARTS: Final = re.compile(r"[^\W_]+")
_PHONE: Final = re.compile(r"\+?[\d\s()./-]+")
_LEAD_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{1,12}){1,4}")


@dataclass(frozen=True, slots=True)
class Person:
    """Who a lead is. ``words`` is what it is found by."""

    lead_id: str
    name: str | None
    email: str | None
    phone: str | None
    company: str | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for: the beginnings of words that all have to be there, or of an id."""

    beginnings: tuple[str, ...] = ()
    lead_id: str | None = None


def person_of(lead_id: str, contact: Mapping[str, Any]) -> Person:
    """A lead's contact details, as ``lead.contact`` tells them, with the words to find it by."""
    name = " ".join(filter(None, (contact.get("first_name"), contact.get("last_name")))) or None
    email, phone, company = (contact.get(field) for field in ("email", "phone", "company"))
    words = [*plain_words(name or ""), *plain_words(company or "")]
    if email:
        address = email.lower()
        words += [
            address[:WORD],
            *plain_words(address),
            address.rpartition("@")[2][:WORD],
        ]
    if phone:
        words += _numbers(phone)
    return Person(
        lead_id,
        _cut(name, 400),
        _cut(email, 320),
        _cut(phone, 64),
        _cut(company, 400),
        tuple(_unique(words)),
    )


def wanted(typed: str) -> Wanted:
    """What the text in a search field means: names, a company, an address, a number or an id.

    Case and accents don't count, and the beginning of a word is enough; a number may be written
    with or without its country's code.
    """
    text = typed.strip().lower()
    if _LEAD_ID.fullmatch(text):
        return Wanted(lead_id=text)
    digits = re.sub(r"\D", "", text).lstrip("0")
    if _PHONE.fullmatch(text) and len(digits) >= SHORTEST_PHONE:
        return Wanted((digits[:WORD],))
    found: list[str] = []
    for term in text.split():
        found += [term[:WORD]] if "@" in term.strip("@") else plain_words(term)
    return Wanted(tuple(_unique(found)))


def plain_words(text: str) -> list[str]:
    """The words of a text without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(one for one in apart if not unicodedata.combining(one))
    return [word[:WORD] for word in _PARTS.findall(bare)]


def _numbers(phone: str) -> list[str]:
    """A number as it is, and without what may be its country's code."""
    digits = re.sub(r"\D", "", phone)
    ends = [digits[start:][:WORD] for start in range(COUNTRY_CODE + 1)]
    return [one for one in ends if len(one) >= SHORTEST_PHONE]


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))[:MOST_WORDS]


def _cut(text: str | None, length: int) -> str | None:
    return text[:length] if text else None
