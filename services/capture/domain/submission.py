"""One submission, made comparable: who it is, what a decision may use, and what stays private."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeVar

from services.capture.domain.country import normalise_country
from services.capture.domain.domains import is_disposable, site_domain
from services.capture.domain.email import company_domain, email_type, normalise_email
from services.capture.domain.fields import (
    FACT,
    MAX_FIELDS,
    NAME,
    FieldDeclaration,
    plain_name,
    read_value,
)
from services.capture.domain.phone import normalise_phone
from services.capture.domain.size import read_size
from services.capture.domain.text import cut_url, one_line, paragraphs, tag, website

Declared = Mapping[str, FieldDeclaration]
Status = Literal["captured", "touched"]
R = TypeVar("R")

STANDARD: Final = frozenset(
    {
        "email", "phone", "first_name", "last_name", "company", "job_title", "country", "employees",
        "industry", "website", "message", "form_id", "page_url", "referrer", "utm_source",
        "utm_medium", "utm_campaign", "utm_term", "utm_content",
    }
)  # fmt: skip
"""The fields every lead may have. What stands under such a name among the custom fields could not
be read or used."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one value: a JSON pointer (RFC 6901) and words that hold no value."""

    pointer: str
    detail: str


class Unacceptable(ValueError):
    """A submission that can't become a lead, with every reason."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{e.pointer} {e.detail}" for e in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody agreed to, with the words they saw."""

    purpose: str
    granted: bool
    text: str | None = None
    basis: str | None = None
    wording: str | None = None
    """Which form's wording it was, and its version: ``demo/3``."""


class Draft(Protocol):
    """A submission as it was typed."""

    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    company: str | None
    job_title: str | None
    country: str | None
    employees: int | float | str | None
    industry: str | None
    website: str | None
    message: str | None
    form_id: str | None
    page_url: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_term: str | None
    utm_content: str | None

    def consents(self) -> tuple[Consent, ...]:
        """What the person agreed to, or declined."""
        ...

    def custom(self) -> Mapping[str, object]:
        """The custom fields."""
        ...


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission that can become a lead or a touch. Dicts hold given values only."""

    identity: str
    """``email:…`` or, without an e-mail, ``phone:…``: one lead each."""
    contact: dict[str, Any]
    facts: dict[str, Any]
    attribution: dict[str, str]
    consent: tuple[Consent, ...]
    custom: tuple[str, ...] = ()
    """Names of the custom fields that have a value."""
    undeclared: tuple[str, ...] = ()
    """Names of custom fields that nobody declared, those without a value too."""
    unread: tuple[FieldError, ...] = ()
    """Optional values that could not be read, and are kept as they were sent."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A submission on its way into the database."""

    submission: Submission
    idempotency_key: str | None = None
    """Scoped to the caller, so that two callers' keys never meet."""
    digest: bytes | None = None
    """Of the body; given with every idempotency key."""
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A submission that was accepted, and the answer that its idempotency key stands for."""

    submission_id: str
    lead_id: str
    status: Status
    received_at: datetime
    contact: dict[str, Any]
    facts: dict[str, Any]
    attribution: dict[str, str]
    idempotency_key: str | None = None
    digest: bytes | None = None
    unread: tuple[FieldError, ...] = ()
    """Not stored: for the answer to the request that brought them."""


@dataclass(frozen=True, slots=True)
class BadSubmission:
    """A submission that could not be accepted, with the reason."""

    bad_submission_id: str
    received_at: datetime
    status: int
    reason: str
    errors: list[dict[str, str]]
    content_type: str
    body: bytes
    source: str
    """Who sent it: ``key:<id>``, ``form:<id>``, ``source:<id>`` (who knew its secret) or
    ``open:<id>`` (a source, and anybody)."""
    sender: str
    """``key``, ``form``, ``source`` or ``open``: where anybody may send, senders must not crowd out
    others."""


class Unread:
    """Optional values of one submission that could not be read, by the fields' names."""

    __slots__ = ("told", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.told: list[FieldError] = []

    def keep(self, name: str, value: Any, detail: str) -> None:
        """Keep the value of one of a lead's own fields, and say what is wrong with it."""
        self.values[name] = value
        self.tell("/" + name, detail)

    def tell(self, pointer: str, detail: str) -> None:
        """Say what is wrong, without the value."""
        self.told.append(FieldError(pointer, f"{detail}; kept as it was sent"))


def normalise(draft: Draft, declared: Declared, default_region: str | None = None) -> Submission:
    """Read a draft. Raises Unacceptable with all that is wrong with it, field by field.

    An optional value that can't be read never refuses the lead: it is kept as it was sent, among
    the custom fields and personal like them, under the name of its field. ``default_region`` reads
    phone numbers without country code when no country is given.
    """
    errors: list[FieldError] = []
    unread = Unread()
    country = _optional(unread, "country", normalise_country, one_line(draft.country))
    employees = _optional(unread, "employees", read_size, draft.employees)
    email = _email(draft, errors)
    phone = _phone(draft, country or default_region, errors, unread)
    site = _optional(unread, "website", _website, one_line(draft.website))
    personal, facts, undeclared = _split_fields(draft.custom(), declared, errors, unread)
    personal = {**unread.values, **personal}
    if not draft.email and not draft.phone:
        errors.append(FieldError("/email", "is needed (or a phone number)"))
    if errors:
        raise Unacceptable(errors)
    custom = (*personal, *(name.removeprefix(FACT) for name in facts))
    company, job_title = one_line(draft.company), one_line(draft.job_title)
    contact = {
        "email": email,
        "phone": phone,
        "first_name": one_line(draft.first_name),
        "last_name": one_line(draft.last_name),
        "company": company,
        "job_title": job_title,
        "website": site,
        "message": paragraphs(draft.message),
    }
    facts |= {
        "company": company,
        "job_title": job_title,
        "country": country,
        "employees": employees,
        "industry": one_line(draft.industry),
        "form_id": one_line(draft.form_id),
    }
    given = _given(contact)
    if personal:
        given["fields"] = personal
    return Submission(
        identity=f"email:{email}" if email else f"phone:{phone}",
        contact=given,
        facts=_given(facts),
        attribution=_attribution(draft),
        consent=draft.consents(),
        custom=custom,
        undeclared=undeclared,
        unread=tuple(unread.told),
    )


def derived_facts(contact: Mapping[str, Any]) -> dict[str, Any]:
    """What a decision may know about the contact data: that it is there, not what it is; and where
    somebody works: by their address, else by the website they gave."""
    email = contact.get("email")
    website = contact.get("website")
    domain = company_domain(email) or (site_domain(website) if website else None)
    thrown_away = email is not None and is_disposable(email.rpartition("@")[2])
    return {
        "email_type": "free" if thrown_away else email_type(email),
        **({"company_domain": domain} if domain is not None else {}),
        **({"email_disposable": True} if thrown_away else {}),
        "has_phone": "phone" in contact,
        "has_website": "website" in contact,
        "has_message": "message" in contact,
    }


def _email(draft: Draft, errors: list[FieldError]) -> str | None:
    typed = one_line(draft.email)
    try:
        return normalise_email(typed) if typed else None
    except ValueError as error:  # it is who the lead is: somebody else would be worse than nobody
        errors.append(FieldError("/email", str(error)))
        return None


def _phone(
    draft: Draft, region: str | None, errors: list[FieldError], unread: Unread
) -> str | None:
    """Optional beside an e-mail address, else it is who the lead is."""
    typed = one_line(draft.phone)
    try:
        return normalise_phone(typed, region) if typed else None
    except ValueError as error:
        if draft.email:
            unread.keep("phone", typed, str(error))
        else:
            errors.append(FieldError("/phone", str(error)))
        return None


def _website(text: str) -> str:
    found = website(text)
    if found is None:
        raise ValueError("is no web address, as in www.example.com")
    return found


def _optional(unread: Unread, name: str, read: Callable[[Any], R], value: object) -> R | None:
    """The value read, or None and the value kept as it was sent."""
    if value is None or value == "":
        return None
    try:
        return read(value)
    except ValueError as error:
        unread.keep(name, value, str(error))
        return None


def _split_fields(
    raw: Mapping[str, object], declared: Declared, errors: list[FieldError], unread: Unread
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
    """Personal fields, facts and the names nobody declared: those are personal."""
    if not raw:
        return {}, {}, ()
    if len(raw) > MAX_FIELDS:
        errors.append(FieldError("/fields", f"has more than {MAX_FIELDS} members"))
        return {}, {}, ()
    personal: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    undeclared: list[str] = []
    for name, value in raw.items():
        name = name if NAME.fullmatch(name) else plain_name(name)
        if not name:
            errors.append(FieldError("/fields", "has a name without a letter or digit"))
            continue
        declaration = declared.get(name)
        pointer = "/fields/" + name.replace("~", "~0").replace("/", "~1")
        try:
            try:
                read = read_value(value, declaration)
            except ValueError as error:
                if declaration is not None:
                    unread.tell(pointer, str(error))
                declaration = None
                read = read_value(value, None)
        except ValueError as error:
            errors.append(FieldError(pointer, str(error)))
            continue
        if name in STANDARD:
            if read is not None and name not in unread.values:
                unread.tell("/" + name, "could not be used")
        elif name not in declared:
            undeclared.append(name)
        if read is None:
            continue
        if declaration is not None and declaration.is_fact:
            facts[FACT + name] = read
        else:
            personal[name] = read
    return personal, facts, tuple(undeclared)


def _attribution(draft: Draft) -> dict[str, str]:
    found = {
        "form_id": tag(draft.form_id),
        "page_url": cut_url(draft.page_url),
        "referrer": cut_url(draft.referrer),
        "utm_source": tag(draft.utm_source),
        "utm_medium": tag(draft.utm_medium),
        "utm_campaign": tag(draft.utm_campaign),
        "utm_term": tag(draft.utm_term),
        "utm_content": tag(draft.utm_content),
    }
    return _given(found)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
