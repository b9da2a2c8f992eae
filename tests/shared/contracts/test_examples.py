"""The examples, and with them the contract: what decodes, what passes and what does not."""

from importlib.resources import files
from typing import Any

import orjson
import pytest

from shared.contracts import examples
from shared.contracts.envelope import Event, UnreadableEvent, decode
from shared.contracts.events import EVENT_TYPES, ContactUpdated
from shared.contracts.topics import TOPICS

EVERY_TYPE = pytest.mark.parametrize("event_type", list(EVENT_TYPES))


def test_each_type_has_one_example_and_nothing_else_is_there() -> None:
    names = {file.name for file in files(examples).iterdir() if file.name.endswith(".json")}
    assert names == {f"{event_type}.json" for event_type in EVENT_TYPES}


@EVERY_TYPE
def test_an_example_decodes_and_comes_back_as_it_was(event_type: str) -> None:
    event = examples.example(event_type)
    assert type(event.data) is EVENT_TYPES[event_type]
    assert event.json() == examples.document(event_type)
    assert decode(event.headers(), event.value()) == event
    assert event.headers() == examples.message(event_type)[0]


@EVERY_TYPE
def test_an_example_belongs_to_one_topic_and_its_writer(event_type: str) -> None:
    event = examples.example(event_type)
    service = event.source.removeprefix("/leadloop/")
    topic = TOPICS[event.data.topic.replace("{service}", service)]
    assert topic.owner == service
    assert EVENT_TYPES[event_type] in topic.types
    assert event.subject == event.data.key()


@EVERY_TYPE
def test_readers_ignore_what_they_do_not_know(event_type: str) -> None:
    headers, value = examples.message(event_type)
    more = {**orjson.loads(value), "of_the_future": {"deep": [1]}}
    event = decode({**headers, "ce_dataschema": "x"}, orjson.dumps(more))
    assert event == examples.example(event_type)


@EVERY_TYPE
def test_a_missing_field_is_named_and_nothing_else(event_type: str) -> None:
    headers, value = examples.message(event_type)
    data = orjson.loads(value)
    for name, field in EVENT_TYPES[event_type].model_fields.items():
        if not field.is_required():
            continue
        less = {key: value for key, value in data.items() if key != name}
        with pytest.raises(UnreadableEvent) as refused:
            decode(headers, orjson.dumps(less))
        assert str(refused.value) == f"{event_type}: /{name}: missing"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ce_id": ""}, "ce_id"),
        ({"ce_id": "a b"}, "ce_id"),
        ({"ce_id": "x" * 65}, "ce_id"),
        ({"ce_time": "2026-03-01T12:00:00"}, "ce_time"),
        ({"ce_time": "yesterday"}, "ce_time"),
        ({"ce_type": "leadloop.lead.captured.v2"}, "unknown event type"),
    ],
)
def test_attributes_are_checked(change: dict[str, str], reason: str) -> None:
    headers, value = examples.message("leadloop.lead.captured.v1")
    with pytest.raises(UnreadableEvent, match=reason):
        decode({**headers, **change}, value)


@pytest.mark.parametrize("missing", ["ce_id", "ce_type", "ce_time"])
def test_attributes_must_be_there(missing: str) -> None:
    headers, value = examples.message("leadloop.lead.captured.v1")
    with pytest.raises(UnreadableEvent):
        decode({name: text for name, text in headers.items() if name != missing}, value)


def test_a_refusal_quotes_nothing_of_the_data() -> None:
    jane = "jane.roe@example.com"
    headers, value = examples.message("leadloop.lead.captured.v1")
    data: dict[str, Any] = orjson.loads(value)
    for bad in (
        {"captured_at": jane},
        {"facts": {jane: {"a": 1}}},
        {"consent": [{"purpose": jane, "granted": jane}]},
    ):
        with pytest.raises(UnreadableEvent) as refused:
            decode(headers, orjson.dumps({**data, **bad}))
        assert "jane" not in str(refused.value)


def test_personal_data_has_one_home() -> None:
    """No event but the contact has a field named like a person's data."""
    personal = set(ContactUpdated.model_fields) - {"lead_id", "company", "job_title"}
    for event_type, model in EVENT_TYPES.items():
        if model is not ContactUpdated:
            assert not personal & set(model.model_fields), event_type
    contact = examples.document(ContactUpdated.type)["data"]
    for event_type in set(EVENT_TYPES) - {ContactUpdated.type}:
        said = orjson.dumps(examples.document(event_type)).decode()
        for field in ("email", "phone", "first_name", "last_name", "message"):
            assert contact[field] not in said


def test_each_topic_has_one_writer_and_each_type_one_topic() -> None:
    homes: dict[str, list[str]] = {}
    for topic in TOPICS.values():
        assert topic.owner not in topic.readers
        for model in topic.types:
            homes.setdefault(model.type, []).append(topic.name)
    assert set(homes) == set(EVENT_TYPES)
    for event_type, names in homes.items():
        assert len(names) == 1 or event_type == "leadloop.dead_letter.recorded.v1"


def test_an_event_in_json_format_is_a_cloud_event() -> None:
    for event_type in EVENT_TYPES:
        event: Event[Any] = examples.example(event_type)
        assert {"specversion", "id", "source", "type"} <= set(event.json())
