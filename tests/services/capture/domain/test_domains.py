"""Whose domain it is."""

import socket

import pytest

from services.capture.domain.channel import channel
from services.capture.domain.domains import is_disposable, site_domain
from services.capture.domain.submission import derived_facts


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.engines.co.uk/about", "engines.co.uk"),
        ("https://shop.de.engines.com", "engines.com"),
        ("http://engines.com:8080", "engines.com"),
        ("https://192.0.2.7/", None),
        ("https://localhost", None),
        ("https://co.uk", None),
        ("https://somebody.github.io", None),
        ("https://somebody.wixsite.com/engines", None),
    ],
)
def test_a_websites_domain_is_the_one_somebody_registered(
    website: str, domain: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise AssertionError("nothing is looked up")

    monkeypatch.setattr(socket.socket, "connect", nowhere)
    assert site_domain(website) == domain


@pytest.mark.parametrize(
    ("contact", "facts"),
    [
        ({"email": "a@engines.com", "website": "https://other.com"},
         {"email_type": "business", "company_domain": "engines.com"}),
        ({"email": "a@gmail.com", "website": "https://www.engines.com"},
         {"email_type": "free", "company_domain": "engines.com"}),
        ({"email": "a@mailinator.com"}, {"email_type": "free", "email_disposable": True}),
        ({"email": "a@x.yopmail.com"}, {"email_type": "free", "email_disposable": True}),
        ({"phone": "+493012345678"}, {"email_type": "none"}),
    ],
)  # fmt: skip
def test_what_a_decision_knows_of_it(contact: dict[str, str], facts: dict[str, object]) -> None:
    found = derived_facts(contact)
    assert {k: v for k, v in found.items() if not k.startswith("has_")} == facts


def test_ordinary_hosts_are_not_thrown_away() -> None:
    for domain in ("gmail.com", "gmx.de", "engines.example", "mail.engines.com", "com"):
        assert not is_disposable(domain), domain


@pytest.mark.parametrize(
    ("attribution", "word"),
    [
        ({"utm_medium": "paidsocial", "utm_source": "linkedin"}, "paid_social"),
        ({"utm_source": "newsletter"}, "email"),
        ({"referrer": "https://www.google.de/"}, "organic_search"),
        ({}, "direct"),
    ],
)
def test_the_channel_by_its_table(attribution: dict[str, str], word: str) -> None:
    assert channel(attribution) == word
