"""What a form asks and says, as it is sent."""

from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from services.capture.domain.form import InputType, StoredForm, origin_of
from services.capture.intake.model import LeadIn

_PLAIN: Final = r"^[^\x00]*$"
FORM_ID: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ASKABLE: Final = tuple(
    name for name in LeadIn.model_fields if name not in ("fields", "consent", "form_id")
)
"""The fields that every lead has and a form may ask for."""
_REACHED_BY: Final = ("email", "phone")

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_PLAIN)]
Told = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000, pattern=_PLAIN)]


def _askable(name: str) -> str:
    if name not in ASKABLE and not (name.startswith("fields.") and len(name) > len("fields.")):
        raise ValueError(f"is no field of a lead; a field of your own is fields.{name[:50]}")
    return name


def _origin(text: str) -> str:
    found = origin_of(text)
    if found is None:
        raise ValueError("is no origin, as in https://www.example.com")
    return found


def _address(text: str) -> str:
    if origin_of(text) is None:
        raise ValueError("is no web address, as in https://www.example.com/thanks")
    return text


class QuestionIn(BaseModel):
    """One input of a form."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=80), AfterValidator(_askable)
    ]
    """A lead's field, or ``fields.<name>`` for one of your own."""
    label: Told
    type: InputType = "text"
    required: bool = False
    hint: Line = ""
    autocomplete: Annotated[str, Field(max_length=64, pattern=r"^[a-z -]*$")] = ""
    options: Annotated[list[Told], Field(max_length=200)] = []
    half: bool = False
    posted_as: Line = ""
    """What a page of your own calls it; both names are understood."""

    @model_validator(mode="after")
    def _choices(self) -> Self:
        if (self.type == "select") != bool(self.options):
            raise ValueError("options are needed for a select, and only there")
        return self


class FormIn(BaseModel):
    """A form: what it asks and says, and where it may be shown."""

    model_config = ConfigDict(extra="forbid")

    title: Told
    intro: Prose = ""
    questions: Annotated[list[QuestionIn], Field(min_length=1, max_length=50)]
    button: Told = "Send"
    consent_purpose: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = "marketing"
    consent_text: Prose = ""
    """What people agree to by a tick; empty: they are not asked."""
    thanks_title: Told = "Thank you"
    thanks_text: Prose = "Your message has arrived."
    thanks_url: (
        Annotated[str, StringConstraints(max_length=2000), AfterValidator(_address)] | None
    ) = None
    allowed_origins: Annotated[
        list[Annotated[str, StringConstraints(max_length=300), AfterValidator(_origin)]],
        Field(max_length=100),
    ] = []
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [question.name for question in self.questions]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is asked twice")
        if not set(_REACHED_BY) & set(names):
            raise ValueError("ask for email or phone: nobody else can be reached")
        return self

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        return self.model_dump(mode="json")


def form_view(form: StoredForm) -> dict[str, Any]:
    """A form in the shape of the public interface."""
    return {
        "form_id": form.form_id,
        "version": form.version,
        "active": form.active,
        "created_at": form.created_at,
        "updated_at": form.updated_at,
        **form.document,
    }
