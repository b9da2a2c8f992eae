"""Accounts as a table, as people send and get it."""

from collections.abc import Iterable
from typing import Final

from services.routing.domain.accounts import Account
from services.routing.handlers.accounts import Wanted
from services.routing.spreadsheet import read_sheet, unusable_rows, write_sheet

COLUMNS: Final = ("account_id", "name", "domains", "owner_id", "stand_in_id")
LONGEST_NAME: Final = 200


def read_accounts(raw: bytes) -> list[Wanted]:
    """The accounts of a table. Raises Problem 400 for what is no table, and 422 with every row that
    can't be used."""
    sheet = read_sheet(raw, COLUMNS, ("name",))
    wrong = f"a name has 1 to {LONGEST_NAME} characters"
    errors = [
        (f"/{number}/name", wrong)
        for number, row in sheet.rows
        if not 0 < len(row.get("name", "")) <= LONGEST_NAME
    ]
    if errors:
        raise unusable_rows(errors)
    return [
        Wanted(
            row["name"],
            domains_typed(row.get("domains", "")),
            row.get("owner_id") or None,
            row.get("stand_in_id") or None,
            row.get("account_id", "")[:64] or None,
            f"/{number}",
        )
        for number, row in sheet.rows
    ]


def domains_typed(text: str) -> list[str]:
    """Domains as people part them: by spaces, commas, semicolons or lines."""
    return text.replace(",", " ").replace(";", " ").split()


def write_accounts(found: Iterable[tuple[Account, list[str]]]) -> str:
    """Accounts as a table that ``read_accounts`` reads."""
    rows = (
        (one.account_id, one.name, " ".join(domains), one.owner_id, one.stand_in_id)
        for one, domains in found
    )
    return write_sheet(COLUMNS, rows)
