"""The access store: hashed keys and the secret that signs sessions.

It is a small database of its own (the file ``access.db`` of the data folder, or the PostgreSQL
schema ``access``) because every service reads it and none owns it. Its statements are SQL that both
databases understand, each a transaction of its own: the command line runs them without SQLAlchemy,
which takes longer to import than such a command takes for all the rest.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from shared.access.keys import hash_key, new_key
from shared.access.roles import PERSONAL, Principal, Role

_ADD = (
    "INSERT INTO keys (key_id, key_hash, role, rep_id, label, created_at) "
    "VALUES (:key_id, :key_hash, :role, :rep_id, :label, :at) ON CONFLICT (key_hash) DO NOTHING"
)
_REVOKE = (
    "UPDATE keys SET revoked_at = :at WHERE (key_id = :key OR key_hash = :key_hash) "
    "AND revoked_at IS NULL RETURNING key_id"
)
_USED = (
    "UPDATE keys SET last_used_at = :at "
    "WHERE key_id = :key_id AND (last_used_at IS NULL OR last_used_at < :at)"
)
_LIST = (
    "SELECT key_id, role, rep_id, label, created_at, revoked_at, last_used_at FROM keys "
    "ORDER BY created_at, key_id"
)
_ACTIVE = "SELECT key_hash, key_id, role, rep_id FROM keys WHERE revoked_at IS NULL"
_FIND = _ACTIVE + " AND (key_hash = :key_hash OR key_id = :key_id)"
_SIGNS = "SELECT value FROM secrets WHERE name = 'session'"
_ADD_SIGNS = (
    "INSERT INTO secrets (name, value, created_at) VALUES ('session', :value, :at) "
    "ON CONFLICT (name) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known about a key. The key itself is not: only its hash is kept."""

    key_id: str
    role: Role
    rep_id: str | None
    label: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To a minute or so."""

    @property
    def active(self) -> bool:
        """Whether the key still opens anything."""
        return self.revoked_at is None


class Run(Protocol):
    """Runs a statement, with its driver's parameters, as one transaction; answers its rows."""

    def __call__(self, sql: str, values: dict[str, Any], *, write: bool) -> Sequence[Any]: ...


class AccessStore:
    """Reads and writes of the access store. Raises what ``run`` raises when it can't be reached."""

    def __init__(self, run: Run, *, postgresql: bool) -> None:
        self._run = run
        self._postgresql = postgresql

    def create_key(
        self, role: Role, rep_id: str | None, label: str, at: datetime
    ) -> tuple[str, str]:
        """Make a key; answers its id and the key itself, which can't be read again.

        Raises ValueError unless a rep's or manager's key names its rep and every other names none.
        """
        if (role in PERSONAL) != (rep_id is not None):
            raise ValueError("a rep's or manager's key needs its rep_id, and no other key has one")
        key = new_key(role)
        return self.add_key(key, role, rep_id, label, at), key

    def add_key(self, key: str, role: Role, rep_id: str | None, label: str, at: datetime) -> str:
        """Store a key's hash; answers its id. Does nothing about a key that is there already, even
        if revoked."""
        hashed = hash_key(key)
        key_id = "key_" + hashed[:16]
        self._write(
            _ADD,
            key_id=key_id,
            key_hash=hashed,
            role=role.value,
            rep_id=rep_id,
            label=label,
            at=at,
        )
        return key_id

    def revoke(self, key_id_or_key: str, at: datetime) -> bool:
        """Mark a key as revoked. False if no active key matches."""
        hashed = hash_key(key_id_or_key)
        return bool(self._write(_REVOKE, key=key_id_or_key, key_hash=hashed, at=at))

    def used(self, moments: Mapping[str, datetime]) -> None:
        """Note when keys were used last, by their ids."""
        for key_id, at in moments.items():
            self._write(_USED, key_id=key_id, at=at)

    def list_keys(self) -> list[KeyRow]:
        """Every key ever made, oldest first."""
        return [
            KeyRow(key_id, Role(role), rep_id, label, *map(_moment, moments))
            for key_id, role, rep_id, label, *moments in self._read(_LIST)
        ]

    def active(self) -> dict[str, Principal]:
        """The caller behind each active key, by the key's hash."""
        return {hashed: _principal(*known) for hashed, *known in self._read(_ACTIVE)}

    def find(self, key_hash: str, key_id: str) -> tuple[str, Principal] | None:
        """An active key by its hash or its id: the hash, and the caller behind it."""
        for hashed, *known in self._read(_FIND, key_hash=key_hash, key_id=key_id):
            return hashed, _principal(*known)
        return None

    def session_secret(self, at: datetime) -> str:
        """The secret that signs sessions, made on the first call; the same for every process."""
        rows = self._read(_SIGNS)
        if not rows:
            self._write(_ADD_SIGNS, value=secrets.token_urlsafe(48), at=at)
            rows = self._read(_SIGNS)
        return str(rows[0][0])

    def _read(self, sql: str, **values: Any) -> Sequence[Any]:
        return self._run(self._spelt(sql), values, write=False)

    def _write(self, sql: str, at: datetime, **values: Any) -> Sequence[Any]:
        moment = at.astimezone(UTC)
        text = moment.replace(tzinfo=None).isoformat(" ", "microseconds")
        values["at"] = moment if self._postgresql else text
        return self._run(self._spelt(sql), values, write=True)

    def _spelt(self, sql: str) -> str:
        return re.sub(r":(\w+)", r"%(\1)s", sql) if self._postgresql else sql


def _principal(key_id: str, role: str, rep_id: str | None) -> Principal:
    return Principal(key_id, Role(role), rep_id)


def _moment(stored: Any) -> Any:
    """A time as SQLite keeps it, or as PostgreSQL's driver gives it."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return stored and stored.astimezone(UTC)
