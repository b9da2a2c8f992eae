"""A hosted form: what it asks, what it says, and what it takes on trust from nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from services.capture.domain.submission import FieldError

InputType = Literal["text", "email", "tel", "number", "url", "textarea", "country", "select"]


@dataclass(frozen=True, slots=True)
class Question:
    """One input. ``name`` is a lead's field, or ``fields.<name>`` for a custom one."""

    name: str
    label: str
    type: InputType = "text"
    required: bool = False
    hint: str = ""
    autocomplete: str = ""
    options: tuple[str, ...] = ()
    half: bool = False
    """Shares its line with the next half question where there is room."""
    posted_as: str = ""
    """What a page of somebody else's calls it; both names are understood."""

    @property
    def id(self) -> str:
        """Fit for HTML ids and fragments."""
        return "f-" + self.name.replace(".", "-").replace(" ", "-")

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Value and text of each option."""
        return [(option, option) for option in self.options]

    @property
    def pointer(self) -> str:
        """The JSON pointer of its value in the lead."""
        return "/" + self.name.replace("fields.", "fields/", 1)


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form as it is stored; ``document`` is what it asks and says."""

    form_id: str
    active: bool
    document: Mapping[str, Any]
    created_at: datetime
    version: int = 1
    updated_at: datetime | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True)
class FormVersion:
    """What a form asked and said at a time: a consent is to the words that were shown then."""

    form_id: str
    version: int
    document: Mapping[str, Any]
    created_at: datetime
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class HostedForm:
    """A form with a page of its own."""

    form_id: str
    title: str
    intro: str
    questions: tuple[Question, ...]
    button: str
    consent_purpose: str
    consent_text: str
    thanks_title: str
    thanks_text: str
    version: int = 1
    thanks_url: str | None = None
    """Where to go instead of the page of thanks."""
    allowed_origins: tuple[str, ...] = ()
    """Sites that may show the form in a page of theirs, and hear what became of it."""
    language: str = "en"

    @classmethod
    def of(cls, form_id: str, version: int, document: Mapping[str, Any]) -> "HostedForm":
        """The form that a stored document describes."""
        members = {**document}
        questions = tuple(
            Question(**{**asked, "options": tuple(asked.get("options", ()))})
            for asked in members.pop("questions")
        )
        origins = tuple(members.pop("allowed_origins", ()))
        return cls(
            form_id=form_id,
            version=version,
            questions=questions,
            allowed_origins=origins,
            **members,
        )

    def renamed(self, typed: Mapping[str, str]) -> dict[str, str]:
        """What was posted, by our names."""
        ours = {q.posted_as: q.name for q in self.questions if q.posted_as}
        return {
            ours[name] if name in ours and ours[name] not in typed else name: text
            for name, text in typed.items()
        }

    def next_address(self, wanted: str | None) -> str | None:
        """Where a browser goes when the form is sent: where the page asked for, if that is a site
        that may show the form, else where the form says; None: to the page of thanks."""
        if wanted and origin_of(wanted) in self.allowed_origins:
            return wanted
        return self.thanks_url

    def unanswered(self, members: Mapping[str, Any]) -> list[FieldError]:
        """The required questions that a submission leaves open."""
        custom = members.get("fields")
        answers = {**members}
        if isinstance(custom, Mapping):
            answers |= {f"fields.{name}": value for name, value in custom.items()}
        return [
            FieldError(question.pointer, "is needed")
            for question in self.questions
            if question.required and not str(answers.get(question.name, "")).strip()
        ]


def origin_of(address: str) -> str | None:
    """The origin (RFC 6454) of a web address; None for what is none."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        return None
    return f"{parts.scheme}://{parts.hostname}{port}"
