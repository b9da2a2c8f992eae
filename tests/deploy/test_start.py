"""A start that can't be: plain words about what is wrong and what to do, and exit status 1."""

import fcntl
import socket
from pathlib import Path
from typing import Any

import pytest

NOWHERE = {
    "LEADLOOP_DATABASE_URL": "postgresql://nobody:secret@127.0.0.1:1/none",
    "LEADLOOP_BROKER_URL": "kafka://127.0.0.1:1",
}


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
        ("run", {**NOWHERE, "LEADLOOP_BROKER_URL": ""}, "PostgreSQL needs LEADLOOP_BROKER_URL="),
        ("run", {"LEADLOOP_SERVICE_URLS": "x=http://y"}, "'x' is no service"),
        (
            "run",
            {"LEADLOOP_OIDC_ISSUER": "http://login.example"},
            "LEADLOOP_OIDC_ISSUER: this is no",
        ),
        ("run", {"LEADLOOP_OIDC_ISSUER": "https://a.example"}, "needs LEADLOOP_OIDC_CLIENT_ID and"),
        ("run", {"LEADLOOP_OIDC_ROLES": "a=rep,b=boss"}, "'b=boss' is no name=role; roles of peop"),
        ("run nothing", {}, "no such service: nothing"),
        ("migrate", NOWHERE, "the database cannot be reached"),
        ("keys list", NOWHERE, "the database cannot be reached"),
        ("stages", NOWHERE, "the database cannot be reached"),
        ("stages", {"LEADLOOP_ADMIN_KEY": "long enough a key"}, "is the product running?"),
        ("topics", {"LEADLOOP_BROKER_URL": "kafka://127.0.0.1:1"}, "the broker cannot be reached"),
        ("topics", {}, "the embedded product needs no topics"),
    ],
)
def test_what_is_wrong_is_said_plainly(
    leadloop: Any, arguments: str, settings: dict[str, str], words: str
) -> None:
    (leadloop.folder / "file").touch()
    ended = leadloop(*arguments.split(), **settings)
    assert ended.returncode == 1
    assert words in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


def test_a_port_in_use_is_said_before_anything_is_made(leadloop: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = leadloop("run", PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"port {port} on 127.0.0.1 is in use: stop what uses it, or set PORT (or LEADLOOP_HOST)\n"
    )
    assert [path.name for path in (leadloop.folder / "data").iterdir()] == ["leadloop.lock"]


@pytest.mark.parametrize("broker", ["local:", "kafka://127.0.0.1:1"])
@pytest.mark.parametrize("database", ["", "sqlite:elsewhere"])
def test_files_of_sqlite_belong_to_one_process(leadloop: Any, broker: str, database: str) -> None:
    """Whatever the broker: a second process would checkpoint beside the first."""
    folder: Path = leadloop.folder / (database.removeprefix("sqlite:") or "data")
    folder.mkdir()
    with (folder / "leadloop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = leadloop("run", LEADLOOP_BROKER_URL=broker, LEADLOOP_DATABASE_URL=database)
    assert ended.returncode == 1
    assert f"{folder.name} is in use by another process" in ended.stderr
