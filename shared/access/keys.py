"""Access keys: how one is made, and what is kept of it.

A key is ``ll_<role>_<32 random bytes, URL-safe>``. The prefix lets people and secret scanners see
what a stray string is; the role in it grants nothing, only the stored one counts.

Only the SHA-256 of a key is stored. A slow password hash (Argon2, bcrypt) defends secrets that can
be guessed; 256 random bits can't be, and a fast hash lets every request be checked with one
dictionary lookup. The lookup needs no constant-time comparison: what an attacker could learn from
its timing is bits of a hash whose input they can't steer.
"""

import hashlib
import secrets

from shared.access.roles import Role

RANDOM_BYTES = 32
SHORTEST_KEY = 12
"""Keys chosen by an operator must be at least this long (characters)."""


def new_key(role: Role) -> str:
    """A fresh key for ``role``. It is shown once and can't be read back."""
    return f"ll_{role.value}_{secrets.token_urlsafe(RANDOM_BYTES)}"


def hash_key(key: str) -> str:
    """The hexadecimal SHA-256 of a key: the only form in which it is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
