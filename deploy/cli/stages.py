"""``leadloop stages``: every captured lead in exactly one stage, and what is stuck."""

import json
from typing import Annotated, Any

import typer

from deploy.cli.client import Client
from deploy.cli.dead_letters import ask


def stages(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare what capture took in with the stage feedback knows of each lead.

    Exit status 1 if a captured lead has no stage after a minute, or more than one, or is stuck.
    """
    report = ask(_report)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        for line in _lines(report):
            typer.echo(line)
    if not report["ok"]:
        raise typer.Exit(1)


async def _report(client: Client) -> dict[str, Any]:
    known = await client.call("GET", "/feedback/v1/stages")
    captured = await client.call("GET", "/capture/v1/leads/count")
    return {"captured": captured["leads"], **known}


def _lines(report: dict[str, Any]) -> list[str]:
    return [json.dumps(report)]
