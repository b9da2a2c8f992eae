"""Cursor pagination: a list is ``{"items": […], "next_cursor": "…" or null}``."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from shared.contracts.problems import Problem

LARGEST = 2**63 - 1
"""What an integer column holds."""


def encode_cursor(place: str | int) -> str:
    """An opaque cursor for a place in a list."""
    return urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The place behind a cursor. Raises Problem 400 for one we did not make."""
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise bad_cursor() from None


def decode_number(cursor: str | None) -> int:
    """The number behind a cursor, 0 without one. Raises Problem 400."""
    if not cursor:
        return 0
    try:
        number = int(decode_cursor(cursor))
    except ValueError:
        raise bad_cursor() from None
    if not 0 <= number <= LARGEST:
        raise bad_cursor()
    return number


def bad_cursor() -> Problem:
    """The problem that a cursor not of our making is."""
    return Problem(
        400,
        "Unknown cursor",
        "Use next_cursor of an earlier answer, or leave it out to start over.",
    )


def listing(items: list[Any], next_place: str | int | None) -> dict[str, Any]:
    """A list answer; ``next_place`` None says that this was all."""
    cursor = encode_cursor(next_place) if next_place is not None else None
    return {"items": items, "next_cursor": cursor}
