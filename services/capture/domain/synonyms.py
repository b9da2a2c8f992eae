"""What other tools call a lead's fields, and how a name is compared."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

FULL_NAME: Final = "full_name"
"""No field of a lead: its value is split into the two names."""
GROUPS: Final = frozenset(
    {
        "account", "answers", "attributes", "company", "contact", "customer", "data",
        "fielddata", "fields", "formdata", "lead", "organisation", "organization", "person",
        "properties", "user",
    }
)  # fmt: skip
"""What tools put around fields: ``contact.firstname``, ``properties[firstname]``. Folded."""
MAX_REMEMBERED: Final = 4096
"""Most spellings whose meaning is remembered: a form that makes names up must not fill memory."""

_PATH: Final = re.compile(r"(.+?)(?:[./:]|\[)([^./:\[\]]+)\]?")
_STEPS: Final = re.compile(r"[./:\[\]]+")
_OBJECT_TYPE: Final = re.compile(r"\d+-\d+")  # HubSpot's: 0-1 is a contact, 0-2 a company
_FOLDED: Final = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l"})


@dataclass(frozen=True, slots=True)
class Synonym:
    """A name that somebody added. ``field`` None: it is understood as no field, whatever the table
    that comes with the product says."""

    name: str
    """Folded."""
    written: str
    field: str | None


def fold(name: str) -> str:
    """A name as it is compared: without case, accents, spaces and punctuation."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_FOLDED))
    return "".join(c for c in plain if c.isalnum())


class Synonyms:
    """Which field a name stands for."""

    def __init__(self, table: Mapping[str, Sequence[str]], added: Sequence[Synonym] = ()) -> None:
        self._fields: dict[str, str | None] = {}
        for field, names in table.items():
            for name in (field, *names):
                self._fields[fold(name)] = field
        for one in added:
            self._fields[one.name] = one.field
        self._remembered: dict[str, str | None] = {}

    def of(self, name: str) -> str | None:
        """The field of a lead that a name stands for, ``full_name``, or None."""
        try:
            return self._remembered[name]
        except KeyError:
            found = self._find(name)
            if len(self._remembered) < MAX_REMEMBERED and len(name) <= 100:
                self._remembered[name] = found
            return found

    def _find(self, name: str) -> str | None:
        folded = fold(name)
        if folded in self._fields:
            return self._fields[folded]
        path = _PATH.fullmatch(name)
        if path is None:
            return None
        around, inner = path[1], path[2]
        if _OBJECT_TYPE.fullmatch(around) or is_group(around):
            return self._find(inner)
        return None


def is_group(name: str) -> bool:
    """Whether a name, or path of names, is what tools put around the fields of a lead."""
    return all(fold(part) in GROUPS for part in _STEPS.split(name) if part)


def split_name(full: str) -> tuple[str | None, str | None]:
    """First and last name of a whole one, parted at its last space: ``Ana María López`` is ``Ana
    María`` and ``López``; one word is a first name."""
    words = full.split()
    if len(words) < 2:
        return (words[0] if words else None), None
    return " ".join(words[:-1]), words[-1]
