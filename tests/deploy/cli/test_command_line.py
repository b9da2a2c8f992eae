"""What every command has in common: it answers soon, and makes nothing where nothing is."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

# Runs a command as its entry point does, and then names the modules that it imported.
IMPORTED = """
import sys
sys.argv = ["leadloop", *sys.argv[1:]]
from deploy.cli import main
try:
    main()
except SystemExit as ended:
    assert ended.code in (0, None), ended.code
print(*sys.modules, sep="\\n", file=sys.stderr)
"""

SERVERS = {
    "aiokafka", "alembic", "deploy.compose", "deploy.run", "fastapi", "jinja2", "psycopg",
    "services", "shared.contracts.topics", "shared.db", "sqlalchemy", "starlette", "uvicorn",
}  # fmt: skip
CLIENTS = {"asyncio", "httpx", "pydantic_settings", "shared.access.store"}


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        ("--help", SERVERS | CLIENTS),
        ("--version", SERVERS | CLIENTS),
        ("keys --help", SERVERS | {"httpx", "shared.access.store"}),
        ("run --help", SERVERS | CLIENTS - {"asyncio"}),
        ("keys list", SERVERS | {"httpx"}),
        ("keys create --role form", SERVERS | {"httpx"}),
        ("keys create --role rep --rep rep-ana", SERVERS),
        ("stages", SERVERS),
        ("dead-letters list", SERVERS),
        ("dead-letters replay", SERVERS),
    ],
)
def test_only_what_a_command_needs_is_imported(
    leadloop: Any, product: Any, arguments: str, without: set[str]
) -> None:
    """That is what makes it slow: with all of the product it takes seconds."""
    product.reps = [{"rep_id": "rep-ana", "name": "Ana"}]
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments.split()],
        cwd=leadloop.folder,
        env=leadloop.environment(**product.settings),
        capture_output=True,
        text=True,
        check=True,
    )
    assert without & set(ended.stderr.splitlines()) == set()


def test_the_version_is_that_of_the_project(leadloop: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert leadloop("--version").stdout == f"leadloop {project['version']}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        "keys list",
        "keys create --role admin",
        "keys create --role rep --rep rep-ana",
        "keys revoke key_1",
        "stages",
        "dead-letters list",
        "dead-letters show routing 1",
        "dead-letters replay",
        "dead-letters discard routing 1 --yes",
    ],
)
@pytest.mark.parametrize("emptied", [False, True])
def test_the_wrong_folder_is_said_and_stays_as_it_is(
    leadloop: Any, arguments: str, emptied: bool
) -> None:
    if emptied:
        (leadloop.folder / "data").mkdir()
    before = list(leadloop.folder.rglob("*"))
    ended = leadloop(*arguments.split())
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"no Leadloop data in {leadloop.folder / 'data'}: run this in the folder where the product "
        "runs, or set LEADLOOP_DATA\n"
    )
    assert list(leadloop.folder.rglob("*")) == before


@pytest.mark.parametrize("arguments", ["keys list", "stages"])
def test_files_that_are_no_store_are_told_in_a_line(leadloop: Any, arguments: str) -> None:
    data = leadloop.folder / "data"
    data.mkdir()
    (data / "access.db").touch()
    ended = leadloop(*arguments.split())
    assert ended.returncode == 1
    assert ended.stderr.startswith("the access store is not there, or not of this version")
    (data / "access.db").write_text("something else, long enough to be looked into" * 100)
    ended = leadloop(*arguments.split())
    assert ended.returncode == 1
    assert ended.stderr.startswith("the database cannot be reached (file is not a database)")
    assert "Traceback" not in ended.stderr


def test_without_an_admin_key_there_is_nobody_to_ask_as(leadloop: Any, product: Any) -> None:
    key_id = leadloop("keys", "list").stdout.splitlines()[1].split()[0]
    leadloop("keys", "revoke", key_id)
    ended = leadloop("stages", **product.settings)
    assert ended.returncode == 1
    assert ended.stderr == "there is no admin key yet: leadloop keys create --role admin\n"


def test_nothing_asked_for_shows_the_help(leadloop: Any) -> None:
    for arguments in ((), ("keys",), ("dead-letters",)):
        ended = leadloop(*arguments)
        assert "Usage: " in ended.stdout + ended.stderr
