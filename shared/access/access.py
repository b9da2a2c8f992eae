"""Who may do what, answered from memory.

Each process keeps a snapshot of the active keys and takes a new one every two seconds and after its
own changes, so a revoked key stops working everywhere within seconds and no request waits for the
store. A key that the snapshot lacks is looked up, so that a new one works the moment it is made;
how often that may happen is bounded, because anybody can make keys up. Uses are noted in memory,
and written after a snapshot, for each key once a minute. When the store is away, the last snapshot
serves for up to five minutes; after that nobody is let in (503), because a revoked key must not
live on for as long as an outage lasts.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from shared.access.keys import SHORTEST_KEY, hash_key
from shared.access.roles import Principal, Role
from shared.access.sessions import MAX_AGE_SECONDS, Session, Sessions
from shared.access.store import LOGIN, AccessStore, Invited, KeyRow
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.db.errors import is_transient
from shared.db.revisions import pending

MIGRATIONS = Path(__file__).parent / "migrations"
REFRESH_SECONDS = 2.0
STALE_AFTER_SECONDS = 300.0
LOOKUPS_PER_SECOND = 20
"""Most keys a second that are looked up because the snapshot lacks them."""
USE_WRITTEN_EVERY = timedelta(minutes=1)
INVITED_FOR = timedelta(days=7)
T = TypeVar("T")
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    by_hash: dict[str, Principal]
    by_id: dict[str, Principal]
    sessions: Sessions
    taken: float


class Access:
    """The keys, the roles and the sessions of one process.

    The runner calls ``refresh`` every two seconds. Use it as an async context manager in
    short-lived programs.
    """

    def __init__(
        self,
        db: Database,
        *,
        admin_key: str | None = None,
        stale_after_seconds: float = STALE_AFTER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if admin_key is not None and len(admin_key) < SHORTEST_KEY:
            raise ValueError(f"the admin key must have at least {SHORTEST_KEY} characters")
        self._db = db
        self._store = AccessStore(self._run, postgresql=db.dialect == "postgresql")
        self._admin_key = admin_key
        self._stale_after = stale_after_seconds
        self._monotonic = monotonic
        self._snapshot: _Snapshot | None = None
        self._prepared = False
        self._one_at_a_time = asyncio.Lock()
        self._looked_up = 0
        self._second = 0
        self._used: dict[str, datetime] = {}
        self._use_written: dict[str, datetime] = {}

    @classmethod
    def open(cls, url: str, *, admin_key: str | None = None) -> Self:
        """Access on the database at ``url`` (``sqlite:<folder>`` or ``postgresql://…``)."""
        return cls(Database.open(url, "access", writers=1), admin_key=admin_key)

    def close(self) -> None:
        """Close the store."""
        self._db.close()

    async def __aenter__(self) -> Self:
        await self.refresh()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def authenticate(self, authorization: str | None) -> Principal:
        """The caller behind an ``Authorization`` header.

        Raises ``Problem`` 401 without a valid key, 503 when the keys can't be known.
        """
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _unauthorized("Send your key in the header Authorization: Bearer <key>.")
        hashed = hash_key(key.strip())
        principal = self._fresh().by_hash.get(hashed) or await self._look_up(key_hash=hashed)
        if principal is None:
            raise _unauthorized("This key is not known, or it has been revoked.", "invalid_token")
        self._used[principal.key_id] = _now()
        return principal

    async def principal_of_session(self, session: Session) -> Principal | None:
        """The caller of a session, or None once its key has been revoked."""
        known = self._fresh().by_id.get(session.key_id)
        principal = known or await self._look_up(key_id=session.key_id)
        if principal is not None:
            self._used[principal.key_id] = _now()
        return principal

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
        return await self._changed(lambda: self._store.create_key(role, rep_id, label, _now()))

    async def let_in(
        self,
        role: Role,
        rep_id: str | None = None,
        label: str = "",
        seconds: float = MAX_AGE_SECONDS,
    ) -> Principal:
        """A login without a key, which ends by itself: for somebody a provider knows."""
        now = _now()
        until = now + timedelta(seconds=seconds)
        login = await self._changed(lambda: self._store.add_login(role, rep_id, label, now, until))
        return Principal(login, role, rep_id)

    async def log_out(self, principal: Principal) -> None:
        """End a login that was made without a key; a key lives on."""
        if principal.key_id.startswith(LOGIN):
            await self.revoke_key(principal.key_id)

    async def revoke_key(self, key_id_or_key: str) -> bool:
        """End a key: at once here, within seconds in other processes. False if none was active."""
        return await self._changed(lambda: self._store.revoke(key_id_or_key, _now()))

    async def revoke_rep(self, rep_id: str) -> int:
        """End all keys, logins and invitations of a rep, as ``revoke_key``; answers how many."""
        return await self._changed(lambda: self._store.revoke_of_rep(rep_id, _now()))

    def have_keys(self, rep_ids: Iterable[str]) -> set[str]:
        """Those of these reps who have a key or a login, as of the last snapshot."""
        known = self._fresh().by_id.values()
        return {one.rep_id for one in known if one.rep_id is not None}.intersection(rep_ids)

    async def invite(self, rep_id: str, role: Role) -> tuple[str, datetime]:
        """Invite a rep: what the link must hold, and until when it works, once. An earlier
        invitation of theirs works no longer."""
        until = _now() + INVITED_FOR
        return await self._changed(lambda: self._store.invite(rep_id, role, until)), until

    async def invited(self, secret: str) -> Invited | None:
        """Whom a link invites; None once it is used, replaced or too old. Raises ``Problem`` 429
        beyond so many a second: anybody can make links up."""
        if not self._may_look_up():
            raise Problem(
                429, "Too many at once", "Try again in a moment.", headers={"Retry-After": "1"}
            )
        return await self._db.on_writer(lambda: self._store.invited(secret, _now()))

    async def take_up(self, secret: str, label: str) -> tuple[Principal, str] | None:
        """Use an invitation: a key of the rep's own, and who they are with it. None as above."""

        def make() -> tuple[Principal, str] | None:
            found = self._store.take_up(secret, _now())
            if found is None:
                return None
            key_id, key = self._store.create_key(found.role, found.rep_id, label, _now())
            return Principal(key_id, found.role, found.rep_id), key

        return await self._changed(make)

    async def _changed(self, change: Callable[[], T]) -> T:
        """Change the store, and know of it at once."""

        def work() -> T:
            self._prepare()
            return change()

        done = await self._db.on_writer(work)
        await self.refresh()
        return done

    async def list_keys(self) -> list[KeyRow]:
        """Every key ever made, without the keys themselves."""

        def listed() -> list[KeyRow]:
            self._prepare()
            return self._store.list_keys()

        return await self._db.on_writer(listed)

    async def check(self) -> str | None:
        """None while callers can be told apart, else what is wrong, for readiness."""
        if self._age() < self._stale_after:
            return None
        return "access: the store of access keys does not answer"

    async def refresh(self) -> int:
        """Take a new snapshot now; returns 0. Raises what the store raises when it is away."""
        async with self._one_at_a_time:
            self._snapshot = await self._db.on_writer(self._taken)
            await self._write_uses()
        return 0

    async def _write_uses(self) -> None:
        due = {
            key_id: at
            for key_id, at in self._used.items()
            if at - self._use_written.get(key_id, _NEVER) >= USE_WRITTEN_EVERY
        }
        if due:
            await self._db.on_writer(lambda: self._store.used(due))
            self._use_written.update(due)

    def _taken(self) -> _Snapshot:
        self._prepare()
        started, previous = self._monotonic(), self._snapshot
        by_hash = self._store.active(_now())
        sessions = previous.sessions if previous else Sessions(self._store.session_secret(_now()))
        by_id = {principal.key_id: principal for principal in by_hash.values()}
        return _Snapshot(by_hash, by_id, sessions, started)

    def _prepare(self) -> None:
        if self._prepared:
            return
        if pending(self._db, MIGRATIONS):
            from shared.db.migrations import migrate  # Alembic is slow to import

            migrate(self._db, MIGRATIONS)
        if self._admin_key is not None:
            self._store.add_key(self._admin_key, Role.ADMIN, None, "from the settings", _now())
        self._prepared = True

    def _run(self, sql: str, values: dict[str, Any], *, write: bool) -> Sequence[Any]:
        with self._db.begin() if write else self._db.connect() as conn:
            result = conn.exec_driver_sql(sql, values)
            return result.all() if result.returns_rows else []

    async def _look_up(self, *, key_hash: str = "", key_id: str = "") -> Principal | None:
        """An active key that was made since the last snapshot; None beyond so many a second."""
        snapshot = self._snapshot
        if not self._may_look_up() or snapshot is None:
            return None
        try:
            found = await self._db.on_writer(lambda: self._store.find(key_hash, key_id, _now()))
        except Exception as error:
            if is_transient(error):
                return None  # the snapshot serves while the store is away
            raise
        if found is None:
            return None
        hashed, principal = found
        snapshot.by_hash[hashed] = principal
        snapshot.by_id[principal.key_id] = principal
        return principal

    def _may_look_up(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._looked_up = second, 0
        self._looked_up += 1
        return self._looked_up <= LOOKUPS_PER_SECOND

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
