"""Accounts: which companies somebody looks after, one by one or as a table."""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.routing.documents import Name, RepId
from services.routing.domain.accounts import Account
from services.routing.handlers.accounts import Wanted, change_account, put_accounts
from services.routing.store import queries
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.csv_cells import cell, typed
from shared.runtime.paging import decode_cursor, listing
from shared.runtime.unit import Transactions

Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Reader = Annotated[
    Principal, Depends(allow(Role.ADMIN, Role.MARKETER, Role.MANAGER, Role.REP, Role.SERVICE))
]
DomainText = Annotated[str, Field(max_length=300)]
COLUMNS: Final = ("account_id", "name", "domains", "owner_id", "stand_in_id")
_NEEDED: Final = ("name",)


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
        _: Reader, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> dict[str, Any]:
        """Accounts, by id."""
        after = decode_cursor(cursor) if cursor else ""
        found = await db.read(lambda conn: queries.list_accounts(conn, after, limit))
        more = found[-1][0].account_id if len(found) == limit else None
        return listing([_document(*one) for one in found], more)

    @router.get("/accounts.csv", response_class=Response)
    async def download(_: Reader) -> Response:
        """All accounts as a table, in the form that can be sent back."""
        found = await db.read(lambda conn: queries.list_accounts(conn, "", None))
        return Response(_table(found), media_type="text/csv; charset=utf-8")

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
        wanted = list(read_table(await request.body()))
        done = await transactions.run(lambda unit: put_accounts(unit, wanted))
        return {"accounts": len(done)}

    @router.patch("/accounts/{account_id}")
    async def change(_: Admin, account_id: str, body: AccountPatch) -> dict[str, Any]:
        """Change an account; with no owner it is as if there were none."""
        changes = body.model_dump(include=body.model_fields_set - {"account_id"})
        return _document(
            *(await transactions.run(lambda unit: change_account(unit, account_id, changes)))
        )

    return router


def read_table(raw: bytes) -> Iterator[Wanted]:
    """The rows of a CSV file with a header. Raises Problem 400 for what is no such file and 422
    with the number of the line that is wrong."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(400, "Unreadable table", "Save the table as CSV in UTF-8.") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in rows.fieldnames or ()]
        if missing := [name for name in _NEEDED if name not in names]:
            known = ", ".join(COLUMNS)
            detail = f"There is no column {missing[0]} in the first line; known are {known}."
            raise Problem(422, "A column is missing", detail)
        rows.fieldnames = names
        for number, row in enumerate(rows, start=2):
            yield _wanted({key: typed((row.get(key) or "").strip()) for key in COLUMNS}, number)
    except csv.Error as error:
        detail = f"Line {rows.line_num}: {error}."
        raise Problem(400, "Unreadable table", detail) from None


def _wanted(row: dict[str, str], number: int) -> Wanted:
    if not row["name"] or len(row["name"]) > 200:
        raise Problem(
            422,
            "A row can't be used",
            f"Nothing was changed. Line {number}: a name has 1 to 200 characters.",
            errors=[{"pointer": f"/{number}/name", "detail": "1 to 200 characters"}],
        )
    return Wanted(
        row["name"],
        row["domains"].replace(",", " ").replace(";", " ").split(),
        row["owner_id"] or None,
        row["stand_in_id"] or None,
        row["account_id"][:64] or None,
        f"/{number}",
    )


def _table(found: list[tuple[Account, list[str]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for account, domains in found:
        cells = (account.account_id, account.name, " ".join(domains))
        writer.writerow(map(cell, (*cells, account.owner_id, account.stand_in_id)))
    return text.getvalue()


def _document(account: Account, domains: list[str]) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "name": account.name,
        "domains": domains,
        "owner_id": account.owner_id,
        "stand_in_id": account.stand_in_id,
    }
