"""The AsyncAPI document: as generated, and sound."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from shared.contracts import asyncapi
from shared.contracts.events import EVENT_TYPES
from shared.contracts.topics import SERVICES, TOPICS

DOCUMENT = asyncapi.document()


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _refs(value)


def _resolve(ref: str) -> Any:
    node: Any = DOCUMENT
    for part in ref.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def test_the_file_is_what_the_contracts_say() -> None:
    assert asyncapi.PATH.read_text() == asyncapi.text(), "run: python -m shared.contracts.asyncapi"


def test_the_file_is_yaml() -> None:
    assert yaml.safe_load(asyncapi.PATH.read_text()) == DOCUMENT


def test_its_parts_are_those_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) == {
        "asyncapi",
        "info",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    assert {"title", "version"} <= set(DOCUMENT["info"])
    key = re.compile(r"^[a-zA-Z0-9.\-_]+$")
    for part in ("messages", "messageTraits", "schemas"):
        assert all(key.match(name) for name in DOCUMENT["components"][part])
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert set(operation) <= {"action", "channel", "summary", "tags", "messages"}
    for channel in DOCUMENT["channels"].values():
        assert set(channel) <= {"address", "description", "messages", "bindings"}
    for message in DOCUMENT["components"]["messages"].values():
        assert {"name", "payload", "traits", "examples"} <= set(message)


def test_every_reference_leads_somewhere() -> None:
    refs = list(_refs(DOCUMENT))
    assert len(refs) > 100
    for ref in refs:
        assert ref.startswith("#/")
        assert _resolve(ref)


def test_an_operation_names_messages_of_its_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_it_says_who_writes_and_who_reads() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == set(TOPICS)
    found = {
        (name.split(".")[0], operation["action"], _resolve(operation["channel"]["$ref"])["address"])
        for name, operation in DOCUMENT["operations"].items()
    }
    expected = {(topic.owner, "send", topic.name) for topic in TOPICS.values()} | {
        (reader, "receive", topic.name) for topic in TOPICS.values() for reader in topic.readers
    }
    assert found == expected
    assert {service for service, _, _ in found} == set(SERVICES)


@pytest.mark.parametrize("event_type", list(EVENT_TYPES))
def test_each_message_has_headers_a_schema_and_an_example_that_fits(event_type: str) -> None:
    name = EVENT_TYPES[event_type].__name__
    message = DOCUMENT["components"]["messages"][name]
    assert message["name"] == event_type
    assert message["summary"]
    schema = _resolve(message["payload"]["$ref"])
    headers = _resolve(message["traits"][0]["$ref"])["headers"]
    (example,) = message["examples"]
    assert set(schema["required"]) <= set(example["payload"])
    assert set(example["payload"]) <= set(schema["properties"])
    assert set(headers["required"]) <= set(example["headers"]) <= set(headers["properties"])
    assert example["headers"]["ce_type"] in headers["properties"]["ce_type"]["enum"]
