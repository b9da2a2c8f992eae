"""A hosted form: what it asks, what it says, and what it takes on trust from nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

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

    @classmethod
    def of(cls, form_id: str, document: Mapping[str, Any]) -> "HostedForm":
        """The form that a stored document describes."""
        members = {**document}
        questions = tuple(
            Question(**{**asked, "options": tuple(asked.get("options", ()))})
            for asked in members.pop("questions")
        )
        return cls(form_id=form_id, questions=questions, **members)

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
