"""``leadloop``: run the product and look after it."""

import asyncio
import os
import sys
from typing import Annotated, NoReturn

import typer
from asyncpg import PostgresError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from deploy.cli import dead_letters, keys, stages
from deploy.settings import Settings
from shared.contracts.topics import SERVICES, TOPICS

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(keys.app, name="keys", help="Access keys: make, list, revoke.")
app.add_typer(dead_letters.app, name="dead-letters", help="Events that could not be processed.")
app.command("stages")(stages.stages)


@app.command()
def run(
    services: Annotated[list[str] | None, typer.Argument(help="All four if none is named.")] = None,
) -> None:
    """Run services in this process: all of them, or those named."""
    from deploy.run import CannotStart
    from deploy.run import run as serve

    try:
        status = serve(Settings(), services or SERVICES)
    except ValidationError:
        raise
    except (CannotStart, ValueError) as error:
        fail(str(error))
    raise typer.Exit(status)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema, with starter data where there is none.

    Prints a new admin key, once, where there is none and LEADLOOP_ADMIN_KEY is not set.
    """
    from deploy.compose import build
    from deploy.prepare import prepare

    async def work() -> str | None:
        product = build(Settings())
        try:
            return await prepare(product)
        finally:
            await product.access.stop()
            await product.close()

    key = asyncio.run(work())
    if key:
        typer.echo(f"admin key, shown this once: {key}")


@app.command()
def topics() -> None:
    """Create the topics that are missing on the broker, and list them all."""
    from shared.bus.api import BusUnavailable
    from shared.bus.open import open_bus

    async def work() -> tuple[str, ...]:
        settings = Settings()
        bus = open_bus(settings.broker_url, settings.topic_prefix, settings.data)
        await bus.start()
        try:
            return tuple(await bus.create_topics())
        finally:
            await bus.stop()

    try:
        created = asyncio.run(work())
    except (BusUnavailable, ValueError) as error:
        fail(f"the broker cannot be reached: {error}")
    for topic in TOPICS.values():
        new = "created" if any(name.endswith(topic.name) for name in created) else "exists"
        keep = "compacted" if topic.compacted else f"{(topic.retention_ms or 0) // 86_400_000} days"
        typer.echo(f"{topic.name:24} {new:8} {topic.partitions} partitions, {keep}")


def fail(message: str) -> None:
    """End with a message for the person who typed the command."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def main() -> None:
    """The entry point."""
    os.umask(0o077)  # what it writes holds leads and secrets: for its owner alone
    try:
        app()
    except ValidationError as error:
        if not error.title.endswith("Settings"):
            raise
        mistakes = error.errors(include_url=False, include_input=False)
        _end("\n".join(f"{one['loc'][0]}: {_words(one['msg'])}" for one in mistakes))
    except (OSError, SQLAlchemyError, PostgresError) as error:
        cause = getattr(error, "orig", None) or error
        _end(
            f"the database cannot be reached ({cause or type(cause).__name__}): "
            "LEADLOOP_DATABASE_URL or LEADLOOP_DATA says where it is looked for"
        )


def _end(message: str) -> NoReturn:
    sys.exit(message)  # on standard error, with status 1


def _words(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ")
