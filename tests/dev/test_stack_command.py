"""``make stack`` says plainly why it can't start."""

from pathlib import Path

import pytest

from dev import stack
from dev.parts.process import PartFailed


def test_a_part_that_cannot_start_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(self: stack.Stack) -> stack.Stack:
        raise PartFailed("PostgreSQL ended with code 1.")

    monkeypatch.setattr(stack.Stack, "start", fails)
    monkeypatch.setattr(stack.Stack, "stop", lambda self: None)
    monkeypatch.setattr(stack.signal, "signal", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["stack", "--folder", str(tmp_path / "stack")])
    with pytest.raises(SystemExit) as ended:
        stack.main()
    assert "PostgreSQL ended with code 1." in str(ended.value.code)
    assert "Is another stack running?" in str(ended.value.code)
    assert "up to a minute" in capsys.readouterr().out
