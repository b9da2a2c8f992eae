"""``leadloop dead-letters``: look at what could not be processed, and try it again."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.errors import fail
from shared.contracts.services import SERVICES, ServiceName

if TYPE_CHECKING:
    from deploy.cli.client import Client

LARGEST = 2**63 - 1

app = typer.Typer(no_args_is_help=True)
OneService = Annotated[ServiceName, typer.Argument(help="The service that could not process it.")]
AnyService = Annotated[ServiceName | None, typer.Argument(help="All if not named.")]
LetterId = Annotated[int, typer.Argument(min=1, max=LARGEST, help="Its number in the list.")]


@app.command("list")
def list_letters(service: AnyService = None) -> None:
    """Each dead letter with its reason, and what is parked behind it."""
    from deploy.cli.client import ask

    async def work(client: "Client") -> list[tuple[str, dict[str, Any]]]:
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
def show(service: OneService, letter_id: LetterId) -> None:
    """One letter with its event. It may hold personal data."""
    import json

    from deploy.cli.client import ask

    async def work(client: "Client") -> Any:
        return await client.call("GET", f"/{service}/v1/dead-letters/{letter_id}")

    typer.echo(json.dumps(ask(work), indent=2))


@app.command()
def replay(
    service: AnyService = None,
    letter_id: Annotated[
        int | None, typer.Option("--id", min=1, max=LARGEST, help="One letter, and its key.")
    ] = None,
) -> None:
    """Process them again, in order for each key. Exit status 1 if any failed again."""
    from deploy.cli.client import ask

    if letter_id is not None and service is None:
        raise typer.BadParameter("the letters of each service have numbers of their own: name one")

    async def work(client: "Client") -> list[tuple[str, dict[str, int]]]:
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
def discard(
    service: OneService,
    letter_id: LetterId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give one up for good: its event never has its effect. Asks first."""
    from deploy.cli.client import ask

    if not (yes or sys.stdin.isatty()):
        fail("nobody is there to be asked: --yes gives it up without asking")

    async def work(client: "Client") -> None:
        path = f"/{service}/v1/dead-letters/{letter_id}"
        letter = await client.call("GET", path)
        what = f"{letter['event_type'] or 'the event'} of key {letter['key']}"
        if not yes:
            typer.confirm(f"Give up {what} ({letter['reason']}) for good?", abort=True)
        await client.call("DELETE", path)

    ask(work)
    typer.echo("discarded")
