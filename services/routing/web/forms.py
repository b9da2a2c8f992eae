"""What the set-up page's forms hold: the API's shapes, as text that was typed."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from services.routing.documents import Email, Name, PolicyIn, RepId, RuleIn, Words, Zone
from services.routing.domain.reps import Status
from services.routing.web.hours_text import hours_of, leave_of


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


def _words(text: Any) -> Any:
    """Words parted by commas."""
    if not isinstance(text, str):
        return text
    return list(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


Count = Annotated[Annotated[int, Field(ge=0, le=100_000)] | None, BeforeValidator(_blank_is_none)]
WordList = Annotated[Words, BeforeValidator(_words)]


class RepForm(BaseModel):
    """A rep as typed."""

    name: Name
    email: Annotated[Email | None, BeforeValidator(_blank_is_none)] = None
    weight: Annotated[int, Field(ge=0, le=1000)]
    capacity: Annotated[int, Field(ge=0, le=10000)]
    status: Status = Status.AVAILABLE
    time_zone: Zone = "UTC"
    team_id: Annotated[RepId | None, BeforeValidator(_blank_is_none)] = None
    open_limit: Count = None
    window_limit: Count = None
    window_hours: Count = None
    skills: WordList = []
    languages: WordList = []
    territories: WordList = []
    holidays: Annotated[
        Annotated[str, Field(max_length=16)] | None, BeforeValidator(_blank_is_none)
    ] = None
    hours: Annotated[str, Field(max_length=2000), AfterValidator(hours_of)] = ""
    leave: Annotated[str, Field(max_length=10_000), AfterValidator(leave_of)] = ""

    def values(self) -> dict[str, Any]:
        """A rep's fields."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        lists = {name: tuple(values[name]) for name in ("skills", "languages", "territories")}
        return {**values, **lists, "hours": self.hours or None, "leave": self.leave}


class PolicyForm(PolicyIn):
    """The policy as typed; its rules are JSON text."""

    rules: Annotated[
        Annotated[list[RuleIn], Field(max_length=200)], BeforeValidator(_json_list)
    ] = []  # noqa: RUF012 - Pydantic copies defaults
