"""A realistic example of each event type, in the CloudEvents JSON format. The people are fictional.

They are documentation and test data at once: the AsyncAPI document shows them, and tests replay
them through every reader.
"""

from importlib.resources import files
from typing import Any

import orjson

from shared.contracts.envelope import Event, decode


def document(event_type: str) -> dict[str, Any]:
    """The example of a type as it stands in its file. Raises FileNotFoundError."""
    text = (files(__package__) / f"{event_type}.json").read_bytes()
    found: dict[str, Any] = orjson.loads(text)
    return found


def message(event_type: str) -> tuple[dict[str, str], bytes]:
    """The example as it travels on the bus: headers and value."""
    event = document(event_type)
    headers = {f"ce_{name}": event[name] for name in _ATTRIBUTES}
    headers |= {"content-type": event["datacontenttype"], "traceparent": event["traceparent"]}
    return headers, orjson.dumps(event["data"])


def example(event_type: str) -> Event[Any]:
    """The example as an event."""
    return decode(*message(event_type))


_ATTRIBUTES = ("specversion", "id", "type", "source", "time", "subject")
