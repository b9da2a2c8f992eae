"""The page on which somebody says how they are told of leads, and sees whether it gets through."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.responses import Response

from services.routing.callers import check_own
from services.routing.channel_documents import ChannelIn, check_channels, fresh_secret
from services.routing.domain.channels import BY_DEFAULT, OF_LEADS, Channel, Medium, Tells, When
from services.routing.domain.notices import NoticeState
from services.routing.domain.reps import Rep
from services.routing.handlers import telling
from services.routing.notifying.push import PURPOSE, PushKey
from services.routing.store import queries
from services.routing.store.notices import ChannelStatus, newest_of, statuses_of
from services.routing.store.unit import Routing
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.runtime.outgoing import Outgoing
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

PLACE: Final = "/routing/notifications"
MEDIUM_WORDS: Final[Mapping[Medium, tuple[str, str]]] = {
    Medium.MAIL: ("Mail", "To your mail address, which an admin keeps."),
    Medium.SLACK: ("Chat", "An incoming webhook of Slack, or of a chat that takes the same."),
    Medium.WEBHOOK: (
        "Webhook",
        "For a program of yours: JSON, signed as Standard Webhooks has it.",
    ),
    Medium.PUSH: ("This browser", "A message of the browser or phone, also while no page is open."),
}
TELLS_WORDS: Final[Mapping[Tells, str]] = {
    Tells.NEW_LEAD: "A lead is mine now",
    Tells.SLA_WARNED: "A deadline of mine is near",
    Tells.TAKEN_AWAY: "A lead is mine no longer: its deadline passed, or it was moved",
    Tells.ESCALATED: "A lead of my team has nobody",
    Tells.DIGEST: "A day's leads in one",
    Tells.TEST: "A test",
}
WHEN_WORDS: Final = [
    (When.AT_ONCE.value, "At once"),
    (When.WORKING_HOURS.value, "In my working hours"),
    (When.DIGEST.value, "Once, when my day begins"),
]
STATE_WORDS: Final[Mapping[NoticeState, tuple[str, str]]] = {
    NoticeState.WAITING: ("waits", "info"),
    NoticeState.SENT: ("sent", "ok"),
    NoticeState.DROPPED: ("not sent", ""),
    NoticeState.GIVEN_UP: ("given up", "bad"),
}
NOTICES: Final = {
    "saved": ("ok", "Saved."),
    "off": ("ok", "Saved. Nothing comes this way any more."),
    "default": ("ok", "You are told as everybody who has not said anything about it."),
    "test": (
        "info",
        "A test message is on its way. Load this page again to see what became of it.",
    ),
}
Visitor = Annotated[Principal, Depends(page_principal(Role.REP, Role.MANAGER, Role.ADMIN))]


def add_notification_pages(
    router: APIRouter,
    transactions: Transactions[Routing],
    pages: Pages,
    outgoing: Outgoing,
    *,
    mail: bool,
) -> None:
    """Add the routes of the page."""

    async def show(
        request: Request, who: Principal, rep_id: str | None, status: int = 200, **more: Any
    ) -> Response:
        chosen = await transactions.db.read(lambda conn: _whose(conn, who, rep_id))
        context = await transactions.db.read(lambda conn: _context(conn, chosen, who, mail))
        key = PushKey(request.app.state.access.sessions.derived(PURPOSE))
        context |= {"notice": None, "problem": None, "bad": "", "push_key": key.public, **more}
        return pages.render(request, "notifications.html", status_code=status, **context)

    @router.get(PLACE)
    async def notifications(
        request: Request, who: Visitor, rep_id: str | None = None, notice: str = ""
    ) -> Response:
        """How somebody is told of leads."""
        return await show(request, who, rep_id, notice=NOTICES.get(notice))

    @router.post(PLACE, dependencies=[Depends(check_csrf)])
    async def save(request: Request, who: Visitor) -> Response:
        """Save one way of being told, try it, or go back to how everybody is told."""
        form = await request.form()
        rep_id = _text(form, "rep_id") or who.rep_id or ""
        check_own(who, rep_id)
        try:
            notice = await _done(transactions, outgoing, rep_id, form)
        except Problem as problem:
            listed = problem.extra.get("errors") or [{"detail": problem.detail}]
            said = "; ".join(one["detail"] for one in listed)
            more = {"problem": (problem.title, said), "bad": _text(form, "medium")}
            return await show(request, who, rep_id, problem.status, **more)
        query = {"notice": notice} | ({"rep_id": rep_id} if who.role is Role.ADMIN else {})
        return RedirectResponse(f"{PLACE}?{urlencode(query)}", status_code=303)


async def _done(
    transactions: Transactions[Routing], outgoing: Outgoing, rep_id: str, form: FormData
) -> str:
    """Carry out what a form asks for; returns the name of the notice to show. Raises Problem."""
    do, secret = _text(form, "do"), fresh_secret()
    if do == "default":
        await transactions.run(lambda unit: telling.choose_channels(unit, rep_id, None, secret))
        return "default"
    if _text(form, "medium") not in [one.value for one in Medium]:
        raise Problem(400, "Unknown form", "Load the page again and use one of its buttons.")
    medium = Medium(_text(form, "medium"))
    if do == "test":
        await transactions.run(lambda unit: telling.ask_for_test(unit, rep_id, medium))
        return "test"
    channel = None
    if _text(form, "use"):
        channel = _channel(form, medium, outgoing, secret)
    await transactions.run(
        lambda unit: telling.choose_channel(unit, rep_id, medium, channel, secret)
    )
    return "saved" if channel is not None else "off"


def _channel(form: FormData, medium: Medium, outgoing: Outgoing, secret: str) -> Channel:
    """A channel as it was typed. Raises Problem 422."""
    try:
        typed = ChannelIn.model_validate(
            {
                "medium": medium,
                "tells": [one for one in form.getlist("tells") if isinstance(one, str)],
                "when": _text(form, "when") or When.AT_ONCE,
                "url": None if medium is Medium.MAIL else _text(form, "url").strip(),
                "secret": _text(form, "secret")
                if medium is Medium.PUSH
                else secret
                if _text(form, "renew")
                else None,
            }
        )
    except ValidationError:
        detail = "Choose from what the page offers, and give a shorter address."
        if medium is Medium.PUSH:
            detail = "Press “Send them to this browser” in the browser that is to show them."
        raise Problem(422, "This can't be used", detail) from None
    check_channels([typed], outgoing)
    return typed.channel()


def _whose(conn: Connection, who: Principal, asked: str | None) -> Rep:
    """Whose page it is: an admin may choose. Raises Problem 403, 404."""
    rep_id = asked or who.rep_id
    if who.role is not Role.ADMIN:
        check_own(who, rep_id or "")
    found = queries.find_rep(conn, rep_id) if rep_id else None
    if found is None and who.role is Role.ADMIN and not asked:
        found = next(iter(queries.list_reps(conn, limit=1)), None)
    if found is None:
        raise Problem(404, "No such rep", "Add a rep first, on the page Reps.")
    return found


def _context(conn: Connection, rep: Rep, who: Principal, mail: bool) -> dict[str, Any]:
    admin = who.role is Role.ADMIN
    chosen = BY_DEFAULT if rep.channels is None else rep.channels
    statuses = statuses_of(conn, rep.rep_id)
    manages = any(team.manager_id == rep.rep_id for team in queries.list_teams(conn))
    offered = [one for one in OF_LEADS if manages or one is not Tells.ESCALATED]
    return {
        "admin": admin,
        "reps": queries.list_reps(conn, limit=500) if admin else [],
        "rep": rep,
        "by_default": rep.channels is None,
        "cards": [_card(one, chosen, statuses, rep, mail) for one in Medium],
        "tells": [(one.value, TELLS_WORDS[one]) for one in offered],
        "whens": WHEN_WORDS,
        "newest": [
            {
                "at": one.created_at,
                "what": TELLS_WORDS[one.tells],
                "how": MEDIUM_WORDS[one.medium][0],
                "state": STATE_WORDS[one.state],
                "why": one.error,
                "next_at": one.next_at if one.error and one.state is NoticeState.WAITING else None,
            }
            for one in newest_of(conn, rep.rep_id)
        ],
    }


def _card(
    medium: Medium,
    chosen: tuple[Channel, ...],
    statuses: Mapping[Medium, ChannelStatus],
    rep: Rep,
    mail: bool,
) -> dict[str, Any]:
    """One medium as the page shows it."""
    channel = next((one for one in chosen if one.medium is medium), None)
    lacking = ""
    if medium is Medium.MAIL and not mail:
        lacking = "Not set up: an operator names a mail server (LEADLOOP_SMTP_URL)."
    elif medium is Medium.MAIL and not rep.email:
        lacking = "There is no mail address: an admin enters it on the page Reps."
    known = channel or Channel(medium)
    return {
        "medium": medium.value,
        "title": MEDIUM_WORDS[medium][0],
        "text": MEDIUM_WORDS[medium][1],
        "used": channel is not None,
        "lacking": lacking,
        "address": rep.email if medium is Medium.MAIL else None,
        "takes_url": medium in (Medium.SLACK, Medium.WEBHOOK),
        "url": known.url or "",
        "secret": known.secret,
        "push": medium is Medium.PUSH,
        "ended": known.ended,
        "tells": [one.value for one in known.tells],
        "when": known.when.value,
        "status": statuses.get(medium, ChannelStatus(medium)),
    }


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
