"""Domains: which one is a company's, and which ones give mailboxes away for an hour.

Both lists come with their packages and are read when the first lead needs them: nothing is looked
up on the network.
"""

from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit


def is_disposable(domain: str) -> bool:
    """Whether mailboxes of this domain are thrown away."""
    if domain in _disposable():
        return True
    _, dot, above = domain.partition(".")  # they hand out subdomains, too
    return "." in above and bool(dot) and above in _disposable()


@lru_cache(maxsize=4096)
def site_domain(website: str) -> str | None:
    """The domain that somebody registered, of a website: ``engines.co.uk`` for
    ``https://shop.engines.co.uk/x``. None for an address by number and for a page at a host that
    gives pages to anybody, which would make companies of strangers one."""
    host = urlsplit(website).hostname or ""
    found = _public_suffixes()(host)
    if not found.domain or not found.suffix:
        return None
    labels = 2 + found.suffix.count(".")
    return ".".join(host.rstrip(".").split(".")[-labels:]) if not found.is_private else None


@cache
def _disposable() -> frozenset[str]:
    from disposable_email_domains import blocklist  # ten thousand names: not at every start

    return frozenset(blocklist)


@cache
def _public_suffixes() -> Any:
    import tldextract  # a fifth of a second, which leads with an employer's address don't need

    return tldextract.TLDExtract(
        cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True,
        include_psl_private_domains=True,
    )  # fmt: skip
