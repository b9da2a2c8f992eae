"""The page on which an admin looks after accounts: who looks after which company."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.responses import Response

from services.routing.account_table import LONGEST_NAME, domains_typed, read_accounts
from services.routing.domain.accounts import Account
from services.routing.domain.reps import Rep, Status
from services.routing.handlers import accounts as handlers
from services.routing.store import queries
from services.routing.store.unit import Routing
from services.routing.web.uploads import row_errors, uploaded_file
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.runtime.paging import decode_cursor, encode_cursor
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

PLACE: Final = "/routing/accounts"
ON_A_PAGE: Final = 20
LONGEST_SEARCH: Final = 200
NOTICES: Final = {"saved": "Saved.", "removed": "Removed. Its leads go by the rules from now on."}
NEW: Final = dict.fromkeys(("name", "domains", "owner_id", "stand_in_id"), "")
WORDS: Final = {"owner_id": "Looked after by", "stand_in_id": "Stand-in", "domains": "Domains"}
Admin = Annotated[Principal, Depends(page_principal(Role.ADMIN))]
Found = list[tuple[Account, list[str]]]


def add_account_pages(router: APIRouter, transactions: Transactions[Routing], pages: Pages) -> None:
    """Add the routes of the accounts page."""

    async def show(
        request: Request, search: str, cursor: str, status: int = 200, **more: Any
    ) -> Response:
        after = decode_cursor(cursor) if cursor else ""

        def read(conn: Connection) -> tuple[Found, list[Rep]]:
            found = queries.list_accounts(conn, after, ON_A_PAGE + 1, search)
            return found, queries.every_rep(conn)

        found, reps = await transactions.db.read(read)
        shown = found[:ON_A_PAGE]
        more_there = len(found) > ON_A_PAGE
        onward = {"q": search, "cursor": encode_cursor(shown[-1][0].account_id) if shown else ""}
        context: dict[str, Any] = {
            "accounts": [(account, as_typed(account, domains)) for account, domains in shown],
            "names": {rep.rep_id: rep.name for rep in reps},
            "reps": [("", "nobody"), *((rep.rep_id, _named(rep)) for rep in reps)],
            "next_href": f"{PLACE}?{urlencode(onward)}" if more_there else None,
            "search": search,
            "cursor": cursor,
            "new_account": NEW,
            "notice": None,
            "errors": [],
            "typed": {},
            "typed_for": "",
        }
        return pages.render(request, "accounts.html", status_code=status, **{**context, **more})

    @router.get(PLACE)
    async def accounts(
        request: Request,
        _: Admin,
        q: str = "",
        cursor: str = "",
        notice: str = "",
        uploaded: Annotated[int, Query(ge=0, le=100_000)] = 0,
    ) -> Response:
        """Accounts, some at a time."""
        told = f"Saved: {uploaded} of the table." if uploaded else NOTICES.get(notice)
        return await show(request, _plain(q), cursor, notice=told)

    @router.post(PLACE, dependencies=[Depends(check_csrf)])
    async def save(request: Request, _: Admin) -> Response:
        """Add an account, change one, or remove one."""
        typed = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}
        account_id, removes = typed.get("account_id", ""), typed.get("do") == "remove"
        search, cursor = _plain(typed.get("q", "")), typed.get("cursor", "")

        def change(unit: Routing) -> None:
            if removes:
                handlers.remove_account(unit, account_id)
            elif account_id:
                handlers.change_account(unit, account_id, _wanted(typed))
            else:
                handlers.put_accounts(unit, [handlers.Wanted(**_wanted(typed))])

        try:
            await transactions.run(change)
        except Problem as problem:
            return await show(
                request,
                search,
                cursor,
                422,
                errors=_errors(problem),
                typed={**NEW, **typed},
                typed_for=account_id or "new",
            )
        back = {"notice": "removed" if removes else "saved", "q": search, "cursor": cursor}
        if not account_id:
            back |= {"q": _wanted(typed)["name"], "cursor": ""}  # where the new one is seen
        return RedirectResponse(f"{PLACE}?{_some(back)}", status_code=303)

    @router.post(PLACE + ".csv", dependencies=[Depends(check_csrf)])
    async def upload(request: Request, _: Admin) -> Response:
        """Add and change accounts by a table."""
        try:
            wanted = read_accounts(await uploaded_file(request))
            done = await transactions.run(lambda unit: handlers.put_accounts(unit, wanted))
        except Problem as problem:
            errors = row_errors(problem)
            return await show(request, "", "", 422, errors=errors, typed_for="accounts.csv")
        return RedirectResponse(f"{PLACE}?uploaded={len(done)}", status_code=303)


def as_typed(account: Account, domains: list[str]) -> dict[str, str]:
    """An account as somebody would type it."""
    return {
        "name": account.name,
        "domains": "\n".join(domains),
        "owner_id": account.owner_id or "",
        "stand_in_id": account.stand_in_id or "",
    }


def _wanted(typed: dict[str, str]) -> dict[str, Any]:
    """An account as typed. Raises Problem 422."""
    name = typed.get("name", "").strip()
    if not 0 < len(name) <= LONGEST_NAME:
        detail = f"a name has 1 to {LONGEST_NAME} characters"
        errors = [{"pointer": "/name", "detail": detail}]
        raise Problem(422, "An account needs a name", "Write its name first.", errors=errors)
    return {
        "name": name,
        "domains": domains_typed(typed.get("domains", "")),
        "owner_id": typed.get("owner_id") or None,
        "stand_in_id": typed.get("stand_in_id") or None,
    }


def _errors(problem: Problem) -> list[tuple[str, str]]:
    listed = problem.extra.get("errors") or [{"pointer": "", "detail": problem.detail}]
    found = []
    for one in listed:
        field = one["pointer"].strip("/").partition("/")[0]
        told = WORDS.get(field, field.capitalize())
        found.append(("", f"{told}: {one['detail']}" if told else one["detail"]))
    return found


def _named(rep: Rep) -> str:
    return rep.name if rep.status is not Status.GONE else f"{rep.name} (gone)"


def _plain(search: str) -> str:
    return search.strip()[:LONGEST_SEARCH]


def _some(query: dict[str, str]) -> str:
    return urlencode({name: value for name, value in query.items() if value})
