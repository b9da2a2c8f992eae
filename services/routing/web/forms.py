"""What the set-up page's forms hold: the API's shapes, as text that was typed."""

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, Field

from services.routing.documents import Email, Name, PolicyIn, RuleIn, Zone
from services.routing.domain.reps import Status


def _json_list(text: Any) -> Any:
    """Text typed as JSON; a blank field is an empty list. Raises ValueError."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text) if text.strip() else []
    except orjson.JSONDecodeError:
        raise ValueError("this is not valid JSON") from None


def _blank_is_none(text: Any) -> Any:
    return None if isinstance(text, str) and not text.strip() else text


class RepForm(BaseModel):
    """A rep as typed. An unticked box is not sent at all."""

    name: Name
    email: Annotated[Email | None, BeforeValidator(_blank_is_none)] = None
    weight: Annotated[int, Field(ge=0, le=1000)]
    capacity: Annotated[int, Field(ge=0, le=10000)]
    status: Status = Status.PAUSED
    time_zone: Zone = "UTC"


class PolicyForm(PolicyIn):
    """The policy as typed; its rules are JSON text."""

    rules: Annotated[
        Annotated[list[RuleIn], Field(max_length=200)], BeforeValidator(_json_list)
    ] = []  # noqa: RUF012 - Pydantic copies defaults
