"""Text as people type it, made comparable."""

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

MAX_TAG: Final = 200
"""Longest attribution value kept, in characters."""

_ADDRESS = re.compile(r"[\w.+-](?:@|%40)[\w-]+\.\w", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def one_line(text: str | None) -> str | None:
    """Single spaces, no control characters, composed Unicode (NFC); None when nothing is left."""
    if not text:
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    return " ".join(text.split()) or None


def paragraphs(text: str | None) -> str | None:
    """Like one_line, but line breaks stay."""
    if not text:
        return None
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROL.sub(" ", text).strip() or None


def tag(text: str | None) -> str | None:
    """An attribution value: one line, cut to MAX_TAG characters. None when it holds an e-mail
    address: mailing tools put one there, and attribution travels."""
    line = one_line(text)
    if not line or names_a_person(line):
        return None
    return line[:MAX_TAG].rstrip()


def names_a_person(text: str) -> bool:
    """Whether there is an e-mail address in it, plain or percent-encoded."""
    return ("@" in text or "%40" in text) and _ADDRESS.search(text) is not None


def cut_url(text: str | None) -> str | None:
    """Scheme, host and path of a web address; None when it is none.

    Query, fragment and user part go: they carry people's names and addresses. So does a path with
    an e-mail address in it.
    """
    line = one_line(text)
    if not line:
        return None
    try:
        parts = urlsplit(line)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or " " in parts.netloc:
        return None
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port is not None else shown
    path = "/" if names_a_person(parts.path) else parts.path
    return f"{parts.scheme}://{place}{path}"[:500].rstrip()


def website(text: str | None) -> str | None:
    """A company's address on the web, with https:// put in front when no scheme was typed."""
    line = one_line(text)
    if not line:
        return None
    return cut_url(line if "://" in line else f"https://{line}")
