"""A hosted form: what it asks, what it says, and what it takes on trust from nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
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


DEMO: dict[str, Any] = {
    "title": "Talk to us",
    "intro": "Tell us a little about you and your company. Somebody who knows the product will "
    "answer, usually within the hour.",
    "questions": [
        {"name": "first_name", "label": "First name", "autocomplete": "given-name", "half": True},
        {"name": "last_name", "label": "Last name", "autocomplete": "family-name", "half": True},
        {
            "name": "email",
            "label": "Work e-mail",
            "type": "email",
            "required": True,
            "autocomplete": "email",
            "hint": "We answer to this address.",
        },
        {
            "name": "company",
            "label": "Company",
            "required": True,
            "autocomplete": "organization",
            "half": True,
        },
        {
            "name": "job_title",
            "label": "Job title",
            "autocomplete": "organization-title",
            "half": True,
        },
        {
            "name": "country",
            "label": "Country",
            "type": "country",
            "autocomplete": "country",
            "half": True,
        },
        {
            "name": "employees",
            "label": "Employees",
            "type": "number",
            "half": True,
        },
        {
            "name": "phone",
            "label": "Phone",
            "type": "tel",
            "autocomplete": "tel",
            "hint": "With its country code, as in +49 30 1234567.",
        },
        {
            "name": "message",
            "label": "What would you like to know?",
            "type": "textarea",
        },
    ],
    "button": "Send",
    "consent_purpose": "marketing",
    "consent_text": "You may write to me now and then about what is new. "
    "I can take this back at any time.",
    "thanks_title": "Thank you",
    "thanks_text": "Your message has arrived. Somebody will be in touch soon.",
}
"""The sample form."""
