"""Working hours and leave as people type them, a line each, and back again."""

import re
from datetime import date
from typing import Any, Final

from services.routing.domain.calendar import WEEKDAYS
from services.routing.domain.reps import Hours, Leave

_DAYS: Final = re.compile(r"([a-z]{3})(?:\s*[-–]\s*([a-z]{3}))?")
_PERIOD: Final = re.compile(r"(\d{1,2}(?::\d{2})?)\s*[-–]\s*(\d{1,2}(?::\d{2})?)")
_LEAVE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\s*[-–]\s*|\s+)(\d{4}-\d{2}-\d{2})\s*(.*)")


def hours_of(text: str) -> dict[str, list[tuple[str, str]]] | None:
    """``mon-fri 9-12 13-17:30``, a line for each kind of day; None for nothing at all: always.

    Raises ValueError that says which line can't be read.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for line in filter(None, map(str.strip, text.lower().splitlines())):
        days = _DAYS.match(line)
        if days is None or not {days[1], days[2] or days[1]} <= set(WEEKDAYS):
            raise ValueError(f"“{line[:40]}”: begin with days, like mon-fri 9-12 13-17:30")
        rest = line[days.end() :].replace(",", " ").replace("and", " ")
        periods = [(_time(a), _time(b)) for a, b in _PERIOD.findall(rest)]
        if _PERIOD.sub("", rest).strip(": ") or not periods:
            raise ValueError(f"“{line[:40]}”: write periods like 9-12 13-17:30")
        first, last = WEEKDAYS.index(days[1]), WEEKDAYS.index(days[2] or days[1])
        span = range(first, last + 1) if first <= last else [*range(first, 7), *range(last + 1)]
        for day in span:
            found.setdefault(WEEKDAYS[day], []).extend(periods)
    return {day: sorted(periods) for day, periods in found.items()} or None


def hours_text(hours: Hours | None) -> str:
    """The same, to be typed again: days in a row with the same periods share a line."""
    lines: list[tuple[int, int, str]] = []
    for number, day in enumerate(WEEKDAYS):
        periods = (hours or {}).get(day) or ()
        told = " ".join(f"{start}-{end}" for start, end in periods)
        if not told:
            continue
        if lines and lines[-1][1] == number - 1 and lines[-1][2] == told:
            lines[-1] = (lines[-1][0], number, told)
        else:
            lines.append((number, number, told))
    return "\n".join(
        f"{WEEKDAYS[a]}{'' if a == b else '-' + WEEKDAYS[b]} {told}" for a, b, told in lines
    )


def leave_of(text: str) -> tuple[Leave, ...]:
    """``2026-12-24 - 2027-01-02 Christmas``, a line each. Raises ValueError as ``hours_of``."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = _LEAVE.fullmatch(line)
        if parts is None:
            raise ValueError(
                f"“{line[:40]}”: write first day, last day and why, "
                "like 2026-12-24 2027-01-02 Christmas"
            )
        try:
            first, last = date.fromisoformat(parts[1]), date.fromisoformat(parts[2])
        except ValueError:
            raise ValueError(f"“{line[:40]}”: there is no such day") from None
        found.append(Leave(first, last, parts[3].strip()[:200]))
    return tuple(found)


def leave_text(leave: Any) -> str:
    """The same, to be typed again."""
    return "\n".join(f"{one.first} {one.last} {one.note}".rstrip() for one in leave)


def _time(text: str) -> str:
    hours, _, minutes = text.partition(":")
    return f"{int(hours):02}:{minutes or '00'}"
