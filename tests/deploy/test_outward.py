"""What the settings say about how people are reached."""

from typing import Any

import pytest

from deploy.settings import Settings
from shared.runtime.outward import Outward


def outward(**named: str) -> Outward:
    """As these settings have it."""
    known: dict[str, Any] = {f"LEADLOOP_{name.upper()}": value for name, value in named.items()}
    return Settings(_env_file=None, **known).outward


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0"}, "http://localhost:8000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"service_urls": "routing=http://localhost:8003"}, "http://localhost:8003"),
        (
            {"service_urls": "routing=http://x:1", "public_url": "https://leads.example/"},
            "https://leads.example",
        ),
    ],
)
def test_links_begin_with_the_address_that_people_use(named: dict[str, str], address: str) -> None:
    assert outward(**named).public_url == address


def test_mail_and_allowed_addresses() -> None:
    assert outward().mail is None
    sender = "L <l@x.example>"
    made = outward(smtp_url="smtp://mail.example", mail_from=sender, outgoing_allow="x:1")
    assert made.mail is not None
    assert (made.mail.host, made.mail.port, made.mail.domain) == ("mail.example", 25, "x.example")
    assert made.allowed.names == {("x", 1)}


@pytest.mark.parametrize(
    "named",
    [
        {"smtp_url": "smtp://u:secret@mail.example"},
        {"smtp_url": "mail.example:25", "mail_from": "l@x.example"},
        {"public_url": "leads.example"},
        {"outgoing_allow": "host:port"},
    ],
)
def test_what_says_nothing_is_refused_on_the_start(named: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"LEADLOOP_MAIL_FROM|mail server|address|port"):
        outward(**named)
