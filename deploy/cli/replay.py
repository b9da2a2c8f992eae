"""``leadloop replay``: make stored decisions anew from their stored inputs, and compare."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deploy.cli.client import Client

PAGE = 500
SHOWN = 50
"""Decisions that differ are named up to this many; all are counted."""

app = typer.Typer(no_args_is_help=True)
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
_HELP = "A day, or a moment such as 2026-11-23T09:30:00; in UTC."
Since = Annotated[datetime | None, typer.Option("--since", "--from", formats=_FORMATS, help=_HELP)]
Until = Annotated[datetime | None, typer.Option("--until", "--to", formats=_FORMATS, help=_HELP)]


@app.callback()
def replay() -> None:
    """Make decisions anew; nothing is changed."""


@app.command()
def qualify(since: Since = None, until: Until = None) -> None:
    """Score leads again as they were scored: all decisions, or those from SINCE until before UNTIL.

    Names every decision that does not come out as it is stored, with what differs. Exit status 1
    if there is one.
    """
    _compare("qualify", since, until, "by reps, which are no evaluations")


@app.command()
def routing(since: Since = None, until: Until = None) -> None:
    """Choose reps again as they were chosen, from how everybody stood then: all decisions, or those
    from SINCE until before UNTIL. No lead moves by it.

    Names every decision that does not come out as it is stored, with what differs. Exit status 1
    if there is one.
    """
    _compare("routing", since, until, "from before what they rest on was kept")


def _compare(service: str, since: datetime | None, until: datetime | None, skips: str) -> None:
    from deploy.cli.client import ask

    asked = {"limit": PAGE, **_window(since, until)}
    total = ask(lambda client: _page(client, service, {**asked, "limit": 1}))["total"]
    replayed = skipped = 0
    different: list[dict[str, Any]] = []

    async def work(client: "Client") -> None:
        nonlocal replayed, skipped
        cursor = None
        while True:
            params = asked if cursor is None else {**asked, "cursor": cursor}
            page = await _page(client, service, params)
            replayed += page["replayed"]
            skipped += page["skipped"]
            different.extend(page["items"])
            bar.update(page["replayed"] + page["skipped"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    with typer.progressbar(length=max(total, 1), label="replaying", file=_stderr()) as bar:
        ask(work)
    for one in different[:SHOWN]:
        _show(one)
    if len(different) > SHOWN:
        typer.echo(f"… and {len(different) - SHOWN} more")
    aside = f" ({skipped} {skips})" if skipped else ""
    if different:
        typer.secho(
            f"{replayed} decisions, {len(different)} come out otherwise{aside}",
            fg=typer.colors.RED,
        )
        raise typer.Exit(1)
    typer.secho(f"{replayed} decisions, identical{aside}", fg=typer.colors.GREEN)


async def _page(client: "Client", service: str, params: dict[str, Any]) -> dict[str, Any]:
    page: dict[str, Any] = await client.call("GET", f"/{service}/v1/replays", params=params)
    return page


def _window(since: datetime | None, until: datetime | None) -> dict[str, str]:
    given = {"since": since, "until": until}
    return {
        name: (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
        for name, at in given.items()
        if at is not None
    }


def _show(one: dict[str, Any]) -> None:
    version = one.get("definition_version", one.get("policy_version"))
    typer.echo(
        f"{one['decision_id']}  lead {one['lead_id']}  version {version}  {one['decided_at']}"
    )
    for found in one["differences"]:
        typer.echo(f"    {found['what']}: {found['stored']} stored, {found['replayed']} replayed")


def _stderr() -> Any:
    import sys

    return sys.stderr
