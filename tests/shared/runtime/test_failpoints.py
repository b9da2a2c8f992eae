"""Places at which a process can be told to die: each is there, and it dies at no other."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime import failpoints
from tests.shared.toy.service import toy_on

ROOT = Path(__file__).parents[3]
NOTHING = {"effects": 0, "inbox": 0, "outbox": 0, "dead_letters": 0, "read": 0}


def _run(folder: Path, failpoint: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.shared.runtime.dying", str(folder)],
        env={**os.environ, "LEADLOOP_FAILPOINT": failpoint},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def _counts(folder: Path) -> dict[str, int]:
    async with toy_on(f"sqlite:{folder}") as toy:
        return await toy.counts()


@pytest.mark.parametrize("name", failpoints.NAMES)
def test_the_process_dies_at_the_named_place(name: str, tmp_path: Path) -> None:
    done = _run(tmp_path, f"{name}:qualify")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, ""), done.stderr


@pytest.mark.parametrize("failpoint", ["", "before-commit:routing", "no-such-place:qualify"])
def test_it_lives_on_where_nothing_was_said_of_it(failpoint: str, tmp_path: Path) -> None:
    done = _run(tmp_path, failpoint)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def test_it_may_pass_some_times_before_it_dies(tmp_path: Path) -> None:
    assert _run(tmp_path / "a", "before-commit:qualify:1").returncode == -signal.SIGKILL
    assert _run(tmp_path / "b", "before-commit:qualify:99").returncode == 0


@pytest.mark.parametrize("name", ["positions-moved", "batch-half-done", "before-commit"])
async def test_before_the_commit_nothing_is_stored(name: str, tmp_path: Path) -> None:
    assert _run(tmp_path, f"{name}:qualify").returncode == -signal.SIGKILL
    assert await _counts(tmp_path) == NOTHING


async def test_after_the_commit_all_is_stored(tmp_path: Path) -> None:
    assert _run(tmp_path, "after-commit:qualify").returncode == -signal.SIGKILL
    counts = await _counts(tmp_path)
    assert counts == {"effects": 6, "inbox": 6, "outbox": 6, "dead_letters": 0, "read": 7}


@pytest.mark.parametrize(
    ("name", "left"), [("before-publish", 6), ("published-not-removed", 6), ("removed", 0)]
)
async def test_a_row_leaves_the_outbox_after_it_was_published(
    name: str, left: int, tmp_path: Path
) -> None:
    assert _run(tmp_path, f"{name}:qualify").returncode == -signal.SIGKILL
    assert (await _counts(tmp_path))["outbox"] == left


def test_every_place_in_the_code_has_a_name_in_the_list() -> None:
    used: list[str] = []
    for package in ("shared", "services", "deploy"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                    "failpoints.reached"
                ):
                    used.append(ast.literal_eval(node.args[0]))
    assert set(used) == set(failpoints.NAMES)
    assert len(failpoints.NAMES) >= 12
