"""What the form of the policy holds: the API's shape, as text that was typed."""

from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field

from services.routing.documents import PolicyIn, RuleIn


def _json_list(text: Any) -> Any:
    """Text typed as JSON; a blank field is an empty list. Raises ValueError."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text) if text.strip() else []
    except orjson.JSONDecodeError:
        raise ValueError("this is not valid JSON") from None


class PolicyForm(PolicyIn):
    """The policy as typed; its rules are JSON text."""

    rules: Annotated[
        Annotated[list[RuleIn], Field(max_length=200)], BeforeValidator(_json_list)
    ] = []  # noqa: RUF012 - Pydantic copies defaults
