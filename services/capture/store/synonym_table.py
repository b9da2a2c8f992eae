"""The synonyms that come with the product, from ``services/capture/synonyms.toml``."""

import tomllib
from functools import cache
from pathlib import Path

FILE = Path(__file__).parents[1] / "synonyms.toml"


@cache
def known_synonyms() -> dict[str, list[str]]:
    """Field of a lead (or ``full_name``) → the names understood as it."""
    found: dict[str, list[str]] = tomllib.loads(FILE.read_text("utf-8"))
    return found
