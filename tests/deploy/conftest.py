"""The command line as somebody types it: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class CommandLine:
    """``leadloop`` in ``folder``, with none of the settings of whoever runs the tests."""

    folder: Path

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy", *arguments],
            cwd=self.folder,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def environment(self, **settings: str) -> Mapping[str, str]:
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("LEADLOOP_") and name != "PORT"
        }
        return {**plain, "PYTHONPATH": str(ROOT), "PORT": "0", "COLUMNS": "200", **settings}


@pytest.fixture
def leadloop(tmp_path: Path) -> CommandLine:
    """The command in an empty folder."""
    return CommandLine(tmp_path)
