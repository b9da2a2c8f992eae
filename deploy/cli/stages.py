"""``leadloop stages``: every captured lead in exactly one stage, and what is stuck."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.errors import Unanswered
from shared.contracts.services import SERVICES

if TYPE_CHECKING:
    from deploy.cli.client import Client

UNDER_WAY = timedelta(minutes=1)
"""A lead may need this long from capture to its first stage in feedback, after an outage more."""
SHOWN = 20
NOT_IN_ORDER = 1
DEAD_LETTERS = 3
"""Exit statuses; 2 is wrong usage."""


def stages(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare the leads that capture took in with the stage feedback knows of each.

    Exit status 0 if all is in order. 1 if a lead has no stage a minute after its capture, if there
    is a stage without a lead, if a lead is stuck, or if a service does not answer. 3 if that is in
    order but a service has dead letters.
    """
    from deploy.cli.client import ask

    report = ask(_report)
    if as_json:
        import json

        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)
    if not report["ok"]:
        raise typer.Exit(NOT_IN_ORDER)
    if any(report["dead_letters"].values()):
        raise typer.Exit(DEAD_LETTERS)


async def _report(client: "Client") -> dict[str, Any]:
    from collections import Counter

    # Stages first: whatever is in them was captured before.
    summary = await client.call("GET", "/feedback/v1/stages")
    staged = {lead["lead_id"]: lead["stage"] for lead in await client.all("/feedback/v1/leads")}
    captured = {
        lead["lead_id"]: datetime.fromisoformat(lead["captured_at"])
        for lead in await client.all("/capture/v1/leads")
    }
    without = [lead_id for lead_id in captured if lead_id not in staged]
    recent = datetime.now(UTC) - UNDER_WAY
    missing = [lead_id for lead_id in without if captured[lead_id] < recent]
    unknown = [lead_id for lead_id in staged if lead_id not in captured]
    letters = {service: await _dead_letters(client, service) for service in SERVICES}
    silent = [service for service, count in letters.items() if count is None]
    return {
        "ok": not (missing or unknown or summary["stuck_count"] or silent),
        "captured": len(captured),
        "stages": dict(Counter(staged.values())),
        "under_way": len(without) - len(missing),
        "missing": missing,
        "unknown": unknown,
        "stuck_count": summary["stuck_count"],
        "stuck": summary["stuck"],
        "dead_letters": letters,
    }


async def _dead_letters(client: "Client", service: str) -> int | None:
    """How many a service has; None if it does not answer."""
    try:
        return int((await client.health(service))["dead_letters"])
    except (Unanswered, KeyError):
        return None


def _show(report: dict[str, Any]) -> None:
    typer.echo(f"{report['captured']:8} captured")
    for stage, leads in report["stages"].items():
        typer.echo(f"{leads:8} {stage}")
    if report["under_way"]:
        typer.echo(f"{report['under_way']:8} under way, captured less than a minute ago")
    for name, says in (
        ("missing", "captured, but in no stage: is a consumer stopped? See health/loop"),
        ("unknown", "in a stage, but not known to capture"),
    ):
        if report[name]:
            typer.echo(f"{len(report[name]):8} {says}")
            for lead_id in report[name][:SHOWN]:
                typer.echo(f"         {lead_id}")
    if report["stuck_count"]:
        typer.echo(f"{report['stuck_count']:8} stuck, the oldest first")
        for lead in report["stuck"][:SHOWN]:
            typer.echo(f"         {lead['lead_id']}  {lead['stage']} since {lead['since']}")
    for service, count in report["dead_letters"].items():
        if count is None:
            typer.echo(f"         {service} does not answer")
        elif count:
            typer.echo(f"{count:8} dead letters of {service}: leadloop dead-letters list {service}")
    if not report["ok"]:
        typer.secho("NOT IN ORDER", fg=typer.colors.RED)
        return
    colour = typer.colors.YELLOW if any(report["dead_letters"].values()) else typer.colors.GREEN
    typer.secho("each captured lead is in exactly one stage", fg=colour)
