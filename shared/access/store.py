"""The access store: hashed keys, logins, invitations, and the secret that signs sessions.

A *login* is a row of somebody who came in without a key: like a key that nobody holds, for it is
stored under a hash that no key has, and that ends by itself. So revoking works as for keys.

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
    "INSERT INTO keys (key_id, key_hash, role, rep_id, label, created_at, expires_at) "
    "VALUES (:key_id, :key_hash, :role, :rep_id, :label, :at, :expires_at) "
    "ON CONFLICT (key_hash) DO NOTHING"
)
_FORGET = "DELETE FROM keys WHERE expires_at < :at"
_REVOKE = (
    "UPDATE keys SET revoked_at = :at WHERE (key_id = :key OR key_hash = :key_hash) "
    "AND revoked_at IS NULL RETURNING key_id"
)
_REVOKE_OF_REP = (
    "UPDATE keys SET revoked_at = :at WHERE rep_id = :rep_id AND revoked_at IS NULL "
    "RETURNING key_id"
)
_USED = (
    "UPDATE keys SET last_used_at = :at "
    "WHERE key_id = :key_id AND (last_used_at IS NULL OR last_used_at < :at)"
)
_LIST = (
    "SELECT key_id, role, rep_id, label, created_at, revoked_at, last_used_at, expires_at "
    "FROM keys ORDER BY created_at, key_id"
)
_ACTIVE = (
    "SELECT key_hash, key_id, role, rep_id FROM keys "
    "WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :at)"
)
_FIND = _ACTIVE + " AND (key_hash = :key_hash OR key_id = :key_id)"
_SIGNS = "SELECT value FROM secrets WHERE name = 'session'"
_ADD_SIGNS = (
    "INSERT INTO secrets (name, value, created_at) VALUES ('session', :value, :at) "
    "ON CONFLICT (name) DO NOTHING"
)
_INVITE = (
    "INSERT INTO invitations (rep_id, link_hash, role, expires_at) "
    "VALUES (:rep_id, :link_hash, :role, :expires_at) ON CONFLICT (rep_id) DO UPDATE "
    "SET link_hash = excluded.link_hash, role = excluded.role, expires_at = excluded.expires_at"
)
_INVITED = "SELECT rep_id, role FROM invitations WHERE link_hash = :link_hash AND expires_at > :at"
_TAKE_UP = (
    "DELETE FROM invitations WHERE link_hash = :link_hash AND expires_at > :at "
    "RETURNING rep_id, role"
)
_UNINVITE = "DELETE FROM invitations WHERE rep_id = :rep_id RETURNING rep_id"
LOGIN = "login_"
"""How the ids of logins begin."""


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom an invitation is for, and as what."""

    rep_id: str
    role: Role


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
    expires_at: datetime | None = None
    """When a login ends; keys don't."""

    @property
    def active(self) -> bool:
        """Whether the key has not been revoked."""
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
        return self._add("key_" + hashed[:16], hashed, role, rep_id, label, at, None)

    def add_login(
        self, role: Role, rep_id: str | None, label: str, at: datetime, until: datetime
    ) -> str:
        """Let somebody in without a key; answers the login's id. Forgets logins that have ended."""
        self._write(_FORGET, at=at)
        number = secrets.token_hex(16)
        return self._add(LOGIN + number[:16], LOGIN + number, role, rep_id, label, at, until)

    def _add(
        self,
        key_id: str,
        hashed: str,
        role: Role,
        rep_id: str | None,
        label: str,
        at: datetime,
        until: datetime | None,
    ) -> str:
        who = {"role": role.value, "rep_id": rep_id, "label": label}
        self._write(_ADD, key_id=key_id, key_hash=hashed, **who, at=at, expires_at=until)
        return key_id

    def revoke(self, key_id_or_key: str, at: datetime) -> bool:
        """Mark a key as revoked. False if no active key matches."""
        hashed = hash_key(key_id_or_key)
        return bool(self._write(_REVOKE, key=key_id_or_key, key_hash=hashed, at=at))

    def revoke_of_rep(self, rep_id: str, at: datetime) -> int:
        """End every key, login and invitation of a rep; answers how many there were."""
        ended = [*self._write(_UNINVITE, rep_id=rep_id)]
        return len(ended) + len(self._write(_REVOKE_OF_REP, rep_id=rep_id, at=at))

    def invite(self, rep_id: str, role: Role, until: datetime) -> str:
        """Invite a rep in the place of any earlier invitation; answers what the link must hold."""
        secret = secrets.token_urlsafe(32)
        values = {"rep_id": rep_id, "role": role.value, "expires_at": until}
        self._write(_INVITE, link_hash=hash_key(secret), **values)
        return secret

    def invited(self, secret: str, at: datetime) -> Invited | None:
        """Whom an invitation is for; None once it is used, replaced or too old."""
        return _invited(self._read(_INVITED, link_hash=hash_key(secret), at=at))

    def take_up(self, secret: str, at: datetime) -> Invited | None:
        """Use an invitation, which one caller alone can: None for every other."""
        return _invited(self._write(_TAKE_UP, link_hash=hash_key(secret), at=at))

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

    def active(self, at: datetime) -> dict[str, Principal]:
        """The caller behind each key that is active then, by the key's hash."""
        return {hashed: _principal(*known) for hashed, *known in self._read(_ACTIVE, at=at)}

    def find(self, key_hash: str, key_id: str, at: datetime) -> tuple[str, Principal] | None:
        """A key that is active then by its hash or its id: the hash, and the caller behind it."""
        for hashed, *known in self._read(_FIND, key_hash=key_hash, key_id=key_id, at=at):
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
        return self._run(self._spelt(sql), self._stored(values), write=False)

    def _write(self, sql: str, **values: Any) -> Sequence[Any]:
        return self._run(self._spelt(sql), self._stored(values), write=True)

    def _stored(self, values: dict[str, Any]) -> dict[str, Any]:
        """Times as the database keeps them."""
        return {
            name: self._time(value) if isinstance(value, datetime) else value
            for name, value in values.items()
        }

    def _time(self, at: datetime) -> datetime | str:
        moment = at.astimezone(UTC)
        text = moment.replace(tzinfo=None).isoformat(" ", "microseconds")
        return moment if self._postgresql else text

    def _spelt(self, sql: str) -> str:
        return re.sub(r":(\w+)", r"%(\1)s", sql) if self._postgresql else sql


def _invited(rows: Sequence[Any]) -> Invited | None:
    return next((Invited(rep_id, Role(role)) for rep_id, role in rows), None)


def _principal(key_id: str, role: str, rep_id: str | None) -> Principal:
    return Principal(key_id, Role(role), rep_id)


def _moment(stored: Any) -> Any:
    """A time as SQLite keeps it, or as PostgreSQL's driver gives it."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return stored and stored.astimezone(UTC)
