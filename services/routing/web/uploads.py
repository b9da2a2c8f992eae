"""Files that somebody sends with a form."""

from starlette.datastructures import UploadFile
from starlette.requests import Request

from shared.contracts.problems import Problem


async def uploaded_file(request: Request, name: str = "file") -> bytes:
    """What is in the file of a form. Raises Problem 422 when none was chosen."""
    file = (await request.form()).get(name)
    raw = await file.read() if isinstance(file, UploadFile) else b""
    if not raw:
        raise Problem(422, "No table", "Choose a file first: a table that was saved as CSV.")
    return raw


def row_errors(problem: Problem) -> list[tuple[str, str]]:
    """What is wrong with a table, as ``parts.error_summary`` takes it: row by row."""
    listed = problem.extra.get("errors")
    if not listed:
        return [("", problem.detail)]
    return [("", _told(one["pointer"], one["detail"])) for one in listed]


def _told(pointer: str, detail: str) -> str:
    _, row, *column = pointer.split("/")
    return f"Row {row}, {'/'.join(column)}: {detail}" if row.isdecimal() else f"{row}: {detail}"
