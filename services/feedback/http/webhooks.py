"""Webhooks: where feedback events are sent, signed as Standard Webhooks has it."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

from services.feedback.handlers import webhooks
from services.feedback.handlers.webhooks import Change
from services.feedback.http.callers import Marketer
from services.feedback.store import feedback_log
from services.feedback.store.unit import Feedback
from services.feedback.store.webhooks import Standing, find_webhook, list_webhooks
from services.feedback.webhook_documents import (
    ChangeIn,
    PlaceIn,
    WebhookIn,
    check_url,
    fresh_secret,
    place_of,
    send_test,
    webhook_json,
)
from shared.contracts.problems import Problem
from shared.runtime.outgoing import Outgoing
from shared.runtime.paging import listing
from shared.runtime.unit import Transactions


def add_webhooks(api: APIRouter, transactions: Transactions[Feedback], outgoing: Outgoing) -> None:
    """Reading them and changing them."""
    _add_managing(api, transactions, outgoing)
    _add_sending(api, transactions, outgoing)


def _add_managing(api: APIRouter, transactions: Transactions[Feedback], outgoing: Outgoing) -> None:
    db = transactions.db

    @api.get("/webhooks", tags=["webhooks"])
    async def get_webhooks(_: Marketer) -> dict[str, Any]:
        """All webhooks, and how each does."""
        return listing([webhook_json(one) for one in await db.read(list_webhooks)], None)

    @api.post("/webhooks", status_code=201, tags=["webhooks"])
    async def post_webhook(caller: Marketer, body: WebhookIn) -> dict[str, Any]:
        """Have events sent to an address. The secret to check signatures with is in this answer
        alone."""
        check_url(body.url, outgoing)
        secret, wanted, by = fresh_secret(), body.filters.wanted(), caller.key_id

        def start(conn: Connection) -> int:
            place = place_of(conn, body)
            return feedback_log.head(conn) if place is None else place

        place = await db.read(start)
        hook = await transactions.run(
            lambda unit: webhooks.add(unit, body.name, body.url, wanted, secret, by, place)
        )
        return webhook_json(await _find(transactions, hook.webhook_id), secret)

    @api.get("/webhooks/{webhook_id}", tags=["webhooks"])
    async def get_webhook(_: Marketer, webhook_id: str) -> dict[str, Any]:
        """One webhook, and how it does."""
        return webhook_json(await _find(transactions, webhook_id))

    @api.patch("/webhooks/{webhook_id}", tags=["webhooks"])
    async def patch_webhook(_: Marketer, webhook_id: str, body: ChangeIn) -> dict[str, Any]:
        """Change it, pause it, have it go on, or make another secret."""
        if body.url is not None:
            check_url(body.url, outgoing)
        secret = fresh_secret() if body.rotate_secret else None
        wanted = body.filters.wanted() if body.filters is not None else None
        wish = Change(body.name, body.url, wanted, body.active, secret)
        await transactions.run(lambda unit: webhooks.change(unit, webhook_id, wish))
        return webhook_json(await _find(transactions, webhook_id), secret)

    @api.delete("/webhooks/{webhook_id}", status_code=204, tags=["webhooks"])
    async def delete_webhook(_: Marketer, webhook_id: str) -> None:
        """Send nothing there any more."""
        await transactions.run(lambda unit: webhooks.remove(unit, webhook_id))


def _add_sending(api: APIRouter, transactions: Transactions[Feedback], outgoing: Outgoing) -> None:
    @api.post("/webhooks/{webhook_id}/test", tags=["webhooks"])
    async def try_webhook(_: Marketer, webhook_id: str) -> dict[str, Any]:
        """Send an event of type ``leadloop.webhook.test.v1`` now, and tell what came of it."""
        hook = (await _find(transactions, webhook_id)).hook
        tried = await send_test(outgoing, hook, transactions.clock.now())
        return {"delivered": tried.error is None, "status": tried.status, "error": tried.error}

    @api.post("/webhooks/{webhook_id}/replay", status_code=202, tags=["webhooks"])
    async def replay_webhook(_: Marketer, webhook_id: str, body: PlaceIn) -> dict[str, Any]:
        """Send again, with the same ids, what is behind a cursor or came since a time."""
        place = await transactions.db.read(lambda conn: place_of(conn, body))
        if place is None:
            raise Problem(
                422, "From where?", 'Give a cursor ("" is the beginning) or a time as since.'
            )
        await transactions.run(lambda unit: webhooks.replay(unit, webhook_id, place))
        return webhook_json(await _find(transactions, webhook_id))


async def _find(transactions: Transactions[Feedback], webhook_id: str) -> Standing:
    found = await transactions.db.read(lambda conn: find_webhook(conn, webhook_id))
    if found is None:
        raise Problem(404, "No such webhook", "There is no webhook with this id.")
    return found
