"""How values are written on pages: the template filters."""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"


def when(moment: datetime | None) -> Markup | str:
    """A moment in UTC as a ``<time>`` element: ``23 Nov 2026, 14:05 UTC``; a dash for None."""
    if moment is None:
        return "–"
    utc = moment.astimezone(UTC)
    text = f"{utc.day} {utc:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="seconds"), text)


def clock(moment: datetime, zone: str) -> Markup:
    """A moment on the clock of a time zone: ``Mon 30 Nov, 10:15 (Europe/Lisbon)``."""
    at = moment.astimezone(ZoneInfo(zone))
    text = f"{at:%a} {at.day} {at:%b, %H:%M} ({zone})"
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), text)


def number(value: float | None, digits: int = 0) -> str:
    """A number with thin spaces between thousands: ``12 480``; a dash for None."""
    if value is None:
        return "–"
    # Halves go away from zero, as people round, and as sentences made elsewhere have it.
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded:,.{digits}f}".replace(",", NARROW_SPACE).replace("-", MINUS)


def percent(share: float | None, digits: int = 0) -> str:
    """A share between 0 and 1 as a percentage: ``37 %``; a dash for None."""
    return "–" if share is None else f"{number(share * 100, digits)}{NARROW_SPACE}%"


def signed(value: float | None, digits: int = 0) -> str:
    """A number that always shows its sign, as points and differences do: ``+12``, ``−3``."""
    if value is None:
        return "–"
    text = number(abs(value), digits)
    if not text.strip("0."):
        return text
    return ("+" if value > 0 else MINUS) + text


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units: ``2 h 5 min``; a dash for None."""
    if seconds is None:
        return "–"
    left = max(0, round(seconds))
    parts: list[tuple[int, str]] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, name))
    shown = [f"{count}{NARROW_SPACE}{name}" for count, name in parts[:2] if count]
    return " ".join(shown) or f"0{NARROW_SPACE}s"


def paragraphs(text: str) -> Markup:
    """Docstring prose as paragraphs, with code between back-quotes set as code."""
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    written = [
        Markup("").join(
            Markup("<code>{}</code>").format(piece) if odd % 2 else escape(piece)
            for odd, piece in enumerate(re.split("`+", block))
        )
        for block in blocks
        if block
    ]
    return Markup("").join(Markup("<p>{}</p>").format(block) for block in written)


FILTERS = {
    "paragraphs": paragraphs,
    "when": when,
    "clock": clock,
    "number": number,
    "percent": percent,
    "signed": signed,
    "duration": duration,
}
