"""The declarations of custom fields and the synonyms, kept in memory for the many requests that
need them."""

from collections.abc import Iterable, Mapping
from typing import Final

from services.capture.domain.fields import FieldDeclaration
from services.capture.domain.synonyms import Synonym, Synonyms
from services.capture.store.synonym_table import known_synonyms

REFRESH_SECONDS: Final = 2.0
"""Longest time until a declaration made through another process counts in this one."""
MAX_SEEN: Final = 1000
"""Most undeclared names remembered: a form that makes names up must not fill the list."""


class Catalogue:
    """What is declared, and which undeclared names are known to have been seen. Changed on the
    event loop alone, after a commit; read everywhere."""

    def __init__(self) -> None:
        self.loaded = False
        self.declared: Mapping[str, FieldDeclaration] = {}
        self.synonyms = Synonyms(known_synonyms())
        self._added: tuple[Synonym, ...] = ()
        self._seen: set[str] = set()

    def show(self, declared: Iterable[FieldDeclaration]) -> None:
        """These, in this order, are declared from now on."""
        self.declared, self.loaded = {one.name: one for one in declared}, True

    def understand(self, added: Iterable[Synonym]) -> None:
        """These synonyms count from now on, beside those that come with the product."""
        wanted = tuple(sorted(added, key=lambda one: one.name))
        if wanted != self._added:
            self._added, self.synonyms = wanted, Synonyms(known_synonyms(), wanted)

    def saw(self, names: Iterable[str]) -> None:
        """These names are in the table now."""
        self._seen.update(names)

    def unseen(self, name: str, beside: int) -> bool:
        """Whether this undeclared name should be remembered beside so many other new ones."""
        return name not in self._seen and len(self._seen) + beside < MAX_SEEN
