"""``leadloop dead-letters``: look at what could not be processed, and try it again."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from deploy.cli.client import Client, Unanswered, connect
from deploy.settings import Settings
from shared.contracts.topics import SERVICES

app = typer.Typer(no_args_is_help=True)
Service = Annotated[str, typer.Argument(help="capture, qualify, routing or feedback")]
T = TypeVar("T")


@app.command("list")
def list_letters(service: Annotated[str, typer.Argument(help="All if not named.")] = "") -> None:
    """Each dead letter with its reason, and what is parked behind it."""

    async def work(client: Client) -> list[tuple[str, dict[str, Any]]]:
        names = [service] if service else SERVICES
        return [(n, x) for n in names for x in await client.all(f"/{n}/v1/dead-letters")]

    letters = ask(work)
    for name, letter in letters:
        typer.echo(
            f"{name:9} {letter['id']:6} {letter['state']:7} {letter['event_type'] or '?'}  "
            f"key {letter['key']}  {letter['topic']}/{letter['partition']}@{letter['offset']}  "
            f"{letter['reason']}"
        )
    typer.echo(f"{len(letters)} letters", err=True)


@app.command()
def show(service: Service, letter_id: int) -> None:
    """One letter with its event. It may hold personal data."""

    async def work(client: Client) -> Any:
        return await client.call("GET", f"/{service}/v1/dead-letters/{letter_id}")

    typer.echo(json.dumps(ask(work), indent=2))


@app.command()
def replay(
    service: Annotated[str, typer.Argument(help="All if not named.")] = "",
    letter_id: Annotated[int | None, typer.Option("--id", help="One letter, and its key.")] = None,
) -> None:
    """Process them again, in order for each key. Exit status 1 if any failed again."""

    async def work(client: Client) -> list[tuple[str, dict[str, int]]]:
        params = {} if letter_id is None else {"id": letter_id}
        return [
            (n, await client.call("POST", f"/{n}/v1/dead-letters/replay", params=params))
            for n in ([service] if service else SERVICES)
        ]

    results = ask(work)
    for name, result in results:
        typer.echo(f"{name:9} {result['replayed']} replayed, {result['failed']} failed again")
    if any(result["failed"] for _, result in results):
        raise typer.Exit(1)


@app.command()
def discard(service: Service, letter_id: int) -> None:
    """Give one up for good."""

    async def work(client: Client) -> None:
        await client.call("DELETE", f"/{service}/v1/dead-letters/{letter_id}")

    ask(work)
    typer.echo("discarded")


def ask(work: Callable[[Client], Awaitable[T]]) -> T:
    """Run calls against the running product; a plain message and exit status 1 when it can't."""

    async def connected() -> T:
        async with connect(Settings()) as client:
            return await work(client)

    try:
        return asyncio.run(connected())
    except Unanswered as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
