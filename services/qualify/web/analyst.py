"""Asks for what needs computing: past leads under a definition, open leads under a version."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from starlette.requests import Request

from services.qualify.computing import Analyse
from services.qualify.domain.versions import Version
from shared.contracts.problems import Problem

T = TypeVar("T")

LABELS: Final = (
    ("accepted", "accepted by a rep"),
    ("sql", "became an SQL"),
    ("won", "was won"),
)
WINDOWS: Final = (
    ("30", "last 30 days"),
    ("90", "last 90 days"),
    ("180", "last half year"),
    ("365", "last year"),
    ("1095", "last 3 years"),
)
SEGMENTS: Final = (
    ("", "none"),
    ("country", "country"),
    ("industry", "industry"),
    ("channel", "channel"),
    ("email_type", "kind of e-mail"),
    ("form_id", "form"),
    ("utm_source", "source"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know of past leads."""

    label: str = "accepted"
    days: str = "365"
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was found, or why nothing was: mistakes in the definition, or ``trouble`` in words."""

    asked: Asked
    found: Mapping[str, Any] | None = None
    cautions: Mapping[str, Any] | None = None
    trouble: str = ""
    errors: list[tuple[str, str]] = field(default_factory=list)
    base: int | None = None
    busy: bool = False
    """Whether nothing was found because others compute: worth asking again soon."""


def asked_of(form: Mapping[str, Any]) -> Asked:
    """What the form asks for; the usual where it says nothing that we know."""

    def choice(name: str, options: tuple[tuple[str, str], ...], usual: str) -> str:
        value = form.get(name)
        return value if value in dict(options) else usual

    return Asked(
        choice("try-label", LABELS, "accepted"),
        choice("try-days", WINDOWS, "365"),
        choice("try-segment", SEGMENTS, ""),
    )


class Analyst:
    """Puts questions in the form that the analysis takes."""

    def __init__(self, analyse: Analyse, now: Callable[[], datetime]) -> None:
        self._analyse = analyse
        self._now = now

    async def past(
        self, asked: Asked, document: Mapping[str, Any], version: int | None, base: Version | None
    ) -> Answered:
        """A definition on past leads beside the one that scores, and what looks wrong in it."""
        if base is None:
            return Answered(
                asked, trouble="No version is published that it could be compared with."
            )
        now = self._now()
        request = {
            "candidate": {"version": version, "document": document},
            "base": {"version": base.version, "document": base.document},
            "label": asked.label,
            "since": now - timedelta(days=int(asked.days)),
            "until": now,
            "now": now,
            "segment": asked.segment or None,
        }
        try:
            found = await self._analyse("backtest", request)
            cautions = await self._analyse("warnings", {"document": document, "now": now})
        except Problem as problem:
            busy = problem.status == 503
            return Answered(asked, trouble=problem.detail, base=base.version, busy=busy)
        return Answered(asked, found, cautions, base=base.version)

    async def cautions(self, version: Version) -> list[dict[str, str]]:
        """What looks wrong in a version on last month's leads; nothing while that is unknown."""
        request = {"document": version.document, "now": self._now()}
        try:
            found: list[dict[str, str]] = (await self._analyse("warnings", request))["warnings"]
        except Problem:
            return []
        return found

    async def impact(self, version: Version, published: Version | None) -> dict[str, Any] | str:
        """Which open leads it would move, were it published now; or why that is unknown."""
        request = {
            "candidate": {"version": version.version, "document": version.document},
            "base": None if published is None else published.document,
            "now": self._now(),
        }
        try:
            return await self._analyse("impact", request)
        except Problem as problem:
            return problem.detail

    async def compare(
        self, challenger: Version, published: Version, label: str
    ) -> dict[str, Any] | str:
        """Both versions on the leads since the challenge began; or why that is unknown."""
        request = {
            "before": published.document,
            "after": challenger.document,
            "label": label,
            "since": challenger.challenging_since,
            "now": self._now(),
        }
        try:
            return await self._analyse("compare", request)
        except Problem as problem:
            return problem.detail


async def while_there(request: Request, work: Awaitable[T]) -> T | None:
    """Do the work unless whoever asked goes away first: it is cancelled then, and None answered.
    The request's body has to be read before."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return await doing
        doing.cancel()
        await asyncio.wait({doing})
        return None
    finally:
        leaving.cancel()
        doing.cancel()
