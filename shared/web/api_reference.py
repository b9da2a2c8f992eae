"""The reference of a service's API as a page, read from its OpenAPI document.

Rendered here instead of by a script from elsewhere, so that it is there without the internet, obeys
the pages' security policy and can be read without scripts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.params import Depends
from starlette.requests import Request
from starlette.responses import Response

from shared.web.pages import Pages

FRAMEWORK_SHAPES = frozenset({"HTTPValidationError", "ValidationError"})
"""Named in every document, but our errors are problem details."""
FOR_OPERATORS = ("/health/", "/metrics", "/dead-letters")
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter, or one member of an object: its type in words, and what it refers to."""

    name: str
    type: str
    required: bool
    description: str
    refers_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    needs_key: bool
    parameters: list[Field]
    bodies: list[tuple[str, Field]]
    answers: list[tuple[str, str, Field | None]]


@dataclass(frozen=True, slots=True)
class Schema:
    """One named shape, with its members if it is an object."""

    name: str
    description: str
    type: str
    members: list[Field] = field(default_factory=list)


def add_api_reference(app: FastAPI, path: str, dependencies: Sequence[Depends] = ()) -> None:
    """Answer ``path`` with the reference of this application's API.

    ``dependencies`` run before, for example one that finds out who is logged in.
    """
    pages = Pages()

    async def reference(request: Request) -> Response:
        document = app.openapi()
        return pages.render(
            request,
            "api_reference.html",
            title=document["info"]["title"],
            description=document["info"].get("description", ""),
            operations=operations(document),
            schemas=schemas(document),
            document_url=app.openapi_url,
        )

    app.add_api_route(
        path, reference, include_in_schema=False, methods=["GET"], dependencies=list(dependencies)
    )


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation of an OpenAPI 3.1 document, in its order; those for operators last."""
    found = [
        _operation(path, method, item[method], item.get("parameters", []))
        for path, item in document.get("paths", {}).items()
        for method in METHODS
        if method in item
    ]
    return sorted(found, key=lambda call: any(word in call.path for word in FOR_OPERATORS))


def schemas(document: Mapping[str, Any]) -> list[Schema]:
    """The named shapes of an OpenAPI 3.1 document, by name."""
    found = document.get("components", {}).get("schemas", {})
    return [
        Schema(
            name,
            schema.get("description", ""),
            describe(schema)[0],
            [
                _field(member, inner, member in schema.get("required", []))
                for member, inner in schema.get("properties", {}).items()
            ],
        )
        for name, schema in sorted(found.items())
        if name not in FRAMEWORK_SHAPES
    ]


def describe(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """A JSON schema in words, and the names of the shapes it refers to."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return name, (name,)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            parts = [describe(inner) for inner in schema[key]]
            kinds = dict.fromkeys(words for words, _ in parts)
            return " or ".join(kinds), tuple(name for _, names in parts for name in names)
    if len(schema.get("allOf", ())) == 1:
        return describe(schema["allOf"][0])
    if "const" in schema:
        return f"always {schema['const']}", ()
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"]), ()
    kind = schema.get("type", "anything")
    if kind == "array":
        words, names = describe(schema.get("items", {}))
        return f"list of {words}", names
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        words, names = describe(schema["additionalProperties"])
        return f"object of {words}", names
    form = schema.get("format")
    return (f"{kind} ({form})" if form else str(kind)), ()


def _field(name: str, schema: Mapping[str, Any], required: bool, description: str = "") -> Field:
    words, names = describe(schema)
    return Field(name, words, required, description or schema.get("description", ""), names)


def _operation(
    path: str, method: str, found: Mapping[str, Any], shared: list[Mapping[str, Any]]
) -> Operation:
    description = found.get("description", "")
    first, _, rest = description.partition("\n\n")
    return Operation(
        anchor=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(),
        path=path,
        summary=first or found.get("summary", ""),
        description=rest,
        needs_key=bool(found.get("security")),
        parameters=[
            _field(
                f"{given['name']} ({given['in']})",
                given.get("schema", {}),
                given.get("required", False),
                given.get("description", ""),
            )
            for given in [*shared, *found.get("parameters", [])]
            if "name" in given
        ],
        bodies=[
            (media, _field("body", content.get("schema", {}), True))
            for media, content in found.get("requestBody", {}).get("content", {}).items()
        ],
        answers=[_answer(status, given) for status, given in found.get("responses", {}).items()],
    )


def _answer(status: str, given: Mapping[str, Any]) -> tuple[str, str, Field | None]:
    if "HTTPValidationError" in str(given.get("content")):
        return status, "Some fields are not valid: problem details, with a pointer to each.", None
    for content in given.get("content", {}).values():
        if content.get("schema"):
            return status, given.get("description", ""), _field("", content["schema"], True)
    return status, given.get("description", ""), None
