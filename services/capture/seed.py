"""The sample form."""

from typing import Any, Final

from services.capture.handlers.forms import save_form
from services.capture.store.unit import Capture
from shared.runtime.unit import Transactions

DEMO: Final[dict[str, Any]] = {
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


def seed(transactions: Transactions[Capture]) -> None:
    """Add the sample form; does nothing where there is one with its id."""
    transactions.run_here(_add_sample)


def _add_sample(unit: Capture) -> None:
    if unit.forms.fetch("demo") is None:
        save_form(unit, "demo", DEMO, None)
