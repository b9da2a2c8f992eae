"""Who may do what, answered from memory.

Each process keeps a snapshot of the active keys and takes a new one every two seconds and after its
own changes, so a revoked key stops working everywhere within seconds and no request waits for the
store. When the store is away, the last snapshot serves for up to five minutes; after that nobody is
let in (503), because a revoked key must not live on for as long as an outage lasts.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from shared.access.keys import SHORTEST_KEY, hash_key, new_key
from shared.access.roles import Principal, Role
from shared.access.sessions import Session, Sessions
from shared.access.store import AccessStore, KeyRow
from shared.contracts.problems import Problem
from shared.db.engine import Database, is_transient

log = logging.getLogger(__name__)

REFRESH_SECONDS = 2.0
STALE_AFTER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    by_hash: dict[str, Principal]
    by_id: dict[str, Principal]
    sessions: Sessions
    taken: float


class Access:
    """The keys, the roles and the sessions of one process.

    A part of the runner: ``start`` never fails because the store is away, it keeps trying. Use it
    as an async context manager in short-lived programs.
    """

    name = "access"

    def __init__(
        self,
        store: AccessStore,
        *,
        admin_key: str | None = None,
        refresh_seconds: float = REFRESH_SECONDS,
        stale_after_seconds: float = STALE_AFTER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if admin_key is not None and len(admin_key) < SHORTEST_KEY:
            raise ValueError(f"the admin key must have at least {SHORTEST_KEY} characters")
        self._store = store
        self._admin_key = admin_key
        self._refresh_seconds = refresh_seconds
        self._stale_after = stale_after_seconds
        self._monotonic = monotonic
        self._snapshot: _Snapshot | None = None
        self._prepared = False
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    def open(cls, url: str, *, admin_key: str | None = None, own: bool = True) -> Self:
        """Access on the database at ``url`` (``sqlite:<folder>`` or ``postgresql://…``).

        ``own=False`` is for a second process beside the running product, such as the command line:
        it never checkpoints SQLite's log, which only one process may do safely.
        """
        db = Database.open(url, "access", pool_size=2, checkpoints=own)
        return cls(AccessStore(db), admin_key=admin_key)

    async def start(self) -> None:
        """Take the first snapshot, if the store answers, and keep it fresh from now on."""
        await self._try_refresh()
        self._task = asyncio.create_task(self._keep_fresh(), name="access-refresh")

    async def stop(self) -> None:
        """Stop refreshing and close the store."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._store.db.close()

    async def __aenter__(self) -> Self:
        await self.refresh()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def authenticate(self, authorization: str | None) -> Principal:
        """The caller behind an ``Authorization`` header.

        Raises ``Problem`` 401 without a valid key, 503 when the keys can't be known.
        """
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _unauthorized("Send your key in the header Authorization: Bearer <key>.")
        principal = self._fresh().by_hash.get(hash_key(key.strip()))
        if principal is None:
            raise _unauthorized("This key is not known, or it has been revoked.", "invalid_token")
        return principal

    def principal_of_session(self, session: Session) -> Principal | None:
        """The caller of a session, or None once its key has been revoked."""
        return self._fresh().by_id.get(session.key_id)

    @property
    def sessions(self) -> Sessions:
        """Signs and reads session cookies. Raises ``Problem`` 503 when the store is away."""
        return self._fresh().sessions

    def require(self, principal: Principal, *roles: Role) -> None:
        """Raise ``Problem`` 403 unless the caller has one of ``roles``."""
        if principal.role not in roles:
            allowed = ", ".join(role.value for role in roles)
            raise Problem(
                403,
                "Not allowed",
                f"This needs the role {allowed}; your key has the role {principal.role.value}.",
            )

    async def create_key(
        self, role: Role, rep_id: str | None = None, label: str = ""
    ) -> tuple[str, str]:
        """Make a key; answers its id and the key itself, which can't be read again.

        Raises ValueError unless a rep's key names its rep and every other key names none.
        """
        if (role is Role.REP) != (rep_id is not None):
            raise ValueError("a rep's key needs its rep_id, and no other key has one")
        await self._prepare()
        key = new_key(role)
        key_id = "key_" + hash_key(key)[:16]
        await self._store.add_key(key_id, key, role, rep_id, label, _now())
        await self.refresh()
        return key_id, key

    async def revoke_key(self, key_id_or_key: str) -> bool:
        """End a key: at once here, within seconds in other processes. False if none was active."""
        await self._prepare()
        revoked = await self._store.revoke(key_id_or_key, _now())
        await self.refresh()
        return revoked

    async def list_keys(self) -> list[KeyRow]:
        """Every key ever made, without the keys themselves."""
        await self._prepare()
        return await self._store.list_keys()

    async def check(self) -> str | None:
        """None while callers can be told apart, else what is wrong, for readiness."""
        if self._age() < self._stale_after:
            return None
        return "access: the store of access keys does not answer"

    async def refresh(self) -> None:
        """Take a new snapshot now. Raises what the store raises when it is away."""
        async with self._one_at_a_time:
            await self._prepare()
            started = self._monotonic()
            by_hash = await self._store.active()
            previous = self._snapshot
            sessions = (
                previous.sessions
                if previous is not None
                else Sessions(await self._store.session_secret(_now()))
            )
            by_id = {principal.key_id: principal for principal in by_hash.values()}
            self._snapshot = _Snapshot(by_hash, by_id, sessions, started)

    async def _prepare(self) -> None:
        if self._prepared:
            return
        await self._store.prepare()
        if self._admin_key is not None:
            key_id = "key_" + hash_key(self._admin_key)[:16]
            await self._store.add_key(
                key_id, self._admin_key, Role.ADMIN, None, "from the settings", _now()
            )
        self._prepared = True

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self._try_refresh()

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except Exception as error:
            # Whatever it is: a process that stops refreshing would stop seeing revocations.
            log.warning(
                "the access store can't be read, trying again",
                extra={"error": type(error).__name__},
                exc_info=not is_transient(error),
            )

    def _age(self) -> float:
        return float("inf") if self._snapshot is None else self._monotonic() - self._snapshot.taken

    def _fresh(self) -> _Snapshot:
        if self._snapshot is None or self._age() >= self._stale_after:
            raise Problem(
                503,
                "Access keys can't be checked",
                "The store of access keys does not answer. Try again in a moment.",
                headers={"Retry-After": "5"},
            )
        return self._snapshot


def _unauthorized(detail: str, error: str | None = None) -> Problem:
    challenge = 'Bearer realm="leadloop"' + (f', error="{error}"' if error else "")
    return Problem(401, "No valid key", detail, headers={"WWW-Authenticate": challenge})


def _now() -> datetime:
    return datetime.now(UTC)
