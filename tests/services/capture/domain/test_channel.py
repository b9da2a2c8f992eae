"""The channel a lead came by, and the domain it works at."""

import pytest

from services.capture.domain.channel import channel
from services.capture.domain.email import company_domain


@pytest.mark.parametrize(
    ("attribution", "expected"),
    [
        ({}, "direct"),
        ({"utm_medium": "CPC", "utm_source": "google"}, "paid_search"),
        ({"utm_medium": "email", "utm_source": "linkedin"}, "email"),
        ({"utm_source": "LinkedIn"}, "social"),
        ({"utm_source": "google"}, "organic_search"),
        ({"utm_source": "carrier-pigeon"}, "other"),
        ({"utm_medium": "pigeon", "referrer": "https://www.google.de/"}, "other"),
        ({"referrer": "https://www.google.co.uk/search"}, "organic_search"),
        ({"referrer": "https://t.co/abc"}, "social"),
        ({"referrer": "https://google-reviews.example/"}, "referral"),
        ({"referrer": "https://blog.example/post"}, "referral"),
        (
            {"referrer": "https://shop.example/a", "page_url": "https://www.shop.example/b"},
            "direct",
        ),
        ({"form_id": "contact", "page_url": "https://shop.example/"}, "direct"),
    ],
)
def test_the_channel_is_read_from_the_first_touch(attribution, expected) -> None:
    assert channel(attribution) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ada@acme.example", "acme.example"),
        ("ada@gmail.com", None),
        (None, None),
    ],
)
def test_only_a_business_mailbox_says_where_somebody_works(address, expected) -> None:
    assert company_domain(address) == expected
