"""The page on which marketing has events sent to its own programs, and sees whether they arrive."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError

from services.feedback.domain.event_filter import EventFilter
from services.feedback.event_filters import EventFilters
from services.feedback.handlers import webhooks
from services.feedback.handlers.webhooks import Change
from services.feedback.store import feedback_log
from services.feedback.store.leads import known_values
from services.feedback.store.unit import Feedback
from services.feedback.store.webhooks import Standing, find_webhook, list_webhooks
from services.feedback.web.shell import Marketer, page, text_of
from services.feedback.webhook_documents import (
    PlaceIn,
    WebhookIn,
    check_url,
    fresh_secret,
    place_of,
    send_test,
)
from shared.access import check_csrf
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import DisqualifyReason, RecycleReason, RejectReason
from shared.runtime.outgoing import Outgoing
from shared.runtime.unit import Transactions
from shared.web.words import REASON_NAMES

PLACE: Final = "/feedback/webhooks"
ANSWERS: Final = "leadloop.feedback.recorded.v1"
OUTCOMES: Final = "leadloop.outcome.recorded.v1"
TYPES: Final = (
    ("all", "Answers of reps and outcomes"),
    (ANSWERS, "Answers of reps"),
    (OUTCOMES, "Outcomes: SQL, won, lost, …"),
)
BEGINS: Final = (
    ("now", "With what comes from now on"),
    ("since", "With the events since a day"),
    ("beginning", "With the first event there is"),
)
OTHERS: Final = (*RecycleReason, *DisqualifyReason)
REASONS: Final = [
    ("", "any"),
    ("Rejected", [(one.value, REASON_NAMES[one]) for one in RejectReason]),
    ("Recycled or disqualified", [(one.value, one.value) for one in dict.fromkeys(OTHERS)]),
]
Sent = Mapping[str, Any]


def add(pages: APIRouter, transactions: Transactions[Feedback], outgoing: Outgoing) -> None:
    """The page and the forms on it."""

    async def shown(request: Request, status_code: int = 200, **more: Any) -> Response:
        hooks, known = await transactions.db.read(
            lambda conn: (list_webhooks(conn), known_values(conn))
        )
        context = {"notice": None, "secret": None, "errors": [], "typed": {}, "bad": "", **more}
        return page(
            request,
            "webhooks",
            PLACE,
            status_code=status_code,
            hooks=[_card(one) for one in hooks],
            types=TYPES,
            begins=BEGINS,
            reasons=REASONS,
            known=known,
            **context,
        )

    @pages.get("/webhooks", response_class=HTMLResponse)
    async def every(request: Request, _: Marketer) -> Response:
        """Where events are sent, and how each does."""
        return await shown(request)

    @pages.post("/webhooks", dependencies=[Depends(check_csrf)])
    async def create(request: Request, principal: Marketer) -> Response:
        """Have events sent to another address."""
        sent = dict(await request.form())
        try:
            made = await _add(transactions, outgoing, sent, principal.key_id)
        except Problem as problem:
            return await shown(request, problem.status, errors=_errors(problem), typed=sent)
        notice = ("ok", "Added", "Events are on their way as they come.")
        return await shown(request, 201, notice=notice, secret=made)

    @pages.post("/webhooks/{webhook_id}", dependencies=[Depends(check_csrf)])
    async def act(request: Request, _: Marketer, webhook_id: str) -> Response:
        """Try it, change it, pause it, have it go on, send again, or remove it."""
        sent = dict(await request.form())
        try:
            notice, secret = await _act(transactions, outgoing, webhook_id, sent)
        except Problem as problem:
            if problem.status not in (400, 422):
                raise
            said = ("bad", problem.title, "; ".join(text for _, text in _errors(problem)))
            return await shown(request, problem.status, notice=said)
        return await shown(request, notice=notice, secret=secret)


async def _add(
    transactions: Transactions[Feedback], outgoing: Outgoing, sent: Sent, by: str
) -> str:
    """A new webhook as it was typed; returns its secret. Raises Problem."""
    wanted, url, secret = _filter(sent), text_of(sent.get("url")), fresh_secret()
    begin = _begin(text_of(sent.get("begin")) or "now", text_of(sent.get("since")))
    try:
        asked = WebhookIn(url=url, name=text_of(sent.get("name")), **begin.model_dump())
    except ValidationError:
        raise Problem(422, "This can't be used", "Give shorter names and addresses.") from None
    check_url(url, outgoing)

    def start(conn: Any) -> int:
        place = place_of(conn, asked)
        return feedback_log.head(conn) if place is None else place

    place = await transactions.db.read(start)
    await transactions.run(
        lambda unit: webhooks.add(unit, asked.name, url, wanted, secret, by, place)
    )
    return secret


async def _act(
    transactions: Transactions[Feedback], outgoing: Outgoing, webhook_id: str, sent: Sent
) -> tuple[tuple[str, str, str], str | None]:
    """Do what a form asks for; returns what to say, and a secret that was made. Raises Problem."""
    wish = Change()
    match text_of(sent.get("do")):
        case "test":
            return await _test(transactions, outgoing, webhook_id), None
        case "remove":
            await transactions.run(lambda unit: webhooks.remove(unit, webhook_id))
            return ("ok", "Removed", "Nothing is sent there any more."), None
        case "replay":
            begin = _begin("since", text_of(sent.get("since")))
            place = await transactions.db.read(lambda conn: place_of(conn, begin))
            await transactions.run(lambda unit: webhooks.replay(unit, webhook_id, place or 0))
            return ("info", "Sent again", "Events since that day are on their way."), None
        case "pause":
            wish, said = Change(active=False), ("info", "Paused", "It keeps its place.")
        case "resume":
            said = ("ok", "On again", "It goes on where it stopped.")
            wish = Change(active=True)
        case "secret":
            said = ("ok", "A new secret", "For a day events are signed with the old one too.")
            wish = Change(secret=fresh_secret())
        case "save":
            url = text_of(sent.get("url"))
            check_url(url, outgoing)
            name = text_of(sent.get("name"), 120)
            wish, said = Change(name, url, _filter(sent)), ("ok", "Saved", "It is tried at once.")
        case _:
            raise Problem(400, "Unknown form", "Load the page again and use one of its buttons.")
    await transactions.run(lambda unit: webhooks.change(unit, webhook_id, wish))
    return said, wish.secret


async def _test(
    transactions: Transactions[Feedback], outgoing: Outgoing, webhook_id: str
) -> tuple[str, str, str]:
    found = await transactions.db.read(lambda conn: find_webhook(conn, webhook_id))
    if found is None:
        raise Problem(404, "No such webhook", "It was removed meanwhile.")
    tried = await send_test(outgoing, found.hook, transactions.clock.now())
    if tried.error is None:
        return "ok", "The test arrived", f"The receiver answered {tried.status}."
    return "bad", "The test did not arrive", f"{tried.error}."


def _filter(sent: Sent) -> EventFilter:
    """What is wanted, as it was typed. Raises Problem 422."""
    typed = {name: text_of(sent.get(name)) for name in ("type", "source", "campaign", "reason")}
    values = {
        name: [one.strip() for one in text.split(",") if one.strip()]
        for name, text in typed.items()
        if (name, text) != ("type", "all")
    }
    try:
        return EventFilters.model_validate(values).wanted()
    except ValidationError:
        raise Problem(
            422, "This can't be used", "Give up to fifty values, none longer than 200 letters."
        ) from None


def _begin(begin: str, since: str) -> PlaceIn:
    """Where to begin, as it was chosen. Raises Problem 422."""
    if begin == "beginning":
        return PlaceIn(cursor="")
    if begin != "since":
        return PlaceIn()
    try:
        day = date.fromisoformat(since)
    except ValueError:
        errors = [{"pointer": "/since", "detail": "Choose the day to begin with."}]
        raise Problem(422, "Which day?", "Choose a day.", errors=errors) from None
    return PlaceIn(since=datetime.combine(day, time(), UTC))


def _errors(problem: Problem) -> list[tuple[str, str]]:
    listed = problem.extra.get("errors") or [{"pointer": "/url", "detail": problem.detail}]
    return [(one["pointer"].strip("/"), one["detail"]) for one in listed]


def _card(standing: Standing) -> dict[str, Any]:
    """One webhook as the page shows it."""
    hook = standing.hook
    wanted = hook.wanted
    narrowed = [
        ("Source", wanted.sources),
        ("Campaign", wanted.campaigns),
        ("Reason", wanted.reasons),
        ("Lead", (wanted.lead_id,) if wanted.lead_id else ()),
    ]
    badge = ("on", "ok")
    if not hook.active:
        badge = ("switched off", "bad") if hook.ended_because else ("paused", "warn")
    elif hook.failures:
        badge = ("failing", "bad")
    return {
        "hook": hook,
        "title": hook.name or hook.url.partition("://")[2].partition("/")[0],
        "badge": badge,
        "behind": standing.behind,
        "wants": next((w for value, w in TYPES if wanted.types == (value,)), TYPES[0][1]),
        "narrowed": [(name, ", ".join(values)) for name, values in narrowed if values],
        "type": wanted.types[0] if len(wanted.types) == 1 else "all",
        "source": ", ".join(wanted.sources),
        "campaign": ", ".join(wanted.campaigns),
        "reason": ", ".join(wanted.reasons),
    }
