"""Each planted fault makes the tests fail that are there for it."""

import os
import subprocess
import sys

import pytest

from tests.planted.faults import FAULTS

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_the_tests_catch_it(fault: str, postgres: str) -> None:
    tests = FAULTS[fault][1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.planted.faults", tests],
        env={
            **os.environ,
            "LEADLOOP_PLANT": fault,
            "LEADLOOP_TEST_POSTGRES_URL": postgres,
            "PYTHONPATH": ".",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-2000:] + done.stderr
    assert "1 failed" in done.stdout
