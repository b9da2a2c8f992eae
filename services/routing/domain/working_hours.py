"""What can't be true of a rep: hours that overlap, a zone that is not on any map, leave that ends
before it begins."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

from services.routing.domain.calendar import WEEKDAYS, public_holidays
from services.routing.domain.reps import Rep
from shared.conditions import did_you_mean

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_ANY_YEAR: Final = 2026

Fault = tuple[str, str]
"""A JSON pointer, and what is wrong there."""


def faults(rep: Rep) -> Iterator[Fault]:
    """Everything that is wrong with a rep's time zone, hours, holidays, leave and limits."""
    if rep.time_zone not in _zones():
        close = did_you_mean(rep.time_zone, sorted(_zones()))
        hint = f"did you mean {close}?" if close else "an example is Europe/Berlin"
        yield "/time_zone", f"not in the IANA time zone database; {hint}"
    for day, periods in (rep.hours or {}).items():
        if day not in WEEKDAYS:
            yield f"/hours/{day}", f"no weekday; they are {', '.join(WEEKDAYS)}"
        else:
            yield from _of_day(f"/hours/{day}", periods)
    if rep.holidays is not None and not _is_known(rep.holidays):
        yield "/holidays", "no country or part of one that has known holidays; examples: DE, DE-BY"
    for index, leave in enumerate(rep.leave):
        if leave.last < leave.first:
            yield f"/leave/{index}/last", "it is before the first day"
    if (rep.window_limit is None) != (rep.window_hours is None):
        missing = "window_limit" if rep.window_limit is None else "window_hours"
        yield f"/{missing}", "a limit for a window needs both, the number and the hours"


def _of_day(place: str, periods: Sequence[tuple[str, str]]) -> Iterator[Fault]:
    last = "00:00"
    for index, (start, end) in enumerate(periods):
        at = f"{place}/{index}"
        if not (_TIME.fullmatch(start) and _TIME.fullmatch(end)):
            yield at, "write times as HH:MM, from 00:00 to 24:00"
        elif end <= start:
            yield (
                at,
                "it ends before it begins; a night shift is two periods, to 24:00 and from 00:00",
            )
        elif start < last:
            yield at, "it overlaps the period before it, or is not in order"
        else:
            last = end


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=256)
def _is_known(place: str) -> bool:
    try:
        public_holidays(place, _ANY_YEAR)
    except NotImplementedError:
        return False
    return True
