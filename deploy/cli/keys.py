"""``leadloop keys``: make, list and revoke access keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.errors import fail
from shared.access.roles import PERSONAL, Role

if TYPE_CHECKING:
    from shared.access.store import AccessStore, KeyRow

LONGEST_LABEL = 200
SIMILAR = 5

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    role: Annotated[Role, typer.Option(help="What the key may do.")],
    rep: Annotated[
        str | None,
        typer.Option(help="The id of the rep it belongs to; the running product must know them."),
    ] = None,
    label: Annotated[str, typer.Option(help="What you will know it by.")] = "",
) -> None:
    """Make a key and print it, alone: it is shown this once, only its hash is kept."""
    if (role in PERSONAL) != (rep is not None):
        raise typer.BadParameter("roles rep and manager need --rep REP_ID, and only these take one")
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise typer.BadParameter(f"a label is one line of at most {LONGEST_LABEL} characters")
    if rep is not None:
        _require_rep(rep)
    with _store() as store:
        typer.echo(store.create_key(role, rep, label, datetime.now(UTC))[1])


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key, or its id from the list.")]) -> None:
    """Make a key worthless, in every service, within seconds."""
    with _store() as store:
        if not store.revoke(key, datetime.now(UTC)):
            fail("no such active key")
    typer.echo("revoked")


@app.command("list")
def list_keys() -> None:
    """Every key with its id, role, rep, when it was made and last used, state and label; never the
    key itself. Times are UTC."""
    with _store() as store:
        keys = store.list_keys()
    rows = [("ID", "ROLE", "REP", "MADE", "LAST USED", "STATE", "LABEL")]
    rows += [
        (
            key.key_id,
            key.role.value,
            key.rep_id or "-",
            _minute(key.created_at),
            _minute(key.last_used_at),
            _state(key),
            key.label,
        )
        for key in keys
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _state(key: "KeyRow") -> str:
    if not key.active:
        return "revoked"
    if key.expires_at is None:
        return "active"
    return f"ends {_minute(key.expires_at)}"


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"


@contextmanager
def _store() -> "Iterator[AccessStore]":
    from deploy.settings import Settings
    from shared.access.outside import open_store

    with open_store(Settings().databases) as store:
        yield store


def _require_rep(rep_id: str) -> None:
    from deploy.cli.client import Client, ask

    async def work(client: Client) -> list[dict[str, Any]]:
        return await client.all("/routing/v1/reps")

    known = ask(work)
    reps = {rep["rep_id"]: rep["name"] for rep in known}
    if rep_id not in reps:
        fail(f"there is no rep {rep_id!r}; {_similar(rep_id, reps)}")
    if any(rep["rep_id"] == rep_id and rep.get("status") == "gone" for rep in known):
        fail(f"{reps[rep_id]} ({rep_id}) is gone, and a key of theirs would be ended at once")


def _similar(rep_id: str, reps: dict[str, str]) -> str:
    from difflib import get_close_matches

    if not reps:
        return "there are none yet: add them on the page /routing/"
    said = {text.casefold(): known for known, name in reps.items() for text in (name, known)}
    close = get_close_matches(rep_id.casefold(), said, n=SIMILAR, cutoff=0.5)
    found = list(dict.fromkeys(said[text] for text in close))
    shown = ", ".join(f"{known} ({reps[known]})" for known in found or list(reps)[:SIMILAR])
    if found:
        return f"did you mean {shown}?"
    return f"there are {len(reps)}: {shown}" + (", …" if len(reps) > SIMILAR else "")
