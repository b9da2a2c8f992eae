"""Where a lead came from, in one word: the channel, read from its attribution.

The first row of the table that holds gives the channel; what no row knows is ``other``. A campaign
that was tagged is believed before the referrer, and a medium before a source.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

MEDIA: Final[dict[str, frozenset[str]]] = {
    "paid_search": frozenset({"cpc", "ppc", "paidsearch", "paid_search", "paid-search", "sem"}),
    "paid_social": frozenset({"paid_social", "paidsocial", "paid-social", "cpm_social"}),
    "display": frozenset({"display", "banner", "cpm", "retargeting", "programmatic"}),
    "email": frozenset({"email", "e-mail", "mail", "newsletter"}),
    "affiliate": frozenset({"affiliate", "partner"}),
    "event": frozenset({"event", "webinar", "conference", "tradeshow", "fair"}),
    "organic_search": frozenset({"organic", "seo"}),
    "social": frozenset({"social", "social-media", "social_media", "sm"}),
    "referral": frozenset({"referral"}),
}
"""``utm_medium``, exactly."""

SOURCES: Final[dict[str, frozenset[str]]] = {
    "email": frozenset({"newsletter", "mailchimp", "hubspot_email", "marketo"}),
    "social": frozenset({"linkedin", "facebook", "instagram", "twitter", "x", "xing", "tiktok"}),
    "organic_search": frozenset({"google", "bing", "duckduckgo", "ecosia", "yahoo"}),
}
"""``utm_source``, exactly, when the medium says nothing."""

HOSTS: Final[dict[str, frozenset[str]]] = {
    "organic_search": frozenset({"google", "bing", "duckduckgo", "ecosia", "yahoo", "baidu"}),
    "social": frozenset(
        {"linkedin", "lnkd", "facebook", "instagram", "twitter", "t", "x", "xing", "tiktok"}
    ),
}
"""A label of the referrer's host before its ending, as in ``www.google.de`` or ``t.co``."""


def channel(attribution: Mapping[str, str]) -> str:
    """The channel: a key of the tables, ``referral`` for another site, ``direct`` when nothing is
    known, ``other`` for a tag that no table has."""
    medium, source = (attribution.get(f"utm_{one}", "").lower() for one in ("medium", "source"))
    found = _in(MEDIA, medium) or _in(SOURCES, source)
    if found is not None:
        return found
    if medium or source:
        return "other"
    referrer, page = (_host(attribution.get(one)) for one in ("referrer", "page_url"))
    if not referrer or referrer == page:
        return "direct"
    labels = referrer.split(".")[:-1]
    return next((one for label in reversed(labels) if (one := _in(HOSTS, label))), "referral")


def _in(table: Mapping[str, frozenset[str]], word: str) -> str | None:
    return next((name for name, words in table.items() if word in words), None)


def _host(url: str | None) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.") if url else ""
