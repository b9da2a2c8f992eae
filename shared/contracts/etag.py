"""Entity tags (RFC 9110, 8.8.3) of numbered documents."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any


def etag_of(version: int, document: Mapping[str, Any]) -> str:
    """The tag of a document, whichever way its keys are ordered."""
    text = json.dumps(document, sort_keys=True).encode()
    return f'"{version}-{blake2b(text, digest_size=8).hexdigest()}"'
