"""Session cookies: nobody but us can make one, and they end."""

import time

import pytest
from itsdangerous import URLSafeTimedSerializer

from shared.access.sessions import Sessions

SECRET = "s" * 64


def test_a_session_comes_back_as_it_was_begun() -> None:
    sessions = Sessions(SECRET)
    first, second = sessions.read(sessions.begin("key_1")), sessions.read(sessions.begin("key_1"))
    assert first is not None
    assert second is not None
    assert first.key_id == second.key_id == "key_1"
    assert first.csrf_token != second.csrf_token
    assert len(first.csrf_token) >= 43


@pytest.mark.parametrize("cookie", [None, "", "x", "a.b.c", "ÿ" * 10, "." * 5000])
def test_anything_else_is_no_session(cookie: str | None) -> None:
    assert Sessions(SECRET).read(cookie) is None


def test_every_altered_character_is_noticed() -> None:
    sessions = Sessions(SECRET)
    cookie = sessions.begin("key_1")
    # The last character of each base64 part may carry bits that mean nothing.
    for place in range(len(cookie) - 1):
        if cookie[place] == "." or cookie[place + 1] == ".":
            continue
        altered = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert sessions.read(altered) is None, place


def test_another_secret_or_another_purpose_makes_no_session() -> None:
    assert Sessions(SECRET).read(Sessions("t" * 64).begin("key_1")) is None
    other = URLSafeTimedSerializer(SECRET, salt="leadloop.other").dumps(["key_1", "token"])
    assert Sessions(SECRET).read(str(other)) is None


@pytest.mark.parametrize("payload", ["key_1", ["key_1"], ["key_1", ""], [1, "t"], {"k": "v"}, None])
def test_a_signed_payload_of_another_shape_is_no_session(payload: object) -> None:
    signed = URLSafeTimedSerializer(SECRET, salt="leadloop.session.v1").dumps(payload)
    assert Sessions(SECRET).read(str(signed)) is None


def test_a_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(SECRET)
    cookie = sessions.begin("key_1")
    later = time.time() + 12 * 3600
    monkeypatch.setattr(time, "time", lambda: later - 60)
    assert sessions.read(cookie) is not None
    monkeypatch.setattr(time, "time", lambda: later + 60)
    assert sessions.read(cookie) is None
