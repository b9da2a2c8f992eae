"""What goes wrong, in one line for whoever typed the command."""

from typing import NoReturn

import typer

DATABASE = "the database cannot be reached ({}): LEADLOOP_DATABASE_URL or LEADLOOP_DATA says where"


class Unanswered(Exception):
    """A service did not answer, or refused. The text says which and why."""


def fail(message: str, status: int = 1) -> NoReturn:
    """End with a message on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def in_words(error: Exception) -> str | None:
    """What to say of an error, without the values it was about; None of one that is our own
    mistake, and needs its traceback."""
    from shared.access.outside import NoStore

    if isinstance(error, NoStore | Unanswered):
        return str(error)
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if "pydantic_core" in packages:
        return _of_settings(error)
    if packages & {"sqlalchemy", "psycopg", "sqlite3"}:
        cause = getattr(error, "orig", None) or error
        return DATABASE.format(str(cause).partition("\n")[0] or type(cause).__name__)
    if isinstance(error, UnicodeError):
        return "that is no text"
    if isinstance(error, OSError | ValueError):
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _of_settings(error: Exception) -> str | None:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return None
    mistakes = error.errors(include_url=False, include_input=False)
    return "\n".join(": ".join([*map(str, one["loc"][:1]), _words(one["msg"])]) for one in mistakes)


def _words(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ")
