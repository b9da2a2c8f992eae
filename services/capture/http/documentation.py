"""The OpenAPI entry of the one endpoint that FastAPI does not generate it for."""

from typing import Any

from fastapi import FastAPI

from services.capture.http.submit import PATH
from services.capture.intake.encodings import JSON, MULTIPART, URLENCODED
from services.capture.intake.model import LeadIn

_ERRORS = {
    "400": "Not readable as what it says it is",
    "401": "No valid key",
    "403": "The key may not post leads",
    "413": "More than 64 KB",
    "415": "Another media type or character set",
    "422": "Fields that can't be accepted, named in `errors`; or a reused Idempotency-Key",
    "503": "Overloaded, or the database is away: nothing was stored, send it again",
}


def describe_post(app: FastAPI) -> None:
    """Add the endpoint to the application's OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schema = LeadIn.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(schema.pop("$defs", {}))
            schemas["Lead"] = schema
            document["paths"].setdefault(PATH, {})["post"] = _operation()
        return app.openapi_schema or document

    app.openapi = openapi  # type: ignore[method-assign]


def _operation() -> dict[str, Any]:
    lead = {"schema": {"$ref": "#/components/schemas/Lead"}}
    answer = {
        "type": "object",
        "required": ["lead_id", "submission_id", "status"],
        "properties": {
            "lead_id": {"type": "string"},
            "submission_id": {"type": "string"},
            "status": {"type": "string", "enum": ["captured", "touched"]},
            "unread": {
                "type": "array",
                "description": "Optional values that could not be read: kept as they were sent.",
                "items": {
                    "type": "object",
                    "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                },
            },
        },
    }
    return {
        "tags": ["leads"],
        "summary": "Take a lead in",
        "operationId": "post_lead",
        "description": "202 means that the lead is committed: `captured` for a new one, `touched` "
        "for one whose e-mail (or phone, when there is no e-mail) is known. In forms, "
        "`fields.<name>` and `consent.granted` stand for nested members.",
        "security": [{"HTTPBearer": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 255},
                "description": "The same key and body get the same answer and no second touch.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": dict.fromkeys((JSON, URLENCODED, MULTIPART), lead),
        },
        "responses": {
            "202": {"description": "Committed", "content": {JSON: {"schema": answer}}},
            **{
                status: {"description": text, "content": {"application/problem+json": {}}}
                for status, text in _ERRORS.items()
            },
        },
    }
