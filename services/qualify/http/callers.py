"""Who may do what, and how a version is named in an address."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends
from pydantic import AwareDatetime, Field

from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.scorecard.definition import InvalidDefinition

Reader = Annotated[
    Principal, Depends(allow(Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN, Role.SERVICE))
]
Author = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
"""A time that leads may have come at: reckoning with it goes beyond no calendar."""
MAX_VERSION = 2**31 - 1


def number_of(version: str) -> int:
    """The number in an address. Raises Problem 404 for what is none."""
    if version.isascii() and version.isdigit() and 0 < int(version[:12]) <= MAX_VERSION:
        return int(version)
    raise unknown(version)


def unknown(version: str) -> Problem:
    """The problem that there is no such version."""
    which = "No version is published." if version == "published" else "There is no such version."
    return Problem(404, "No such definition", which)


def invalid(error: InvalidDefinition) -> Problem:
    """Every mistake in a document, with a JSON pointer each."""
    first = error.errors[0]
    return Problem(
        422,
        "The definition is not valid",
        f"{first.pointer or 'the document'}: {first.detail}",
        errors=errors_view(error),
    )


def errors_view(error: InvalidDefinition) -> list[dict[str, str]]:
    """Mistakes as the interface lists them."""
    return [{"pointer": one.pointer, "detail": one.detail} for one in error.errors]
