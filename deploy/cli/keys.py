"""``leadloop keys``: make, list and revoke access keys."""

import asyncio
from typing import Annotated

import typer

from deploy.settings import Settings
from shared.access import Access, Role

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    role: Annotated[Role, typer.Option(help="What the key may do.")],
    rep: Annotated[str | None, typer.Option(help="The rep it belongs to (role rep).")] = None,
    label: Annotated[str, typer.Option(help="What you will know it by.")] = "",
) -> None:
    """Make a key and print it, alone: it is shown this once, only its hash is kept."""
    if (role == Role.REP) != (rep is not None):
        typer.echo("a key of role rep needs --rep REP_ID, and only such a key takes one", err=True)
        raise typer.Exit(2)

    async def work() -> str:
        async with Access.open(Settings().databases, own=False) as access:
            return (await access.create_key(role, rep_id=rep, label=label))[1]

    typer.echo(asyncio.run(work()))


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key, or its id from the list.")]) -> None:
    """Make a key worthless, in every service, within seconds."""

    async def work() -> bool:
        async with Access.open(Settings().databases, own=False) as access:
            return await access.revoke_key(key)

    if not asyncio.run(work()):
        typer.echo("no such active key", err=True)
        raise typer.Exit(1)
    typer.echo("revoked")


@app.command("list")
def list_keys() -> None:
    """Every key with its id, role and state; never the key itself."""

    async def work() -> list[str]:
        async with Access.open(Settings().databases, own=False) as access:
            return [
                f"{key.key_id}  {key.role:9} {key.rep_id or '-':12} "
                f"{'active' if key.active else 'revoked':8} {key.label}"
                for key in await access.list_keys()
            ]

    for line in asyncio.run(work()):
        typer.echo(line)
