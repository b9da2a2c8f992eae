"""The page on which marketing says what it wants of learning, and sees where it stands."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from services.feedback.handlers import learning
from services.feedback.store import queries
from services.feedback.store.names import facts_seen
from services.feedback.store.status import learning_status
from services.feedback.store.unit import Feedback
from services.feedback.web import evidence as shown_by
from services.feedback.web.choosing import LIMIT_OF, Choosing, choosing_of, chosen, misnamed
from services.feedback.web.shell import Marketer, page, text_of, to
from services.feedback.web.standing import account, groups, standing
from shared.access import check_csrf
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions

PLACE: Final = "/feedback/learning"
DONE: Final = {
    "saved": ("ok", "Saved", "The next look at the answers follows it."),
    "asked": ("info", "It looks at the answers", "This takes a moment: reload this page."),
    "nothing": ("warn", "Nothing to improve", "No definition is published yet: publish one first."),
    "conflict": (
        "warn",
        "Nothing was saved",
        "Somebody else has changed these settings meanwhile. Read them again, then change yours.",
    ),
}


def add(pages: APIRouter, transactions: Transactions[Feedback], look: Callable[[], None]) -> None:
    """The page and the forms on it."""

    async def shown(request: Request, form: Choosing | None = None, notice: Any = None) -> Response:
        made, view = await _read(transactions)
        status_code = 422 if form is not None else 200
        return page(
            request,
            "learning",
            PLACE,
            status_code=status_code,
            form=form or made,
            notice=notice,
            **view,
        )

    @pages.get("/learning", response_class=HTMLResponse)
    async def show(request: Request, _: Marketer, done: str = "") -> Response:
        """Where it stands, and what is wanted of it."""
        return await shown(request, notice=DONE.get(done))

    @pages.post("/learning", dependencies=[Depends(check_csrf)])
    async def save(request: Request, principal: Marketer) -> Response:
        """Keep what is wanted."""
        sent = await request.form()
        form, _ = await _read(transactions)
        wanted = chosen(form, sent, [str(one) for one in sent.getlist("fixed")])
        if wanted is None:
            return await shown(request, form)
        seen = _moment(text_of(sent.get("seen")))

        def kept(unit: Feedback) -> None:
            if seen is None and unit.chosen().updated_at is not None:
                raise Problem(409, "Changed meanwhile", "Somebody else has changed it.")
            learning.choose(unit, wanted, principal.key_id, seen)

        try:
            await transactions.run(kept)
        except Problem as problem:
            if problem.status == 422:
                misnamed(form, problem)
                return await shown(request, form)
            if problem.status != 409:
                raise
            return to(f"{PLACE}?done=conflict")
        return to(f"{PLACE}?done=saved")

    @pages.post("/learning/look", dependencies=[Depends(check_csrf)])
    async def ask(_: Marketer) -> Response:
        """Have a look taken now."""
        try:
            await transactions.run(learning.ask)
        except Problem as problem:
            if problem.status != 409:
                raise
            return to(f"{PLACE}?done=nothing")
        look()
        return to(f"{PLACE}?done=asked")


async def _read(transactions: Transactions[Feedback]) -> tuple[Choosing, dict[str, Any]]:
    def view(conn: Connection) -> tuple[Choosing, dict[str, Any]]:
        status = learning_status(conn, transactions.clock.now())
        in_force = queries.version_in_force(conn)
        base = None if in_force is None else in_force.document
        facts = facts_seen(conn)
        warned = [name for name in facts if _named(name, status["warnings"])]
        wanted = queries.choices(conn)
        form = choosing_of(wanted, facts, warned, base)
        stand = standing(status)
        alpha = wanted.limits.get("alpha", LIMIT_OF["alpha"].default)
        stand["facts"] += account(queries.schedule(conn).state, alpha)
        return form, {
            "stand": stand,
            "groups": groups(status),
            "not_seen": _sentence([one["detail"] for one in status["not_seen"]]),
            "warnings": shown_by.warnings(status["warnings"]),
            "drift": shown_by.drift(status["drift"]),
            "reps": shown_by.reps(status["reps"]),
        }

    return await transactions.db.read(view)


def _named(fact: str, warnings: Any) -> bool:
    """Whether a warning says that a fact looks like the answer itself."""
    return any(f"Too good: {fact} " in str(one) for one in warnings or [])


def _sentence(details: Sequence[str]) -> str:
    """Several remarks in one; names keep their case."""
    text = "; ".join(details)
    return text[:1].upper() + text[1:]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
