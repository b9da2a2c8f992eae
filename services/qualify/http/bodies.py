"""A definition in the body of a request, as JSON or YAML."""

from typing import Any, Final

from fastapi import Request

from services.qualify.http.callers import invalid
from shared.contracts.definition import DefinitionBody
from shared.contracts.problems import Problem
from shared.scorecard.authoring import read_definition
from shared.scorecard.definition import InvalidDefinition
from shared.scorecard.documents import Form, Unreadable

YAML: Final = "application/yaml"
"""RFC 9512."""
_FORMS: Final[dict[str, Form]] = {
    "": "json",
    "application/json": "json",
    YAML: "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "text/x-yaml": "yaml",
}
DOCUMENTED: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "A definition: see GET /qualify/v1/definitions/schema.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            YAML: {"schema": {"type": "string"}},
        },
    }
}
"""For the interface's own description, which can't see that a route reads the body."""


async def definition_in(request: Request) -> DefinitionBody:
    """The definition in a body. Raises Problem 400, 415 and 422."""
    try:
        return await checked_in(request)
    except Unreadable as error:
        raise Problem(400, "Unreadable definition", error.errors[0].detail) from None
    except InvalidDefinition as error:
        raise invalid(error) from None


async def checked_in(request: Request) -> DefinitionBody:
    """The same, but what is wrong with it stays InvalidDefinition. Raises Problem 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = _FORMS.get(kind)
    if form is None:
        detail = f"Send the definition as application/json or {YAML}."
        raise Problem(415, "Unknown kind of document", detail)
    return read_definition(await request.body(), form)


def wants_yaml(request: Request, form: str | None) -> bool:
    """Whether the caller asks for YAML, in the address or by ``Accept``."""
    if form is not None:
        return form == "yaml"
    accepted = request.headers.get("accept", "").lower()
    return any(kind in accepted for kind in _FORMS if kind.endswith("yaml"))
