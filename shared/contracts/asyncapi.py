"""The AsyncAPI 3.0 document of the events, generated: ``python -m shared.contracts.asyncapi``.

The file is JSON in a YAML file (JSON is YAML): no writer of YAML is needed, and two runs give the
same bytes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from shared.contracts import examples
from shared.contracts.events import EVENT_TYPES, EventData
from shared.contracts.topics import SERVICES, TOPICS, Topic

PATH: Final = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
Document = dict[str, Any]


def document() -> Document:
    """The whole document, out of the registry and the models."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leadloop events",
            "version": "1.0.0",
            "description": (
                "CloudEvents 1.0 in Kafka binary content mode, JSON data. Producers are strict; "
                "readers ignore fields that they do not know. Personal data travels in "
                "`lead.contact` and nowhere else. Topic names carry the prefix of the installation."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {_name(topic): _channel(topic) for topic in TOPICS.values()},
        "operations": _operations(),
        "components": {
            "messages": {_title(model): _message(model) for model in EVENT_TYPES.values()},
            "messageTraits": {"cloudEvent": {"headers": _headers()}},
            "schemas": _schemas(),
        },
    }


def text() -> str:
    """The document as it is written."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the document."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text())
    sys.stdout.write(f"wrote {PATH}\n")


def _channel(topic: Topic) -> Document:
    kept = "the last message of each key" if topic.compacted else f"{_days(topic)} days"
    cleanup: Document = {"cleanup.policy": ["compact" if topic.compacted else "delete"]}
    if topic.retention_ms is not None:
        cleanup["retention.ms"] = topic.retention_ms
    return {
        "address": topic.name,
        "description": (
            f"Written by {topic.owner}; read by {', '.join(topic.readers) or 'operators'}. "
            f"Key: {topic.key}. Kept: {kept}."
        ),
        "messages": {
            _title(model): {"$ref": f"#/components/messages/{_title(model)}"}
            for model in topic.types
        },
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": cleanup,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations() -> Document:
    operations: Document = {}
    for service in SERVICES:
        for topic in TOPICS.values():
            if topic.owner == service:
                operations[f"{service}.send.{_name(topic)}"] = _operation("send", service, topic)
            if service in topic.readers:
                operations[f"{service}.receive.{_name(topic)}"] = _operation(
                    "receive", service, topic
                )
    return operations


def _operation(action: str, service: str, topic: Topic) -> Document:
    channel = f"#/channels/{_name(topic)}"
    verb = "writes" if action == "send" else "reads"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": f"{service} {verb} {topic.name}",
        "tags": [{"name": service}],
        "messages": [{"$ref": f"{channel}/messages/{_title(model)}"} for model in topic.types],
    }


def _message(model: type[EventData]) -> Document:
    headers, _ = examples.message(model.type)
    return {
        "name": model.type,
        "title": _title(model),
        "summary": " ".join((model.__doc__ or "").split()),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{_title(model)}"},
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "examples": [{"headers": headers, "payload": examples.document(model.type)["data"]}],
    }


def _headers() -> Document:
    """The attributes of CloudEvents as Kafka headers (its Kafka protocol binding)."""
    string: Document = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {**string, "description": "Unique for ever; repeats carry the same id."},
            "ce_type": {"type": "string", "enum": list(EVENT_TYPES)},
            "ce_source": {**string, "description": "/leadloop/ and the service."},
            "ce_time": {"type": "string", "format": "date-time"},
            "ce_subject": {**string, "description": "The message key."},
            "content-type": {"type": "string", "const": "application/json"},
            "traceparent": {**string, "description": "W3C Trace Context."},
        },
    }


def _schemas() -> Document:
    _, found = models_json_schema(
        [(model, "serialization") for model in EVENT_TYPES.values()],
        ref_template="#/components/schemas/{model}",
    )
    definitions: Document = found["$defs"]
    return dict(sorted(definitions.items()))


def _title(model: type[EventData]) -> str:
    return model.__name__


def _name(topic: Topic) -> str:
    """Keys of an AsyncAPI map are letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", topic.name)


def _days(topic: Topic) -> int:
    return (topic.retention_ms or 0) // (24 * 60 * 60 * 1000)


if __name__ == "__main__":
    main()
