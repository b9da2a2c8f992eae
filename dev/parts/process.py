"""One server process: its log, its pid, how to wait for it, stop it and kill it."""

import atexit
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

PORT_TAKEN: Final = "Address already in use"
_LOG_TAIL_LINES: Final = 40


class PartFailed(Exception):
    """A server did not start. The text ends with the last lines of its log."""


class ServerProcess:
    """A server that this process started, in a session of its own (Ctrl-C does not reach it)."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The running server's process id, None when there is none."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def spawn(
        self,
        command: Sequence[object],
        port: int,
        env: Mapping[str, str],
        user: str | None = None,
    ) -> None:
        """Start the command, which will listen on ``port``, with its output going to the log.
        Raises PartFailed when it runs already, and with PORT_TAKEN when somebody else listens."""
        if self.pid is not None:
            raise PartFailed(f"{self.name} runs already (pid {self.pid})")
        if port_taken(port):
            raise PartFailed(f"{self.name}: 127.0.0.1:{port}: {PORT_TAKEN}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(env),
                user=user,
                group=_group_of(user),
                extra_groups=[] if user else None,
                cwd="/" if user else None,
                start_new_session=True,
            )
        atexit.register(self.kill)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once ``ready()`` holds. Raises PartFailed when the process ends before that or
        the time is over; the process is gone then."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process is None or self._process.poll() is not None:
                code = self._process.returncode if self._process else "?"
                raise PartFailed(f"{self.name} ended with code {code}.\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise PartFailed(f"{self.name} not up after {seconds:g} s.\n{self.log_tail()}")
            time.sleep(0.05)

    def stop(self, with_signal: signal.Signals, seconds: float) -> None:
        """Ask the server to end, wait, and kill it when the time is over."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), with whatever it started."""
        if self._process is None:
            return
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
        atexit.unregister(self.kill)

    def log_tail(self) -> str:
        """The last lines of the log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return f"(no log at {self.log})"
        return "\n".join([f"--- last lines of {self.log}", *lines[-_LOG_TAIL_LINES:]])


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now.

    Below the range from which systems pick ports for outgoing connections: a client that retries
    against a stopped server could otherwise be given that server's port, and keep it.
    """
    for _ in range(1000):
        port = 20_000 + secrets.randbelow(12_000)
        if not port_taken(port):
            return port
    raise PartFailed("no free port between 20000 and 32000")


def port_taken(port: int) -> bool:
    """Whether somebody listens on this port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _group_of(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid
