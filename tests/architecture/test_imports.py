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
    "deploy uses services, services use shared": (
        "shared/runtime/planted.py",
        "import services.capture.service\n",
    ),
    "Services know each other by events alone": (
        "services/capture/planted.py",
        "import services.routing.domain\n",
    ),
    "Inside a service": (
        "services/qualify/domain/planted.py",
        "import services.qualify.ports\n",
    ),
    "Inside shared": ("shared/contracts/planted.py", "import shared.db.engine\n"),
    "A domain does no I/O": ("services/routing/domain/planted.py", "import sqlalchemy\n"),
}
"""For each contract a file that breaks it."""


def _tree(folder: Path) -> Path:
    """A copy of the code and its rules."""
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates")
    for package in ("services", "shared", "deploy"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"},
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


@pytest.mark.parametrize("contract", list(VIOLATIONS))
def test_a_planted_violation_is_caught(tmp_path: Path, contract: str) -> None:
    tree = _tree(tmp_path)
    path, text = VIOLATIONS[contract]
    (tree / path).write_text(text)
    done = _lint(tree)
    assert done.returncode != 0
    assert f"{contract} BROKEN" in done.stdout, done.stdout + done.stderr
    assert path.removesuffix(".py").replace("/", ".") in done.stdout
