"""A start that can't be: plain words about what is wrong and what to do, and exit status 1."""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NOWHERE = "postgresql://nobody:secret@127.0.0.1:1/none"


def leadloop(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder of its own; its environment has none of the caller's settings."""
    plain: Mapping[str, str] = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LEADLOOP_") and name != "PORT"
    }
    repository = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "deploy", *arguments],
        cwd=folder,
        env={**plain, "PYTHONPATH": repository, "PORT": "0", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ("run", {"LEADLOOP_DATA": "file"}, "set LEADLOOP_DATA to a folder"),
        ("run", {"LEADLOOP_DATA": "file/below"}, "set LEADLOOP_DATA to a folder"),
        ("run", {"PORT": "web"}, "PORT: should be a valid integer"),
        ("keys list", {"PORT": "99999"}, "PORT: should be less than or equal to 65535"),
        ("run", {"LEADLOOP_ADMIN_KEY": "short"}, "LEADLOOP_ADMIN_KEY: it must have at least 12"),
        ("run", {"LEADLOOP_DATABASE_URL": "oracle:x"}, "LEADLOOP_DATABASE_URL: this is no postgre"),
        ("run", {"LEADLOOP_BROKER_URL": "amqp:x"}, "LEADLOOP_BROKER_URL: this is neither kafka:"),
        ("run nothing", {}, "no such service: nothing"),
        ("migrate", {"LEADLOOP_DATABASE_URL": NOWHERE}, "the database cannot be reached"),
        ("keys list", {"LEADLOOP_DATABASE_URL": NOWHERE}, "the database cannot be reached"),
        ("stages", {"LEADLOOP_DATABASE_URL": NOWHERE}, "the database cannot be reached"),
        ("stages", {"LEADLOOP_ADMIN_KEY": "long enough a key"}, "is the product running?"),
    ],
)
def test_what_is_wrong_is_said_plainly(
    tmp_path: Path, arguments: str, settings: dict[str, str], words: str
) -> None:
    (tmp_path / "file").touch()
    ended = leadloop(tmp_path, *arguments.split(), **settings)
    assert ended.returncode == 1
    assert words in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


def test_a_port_in_use_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = leadloop(tmp_path, "run", PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"port {port} on 127.0.0.1 is in use: stop what uses it, or set PORT (or LEADLOOP_HOST)\n"
    )
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["leadloop.lock"]


@pytest.mark.parametrize("broker", ["local:", "kafka://127.0.0.1:1"])
@pytest.mark.parametrize("database", ["", "sqlite:elsewhere"])
def test_files_of_sqlite_belong_to_one_process(tmp_path: Path, broker: str, database: str) -> None:
    """Whatever the broker: a second process would checkpoint beside the first."""
    folder = tmp_path / (database.removeprefix("sqlite:") or "data")
    folder.mkdir()
    with (folder / "leadloop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = leadloop(
            tmp_path, "run", LEADLOOP_BROKER_URL=broker, LEADLOOP_DATABASE_URL=database
        )
    assert ended.returncode == 1
    assert f"{folder.name} is in use by another process" in ended.stderr
