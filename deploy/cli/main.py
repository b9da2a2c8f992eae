"""``leadloop``: run the product and look after it.

Nothing here or in the other modules of commands imports at once what takes time to import: each
command does that for itself.
"""

import os
import sys
from typing import Annotated

import typer

from deploy.cli import dead_letters, keys, replay, stages
from deploy.cli.errors import fail, in_words
from shared.contracts.services import SERVICES

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(keys.app, name="keys", help="Access keys: make, list, revoke.")
app.add_typer(dead_letters.app, name="dead-letters", help="Events that could not be processed.")
app.add_typer(replay.app, name="replay", help="Make stored decisions anew, and compare.")
app.command("stages")(stages.stages)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"leadloop {version('leadloop')}")
        raise typer.Exit


@app.callback()
def leadloop(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Which version this is."),
    ] = False,
) -> None:
    """Hands leads from marketing to sales, and what sales says back to marketing.

    Settings are environment variables, or lines of a file .env in the folder it is run in.
    """


@app.command()
def run(
    services: Annotated[list[str] | None, typer.Argument(help="All four if none is named.")] = None,
) -> None:
    """Run services in this process: all of them, or those named."""
    from deploy.run import CannotStart
    from deploy.run import run as serve
    from deploy.settings import Settings

    try:
        status = serve(Settings(), services or SERVICES)
    except CannotStart as error:
        fail(str(error))
    raise typer.Exit(status)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema, with starter data where there is none.

    Prints a new admin key, once, where there is none and LEADLOOP_ADMIN_KEY is not set.
    """
    import asyncio

    from deploy.compose import build
    from deploy.prepare import prepare
    from deploy.settings import Settings

    product = build(Settings())
    try:
        key = asyncio.run(prepare(product))
    finally:
        product.close()
    if key:
        typer.echo(f"admin key, shown this once: {key}")


@app.command()
def topics() -> None:
    """Create the topics that are missing on the broker, and list them all."""
    import asyncio

    from deploy.settings import Settings
    from shared.bus.api import BusUnavailable
    from shared.bus.kafka import KafkaBus
    from shared.contracts.topics import TOPICS

    settings = Settings()
    if settings.broker_url.startswith("local:"):
        fail("the embedded product needs no topics: LEADLOOP_BROKER_URL names a broker that does")

    async def work() -> tuple[str, ...]:
        bus = KafkaBus(settings.broker_url.removeprefix("kafka://"), settings.topic_prefix)
        await bus.start()
        try:
            return tuple(await bus.create_topics())
        finally:
            await bus.stop()

    try:
        created = asyncio.run(work())
    except BusUnavailable as error:
        fail(f"the broker cannot be reached: {error}")
    for topic in TOPICS.values():
        new = "created" if settings.topic_prefix + topic.name in created else "exists"
        keep = "compacted" if topic.compacted else f"{(topic.retention_ms or 0) // 86_400_000} days"
        typer.echo(f"{topic.name:24} {new:8} {topic.partitions} partitions, {keep}")


def main() -> None:
    """The entry point."""
    os.umask(0o077)  # what it writes holds leads and secrets: for its owner alone
    try:
        app()
    except Exception as error:
        words = in_words(error)
        if words is None:
            raise
        sys.exit(words)  # on standard error, with status 1
