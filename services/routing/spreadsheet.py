"""Tables as spreadsheets save them: CSV with a header, read and written."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from shared.contracts.problems import Problem

CSV: Final = "text/csv; charset=utf-8"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_MOST_ERRORS: Final = 100


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a table holds: rows by their number in the spreadsheet, whose first is the header."""

    rows: Sequence[tuple[int, dict[str, str]]]
    unknown: Sequence[str]
    """Columns that mean nothing here."""


def read_sheet(raw: bytes, columns: Sequence[str], needed: Sequence[str]) -> Sheet:
    """Read a CSV file with a header, with commas, semicolons or tabs between. A row has the columns
    that the table has. Raises Problem 400 for what is no such file, 422 for a missing column."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(400, "Unreadable table", "Save the table as CSV in UTF-8.") from None
    first = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True
    )
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        rows = [
            (number, dict(zip(names, map(_typed, map(str.strip, cells)), strict=False)))
            for number, cells in enumerate(reader, start=2)
            if any(map(str.strip, cells))
        ]
    except csv.Error as error:
        detail = f"Line {reader.line_num}: {error}."
        raise Problem(400, "Unreadable table", detail) from None
    if missing := [name for name in needed if name not in names]:
        detail = f"There is no column {missing[0]} in the first line; known are "
        raise Problem(422, "A column is missing", f"{detail}{', '.join(columns)}.")
    known = [(number, {key: row[key] for key in columns if key in row}) for number, row in rows]
    return Sheet(known, [name for name in names if name and name not in columns])


def write_sheet(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV file, in the form that can be read back."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def as_file(name: str) -> dict[str, str]:
    """Headers with which a browser keeps a table as a file."""
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def unusable_rows(errors: Sequence[tuple[str, str]]) -> Problem:
    """Rows that can't be used; each error is a pointer ``/<row>/<column>`` and what is wrong."""
    (pointer, detail), count = errors[0], len(errors)
    _, row, *column = pointer.split("/")
    more = f" There are {count - 1} more errors." if count > 1 else ""
    return Problem(
        422,
        "A row can't be used" if count == 1 else "Some rows can't be used",
        f"Nothing was changed. Row {row}, {'/'.join(column)}: {detail}.{more}",
        errors=[{"pointer": at, "detail": told} for at, told in errors[:_MOST_ERRORS]],
    )


def faults_of(number: int, error: ValidationError) -> list[tuple[str, str]]:
    """What is wrong with a row, as ``unusable_rows`` takes it."""
    return [
        ("/".join(["", str(number), *map(str, e["loc"])]), e["msg"].removeprefix("Value error, "))
        for e in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def _typed(cell: str) -> str:
    """What a cell meant before ``_cell``."""
    marked = tuple(f"'{one}" for one in (*_FORMULA, "'"))
    return cell[1:] if cell.startswith(marked) else cell
