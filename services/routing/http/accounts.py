"""Accounts: which companies somebody looks after, one by one or as a table."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.routing.account_table import read_accounts, write_accounts
from services.routing.documents import Name, RepId
from services.routing.domain.accounts import Account
from services.routing.handlers.accounts import Wanted, change_account, put_accounts, remove_account
from services.routing.spreadsheet import CSV, as_file
from services.routing.store import queries
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.runtime.paging import decode_cursor, listing
from shared.runtime.unit import Transactions

Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Reader = Annotated[
    Principal, Depends(allow(Role.ADMIN, Role.MARKETER, Role.MANAGER, Role.REP, Role.SERVICE))
]
DomainText = Annotated[str, Field(max_length=300)]


class AccountIn(BaseModel):
    """An account to add."""

    model_config = ConfigDict(extra="forbid")

    account_id: RepId | None = None
    """Made of the name, if left out."""
    name: Name
    domains: Annotated[list[DomainText], Field(max_length=100)] = []
    owner_id: RepId | None = None
    """The rep who gets its leads first."""
    stand_in_id: RepId | None = None
    """The rep who gets them while the owner is not there or full."""


class AccountPatch(AccountIn):
    """What to change of an account; what is left out stays."""

    account_id: None = None
    name: Name = ""


def accounts_router(transactions: Transactions[Routing]) -> APIRouter:
    """Routes under ``/routing/v1/accounts``."""
    router = APIRouter(prefix="/routing/v1", tags=["accounts"])
    db = transactions.db

    @router.get("/accounts")
    async def list_accounts(
        _: Reader,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        search: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        """Accounts by id, with ``search`` those that have it in their name or a domain."""
        after = decode_cursor(cursor) if cursor else ""
        found = await db.read(lambda conn: queries.list_accounts(conn, after, limit, search))
        more = found[-1][0].account_id if len(found) == limit else None
        return listing([_document(*one) for one in found], more)

    @router.get("/accounts.csv", response_class=Response)
    async def download(_: Reader) -> Response:
        """All accounts as a table, in the form that can be sent back."""
        found = await db.read(lambda conn: queries.list_accounts(conn, "", None))
        return Response(write_accounts(found), media_type=CSV, headers=as_file("accounts.csv"))

    @router.post("/accounts", status_code=201)
    async def add_account(_: Admin, body: AccountIn) -> dict[str, Any]:
        """Add an account, or put it in the place of the one with its id."""
        wanted = Wanted(**body.model_dump())
        return _document(*(await transactions.run(lambda unit: put_accounts(unit, [wanted])))[0])

    @router.put("/accounts.csv")
    async def upload(_: Admin, request: Request) -> dict[str, Any]:
        """Add and change accounts by a table with the columns ``account_id`` (made of the name, if
        empty), ``name``, ``domains`` (parted by spaces), ``owner_id``, ``stand_in_id``. All rows
        count, or none. Accounts that are not in the table stay."""
        wanted = read_accounts(await request.body())
        done = await transactions.run(lambda unit: put_accounts(unit, wanted))
        return {"accounts": len(done)}

    @router.patch("/accounts/{account_id}")
    async def change(_: Admin, account_id: str, body: AccountPatch) -> dict[str, Any]:
        """Change an account; with no owner it is as if there were none."""
        changes = body.model_dump(include=body.model_fields_set - {"account_id"})
        return _document(
            *(await transactions.run(lambda unit: change_account(unit, account_id, changes)))
        )

    @router.delete("/accounts/{account_id}", status_code=204)
    async def remove(_: Admin, account_id: str) -> None:
        """Remove an account: its leads go by the rules from now on."""
        await transactions.run(lambda unit: remove_account(unit, account_id))

    return router


def _document(account: Account, domains: list[str]) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "name": account.name,
        "domains": domains,
        "owner_id": account.owner_id,
        "stand_in_id": account.stand_in_id,
    }
