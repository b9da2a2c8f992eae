"""Who may import whom: the rules hold, and each of them catches a planted violation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

VIOLATIONS = {
    "deploy uses services, services use shared; what ships needs nothing of dev": [
        ("shared/runtime/planted.py", "import services.capture.service\n"),
        ("services/qualify/web/planted.py", "import deploy.run\n"),
        ("deploy/planted.py", "import dev.stack\n"),
    ],
    "Services know each other by events alone": [
        ("services/capture/planted.py", "import services.routing.domain\n"),
        ("services/feedback/store/planted.py", "import services.capture.store.tables\n"),
    ],
    "Inside a service": [
        ("services/qualify/domain/planted.py", "import services.qualify.store.unit\n"),
        ("services/routing/store/planted.py", "import services.routing.handlers\n"),
        ("services/feedback/handlers/planted.py", "import services.feedback.http\n"),
    ],
    "Inside shared": [
        ("shared/contracts/planted.py", "import shared.db.database\n"),
        ("shared/db/planted.py", "import shared.runtime.unit\n"),
        ("shared/bus/planted.py", "import shared.access\n"),
    ],
    "A domain does no I/O": [
        ("services/routing/domain/planted.py", "import sqlalchemy\n"),
        ("services/capture/domain/planted.py", "import asyncio\n"),
    ],
}
"""For each contract files that break it."""


def _tree(folder: Path) -> Path:
    """A copy of the code and its rules."""
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates")
    for package in ("services", "shared", "deploy", "dev"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_rules_hold(tmp_path: Path) -> None:
    done = _lint(_tree(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_violation_here() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}
    assert names == set(VIOLATIONS)


@pytest.mark.parametrize(
    ("contract", "path", "text"),
    [(name, *planted) for name, files in VIOLATIONS.items() for planted in files],
    ids=[path for files in VIOLATIONS.values() for path, _ in files],
)
def test_a_planted_violation_is_caught(tmp_path: Path, contract: str, path: str, text: str) -> None:
    tree = _tree(tmp_path)
    (tree / path).write_text(text)
    done = _lint(tree)
    assert done.returncode != 0
    said = " ".join(done.stdout.split())  # long names are broken over lines
    assert f"{contract} BROKEN" in said, done.stdout + done.stderr
    assert path.removesuffix(".py").replace("/", ".") in said
