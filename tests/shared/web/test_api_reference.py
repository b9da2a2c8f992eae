"""The API reference: complete, linked, and free of scripts."""

import re
from enum import StrEnum
from typing import Annotated

import httpx
from fastapi import Body, Depends, FastAPI, Path, Query
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from shared.web.api_reference import add_api_reference, describe, operations, schemas


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    """One part of a ``Thing``."""

    weight: Annotated[float, Field(description="in grams")]


class Thing(BaseModel):
    """Something."""

    name: str
    colour: Colour | None = None
    parts: list[Part] = []
    notes: dict[str, str] = {}


def an_app() -> FastAPI:
    app = FastAPI(title="Things & more", docs_url=None)

    @app.post("/things/{owner}", dependencies=[Depends(HTTPBearer())])
    def make(
        owner: Annotated[str, Path(description="whose <thing>")],
        thing: Annotated[Thing, Body()],
        dry: Annotated[bool, Query()] = False,
    ) -> Thing:
        """Make a thing.

        Twice the same ``name`` is
        one thing.
        """
        return thing

    add_api_reference(app, "/docs")
    return app


async def test_every_call_and_shape_is_there_and_every_link_leads_somewhere() -> None:
    transport = httpx.ASGITransport(app=an_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        page = await client.get("/docs")
    html = page.text
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script" not in html
    assert "Things &amp; more" in html
    assert "whose &lt;thing&gt;" in html
    assert "<p>Twice the same <code>name</code> is one thing.</p>" in html
    ids = set(re.findall(r'id="([^"]+)"', html))
    targets = set(re.findall(r'href="#([^"]+)"', html))
    assert targets <= ids
    assert {"schema-Thing", "schema-Part", "schema-Colour", "post-things-owner"} <= ids
    assert "HTTPValidationError" not in html


def test_an_operation_says_what_it_takes_and_gives() -> None:
    [call] = operations(an_app().openapi())
    assert (call.method, call.path, call.needs_key) == ("POST", "/things/{owner}", True)
    assert call.summary == "Make a thing."
    assert [(p.name, p.type, p.required) for p in call.parameters] == [
        ("owner (path)", "string", True),
        ("dry (query)", "boolean", False),
    ]
    assert [(media, body.type) for media, body in call.bodies] == [("application/json", "Thing")]
    assert [(status, body.type if body else None) for status, _, body in call.answers] == [
        ("200", "Thing"),
        ("422", None),
    ]


def test_shapes_are_described_in_words() -> None:
    found = {schema.name: schema for schema in schemas(an_app().openapi())}
    assert found["Colour"].type == "one of red, blue"
    assert {m.name: m.type for m in found["Thing"].members} == {
        "name": "string",
        "colour": "Colour or null",
        "parts": "list of Part",
        "notes": "object of string",
    }
    assert found["Thing"].members[2].refers_to == ("Part",)
    assert found["Part"].members[0].description == "in grams"
    assert describe({"type": "string", "format": "date-time"}) == ("string (date-time)", ())
    assert describe({"allOf": [{"$ref": "#/x/Part"}]}) == ("Part", ("Part",))
    assert describe({"const": "v1"}) == ("always v1", ())
    assert describe({}) == ("anything", ())
