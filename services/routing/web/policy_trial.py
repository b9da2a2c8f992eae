"""The page on which a policy, or a changed team, is tried on past leads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from services.routing.domain.choice import UNROUTED_WORDS
from services.routing.domain.policy import BUILT_IN, Written
from services.routing.domain.policy_check import Known
from services.routing.domain.reps import Status
from services.routing.simulating import MOST_LEADS, Simulate
from services.routing.store import queries
from services.routing.store.unit import Routing
from services.routing.web.policy_pages import version_or_404
from shared.access import Principal, Role, page_principal
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

Admin = Annotated[Principal, Depends(page_principal(Role.ADMIN))]
WINDOWS: Final = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "a year"))
CHANGED: Final = 3
"""Reps that can be tried with other fields at once on the page."""
CHANGES: Final = ("rep", "weight", "capacity", "status")
STATUSES: Final = (
    ("", "as now"),
    (Status.AVAILABLE.value, "gets leads"),
    (Status.PAUSED.value, "paused"),
)
SHOWN: Final = 20
"""Reps, pairs and leads that a trial shows."""


def add_policy_trial(
    router: APIRouter, transactions: Transactions[Routing], pages: Pages, simulate: Simulate
) -> None:
    """Add the route of the trial."""

    @router.get("/routing/policy/{version}/try")
    async def trial(request: Request, _: Admin, version: int) -> Response:
        """A version, and some reps as they are not, on the leads of the last days."""
        asked = request.query_params
        days = asked.get("days", "")
        days = days if days in dict(WINDOWS) else "30"
        found, known, names = await transactions.db.read(
            lambda conn: (_any_version(conn, version), queries.known(conn), queries.names(conn))
        )
        rows = [{name: asked.get(f"{name}-{at}", "") for name in CHANGES} for at in range(CHANGED)]
        reps, errors = _changed(rows, known)
        first, last = _window(asked, days, transactions.clock.now(), errors)
        context: dict[str, Any] = {"found": None, "trouble": ""}
        if asked.get("days") and not errors:
            try:
                context["found"] = await simulate(found.whole, reps, first, last)
            except Problem as problem:
                context["trouble"] = problem.detail
        return pages.render(
            request,
            "policy_trial.html",
            policy=found,
            names=names,
            days=days,
            dates={name: asked.get(name, "") for name in ("from", "to")},
            windows=WINDOWS,
            rows=rows,
            errors=errors,
            reps=[("", "nobody"), *((one.rep_id, one.name) for one in known.reps.values())],
            statuses=STATUSES,
            reasons={reason.value: words for reason, words in UNROUTED_WORDS.items()},
            most=MOST_LEADS,
            shown=SHOWN,
            status_code=422 if errors else 200,
            **context,
        )


def _window(
    asked: Mapping[str, str], days: str, now: datetime, errors: list[tuple[str, str]]
) -> tuple[datetime, datetime]:
    """The time that is asked for: days in UTC, both included, or so many before now."""
    found: dict[str, datetime] = {}
    for name in ("from", "to"):
        text = asked.get(name, "").strip()
        try:
            if text:
                found[name] = datetime.combine(date.fromisoformat(text), time(), UTC)
        except ValueError:
            errors.append((name, "write a day as in 2026-11-23"))
    last = found["to"] + timedelta(days=1) if "to" in found else now
    first = found.get("from", last - timedelta(days=int(days)))
    if first >= last:
        errors.append(("to", "the last day has to come after the first"))
    return first, last


def _any_version(conn: Connection, version: int) -> Written:
    """A version, the built-in one among them."""
    return BUILT_IN if version == 0 else version_or_404(conn, version)


def _changed(
    rows: Sequence[Mapping[str, str]], known: Known
) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
    """The reps who are to be otherwise, and what can't be so by field."""
    reps: dict[str, dict[str, Any]] = {}
    errors: list[tuple[str, str]] = []
    for at, row in enumerate(rows):
        if row["rep"] not in known.reps:
            continue
        fields: dict[str, Any] = {}
        for name, most in (("weight", 1000), ("capacity", 10_000)):
            text = row[name].strip()
            if text and not (text.isdecimal() and len(text) < 9 and int(text) <= most):
                errors.append((f"{name}-{at}", f"write a whole number up to {most}"))
            elif text:
                fields[name] = int(text)
        if row["status"] in dict(STATUSES) and row["status"]:
            fields["status"] = row["status"]
        reps[row["rep"]] = fields
    return reps, errors
