"""What past and open leads say about a definition; each answer is computed in a process of its
own, a few at a time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.qualify.computing import Analyse, comparison_of
from services.qualify.domain.promotion import Comparison, missing_evidence
from services.qualify.domain.versions import Version
from services.qualify.http.callers import (
    MAX_VERSION,
    Author,
    Moment,
    invalid,
    number_of,
    unknown,
)
from services.qualify.store.queries import find_version, list_versions
from services.qualify.store.unit import Qualify
from shared.contracts.definition import DefinitionBody
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.clock import Clock
from shared.runtime.unit import Transactions
from shared.scorecard.authoring import definition_of
from shared.scorecard.definition import PERSONAL, DefinitionError, InvalidDefinition
from shared.scorecard.facts import known, meant

WINDOW: Final = timedelta(days=180)
"""How far a back-test looks back when nobody says."""
Number = Annotated[int, Field(ge=1, le=MAX_VERSION)]
Label = Literal["accepted", "sql", "won"]


class Backtest(BaseModel):
    """What to try: a version or a definition that is not stored, on which leads, judged how."""

    model_config = ConfigDict(extra="forbid")

    version: Number | None = None
    definition: dict[str, Any] | None = None
    against: Number | None = None
    """The version to compare with; the published one when left out."""
    label: Label = "accepted"
    since: Moment | None = None
    """180 days before ``until`` when left out."""
    until: Moment | None = None
    """Now when left out."""
    segment: Annotated[str, Field(max_length=120)] | None = None
    """A fact whose values are told apart."""


class PastLeads:
    """The evidence that checking and promotion ask for."""

    def __init__(self, analyse: Analyse, clock: Clock) -> None:
        self._analyse = analyse
        self._clock = clock

    async def warnings(self, body: DefinitionBody) -> list[dict[str, str]]:
        """What looks wrong on last month's leads, each with ``pointer`` and ``detail``; also that
        they could not be looked at now."""
        document = body.model_dump(mode="json")
        request = {"document": document, "now": self._clock.now()}
        try:
            found = await self._analyse("warnings", request)
        except Problem as problem:
            detail = f"last month's leads were not looked at: {problem.detail}"
            return [{"pointer": "", "detail": detail}]
        warnings: list[dict[str, str]] = found["warnings"]
        return warnings

    async def comparison(self, before: Version, after: Version) -> Comparison | None:
        """The published version and its challenger on the leads since the challenge began."""
        return comparison_of(await self.compared(before, after, "accepted"))

    async def compared(self, before: Version, after: Version, label: Label) -> dict[str, Any]:
        """The same as the analysis tells it. Raises Problem."""
        request = {
            "before": before.document,
            "after": after.document,
            "label": label,
            "since": after.challenging_since,
            "now": self._clock.now(),
        }
        return await self._analyse("compare", request)


def backtests_router(
    transactions: Transactions[Qualify], analyse: Analyse, past: PastLeads
) -> APIRouter:
    """Try definitions on past leads, and see what they would change."""
    routes = APIRouter(tags=["evidence"])
    _add_backtests(routes, transactions, analyse)
    _add_impact(routes, transactions, analyse)
    _add_challenger(routes, transactions.db, past)
    return routes


def _add_backtests(
    routes: APIRouter, transactions: Transactions[Qualify], analyse: Analyse
) -> None:
    db, clock = transactions.db, transactions.clock

    @routes.post("/backtests")
    async def backtest(_: Author, asked: Backtest) -> dict[str, Any]:
        """What a version, or a `definition` that is not stored, would have made of past leads,
        beside another version: precision, recall and AUC with 95 % intervals, by week and segment,
        over thresholds, per rep, and which leads it would have decided otherwise. Leads without an
        answer that counts are left out, and counted by why. Two at a time: the next is told to
        come back (503)."""
        candidate = await _candidate(db, asked)
        base = await _base(db, asked.against)
        request = {
            "candidate": candidate,
            "base": {"version": base.version, "document": base.document},
            "label": asked.label,
            "segment": _segment(asked.segment),
            **_window(asked, clock.now()),
        }
        return await analyse("backtest", request)


async def _candidate(db: Database, asked: Backtest) -> dict[str, Any]:
    if (asked.version is None) == (asked.definition is None):
        raise _refused("/version", "say which version to try, or send a definition")
    if asked.version is not None:
        found = await _version(db, asked.version)
        return {"version": found.version, "document": found.document}
    try:
        body = definition_of(asked.definition)
    except InvalidDefinition as error:
        raise invalid(_within("/definition", error)) from None
    return {"version": None, "document": body.model_dump(mode="json")}


def _within(place: str, error: InvalidDefinition) -> InvalidDefinition:
    return InvalidDefinition(
        [DefinitionError(place + one.pointer, one.detail) for one in error.errors]
    )


async def _base(db: Database, version: int | None) -> Version:
    if version is not None:
        return await _version(db, version)
    found = await db.read(lambda conn: find_version(conn, None))
    if found is None:
        raise _refused("/against", "no version is published: say which one to compare with")
    return found


async def _version(db: Database, version: int) -> Version:
    found = await db.read(lambda conn: find_version(conn, version))
    if found is None:
        raise unknown(str(version))
    return found


def _segment(field: str | None) -> str | None:
    if field is None or not field.strip():
        return None
    if field.strip() in PERSONAL:
        raise _refused("/segment", f"{field.strip()} is personal and never looked at")
    if not known(field.strip()):
        close = meant(field.strip())
        hint = f"; did you mean {close}?" if close else ""
        raise _refused("/segment", f"no lead has this fact{hint}")
    return field.strip()


def _window(asked: Backtest, now: datetime) -> Mapping[str, datetime]:
    until = asked.until or now
    since = asked.since or until - WINDOW
    if since >= until:
        raise _refused("/since", "must be before until")
    return {"since": since, "until": until, "now": now}


def _refused(pointer: str, detail: str) -> Problem:
    return Problem(
        422,
        "Some fields are not valid",
        f"{pointer}: {detail}",
        errors=[{"pointer": pointer, "detail": detail}],
    )


def _add_impact(routes: APIRouter, transactions: Transactions[Qualify], analyse: Analyse) -> None:
    db, clock = transactions.db, transactions.clock

    @routes.get("/definitions/{version}/impact")
    async def impact(_: Author, version: str) -> dict[str, Any]:
        """How many open leads the version would move, were it published now, by stage and grade."""
        found = await _version(db, number_of(version))
        published = await db.read(lambda conn: find_version(conn, None))
        request = {
            "candidate": {"version": found.version, "document": found.document},
            "base": None if published is None else published.document,
            "now": clock.now(),
        }
        return await analyse("impact", request)


def _add_challenger(routes: APIRouter, db: Database, past: PastLeads) -> None:
    @routes.get("/challenger")
    async def challenger(_: Author, label: Label = "accepted") -> dict[str, Any]:
        """The challenger and the published version on the same leads since the challenge began,
        and what its promotion still needs: `missing`, in words, is empty when it may be promoted
        without an override."""
        found = await db.read(lambda conn: list_versions(conn, None, 1, "challenger"))
        published = await db.read(lambda conn: find_version(conn, None))
        if not found or published is None:
            raise Problem(404, "No challenger", "No version challenges the published one.")
        compared = await past.compared(published, found[0], label)
        missing = missing_evidence(comparison_of(compared))
        return {
            "version": found[0].version,
            "published": published.version,
            "challenging_since": found[0].challenging_since,
            "label": label,
            "comparison": compared,
            "missing": missing,
            "ready": not missing,
        }
