"""The access store for a command beside the running product, which finds it or does without: it
makes no database and no tables."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from shared.access.store import AccessStore


class NoStore(Exception):
    """There is no access store where it is looked for. The text says what to do."""


@contextmanager
def open_store(url: str) -> Iterator[AccessStore]:
    """The store at ``url`` (``sqlite:<folder>`` or ``postgresql://…``).

    Raises NoStore, here or when it is asked, and what the database's driver raises.
    """
    scheme, _, folder = url.partition(":")
    with closing(_file(Path(folder)) if scheme == "sqlite" else _server(url)) as conn:

        def run(sql: str, values: dict[str, Any], *, write: bool) -> Sequence[Any]:
            try:
                cursor = conn.execute(sql, values)
            except Exception as error:
                if not _lacks_tables(error):
                    raise
                raise NoStore(
                    "the access store is not there, or not of this version: leadloop migrate, or "
                    "starting the product, makes it. LEADLOOP_DATABASE_URL or LEADLOOP_DATA says "
                    "where it is looked for"
                ) from None
            return cursor.fetchall() if cursor.description else []

        yield AccessStore(run, postgresql=scheme != "sqlite")


def _file(folder: Path) -> Any:
    file = (folder / "access.db").absolute()
    if not file.is_file():
        raise NoStore(
            f"no Leadloop data in {folder}: run this in the folder where the product runs, "
            "or set LEADLOOP_DATA"
        )
    # Each statement is a transaction; only the product checkpoints, which two can't do safely.
    conn = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=10, isolation_level=None)
    conn.execute("PRAGMA wal_autocheckpoint=0")
    conn.execute("PRAGMA synchronous=FULL")
    return conn


def _server(url: str) -> Any:
    import psycopg

    options = "-c search_path=access -c synchronous_commit=on"
    return psycopg.connect(url, autocommit=True, connect_timeout=5, options=options)


def _lacks_tables(error: Exception) -> bool:
    """Whether a table or a column of our statements is missing."""
    undefined = getattr(error, "sqlstate", None) in ("42P01", "42703")
    return undefined or str(error).startswith(("no such table", "no such column"))
