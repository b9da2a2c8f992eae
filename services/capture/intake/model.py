"""The submission as it comes: shape and limits. What the values mean is the domain's."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.capture.domain.submission import Consent, Draft

_NO_NUL = r"^[^\x00]*$"
Line = Annotated[str, StringConstraints(max_length=200, pattern=_NO_NUL)]
Address = Annotated[str, StringConstraints(max_length=320, pattern=_NO_NUL)]
Url = Annotated[str, StringConstraints(max_length=2048, pattern=_NO_NUL)]
Prose = Annotated[str, StringConstraints(max_length=5000, pattern=_NO_NUL)]
Tag = Annotated[str, StringConstraints(max_length=2048, pattern=_NO_NUL)]
FormId = Annotated[str, StringConstraints(max_length=64, pattern=r"^\s*[\w.\-]*\s*$")]


def _whole_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    if isinstance(value, str):
        return value.strip() or None
    return value


def _consents(value: object) -> object:
    """One answer or several; a bare tick answers the purpose ``contact``."""
    if value is None or value == "":
        return []
    if isinstance(value, dict):
        return [value]
    if isinstance(value, bool | str):
        return [{"purpose": "contact", "granted": value}]
    return value


class ConsentIn(BaseModel):
    """What the person agreed to, or declined."""

    model_config = ConfigDict(extra="ignore")

    purpose: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_NO_NUL)] = (
        "contact"
    )
    granted: bool
    text: Prose | None = None
    """The words the person saw."""
    basis: Line | None = None
    """The legal basis, for example ``consent`` or ``contract``."""


class LeadIn(BaseModel):
    """A lead as a web form posts it. At least ``email`` or ``phone`` is needed. Members that are
    not named here count as custom fields, as those in ``fields`` do."""

    model_config = ConfigDict(extra="allow", title="Lead")

    email: Address | None = None
    phone: Annotated[str, StringConstraints(max_length=60, pattern=_NO_NUL)] | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    company: Line | None = None
    job_title: Line | None = None
    country: Line | None = None
    employees: Annotated[
        Annotated[int, Field(ge=0, le=10_000_000)] | None, BeforeValidator(_whole_number)
    ] = None
    industry: Line | None = None
    website: Url | None = None
    message: Prose | None = None
    form_id: FormId | None = None
    page_url: Url | None = None
    referrer: Url | None = None
    utm_source: Tag | None = None
    utm_medium: Tag | None = None
    utm_campaign: Tag | None = None
    utm_term: Tag | None = None
    utm_content: Tag | None = None
    consent: Annotated[
        Annotated[list[ConsentIn], Field(max_length=20)], BeforeValidator(_consents)
    ] = []
    fields: dict[str, Any] | None = None

    def draft(self) -> Draft:
        """The submission for the domain to read."""
        extra = self.__pydantic_extra__
        fields = {**extra, **(self.fields or {})} if extra else self.fields or {}
        return Draft(
            email=self.email,
            phone=self.phone,
            first_name=self.first_name,
            last_name=self.last_name,
            company=self.company,
            job_title=self.job_title,
            country=self.country,
            employees=self.employees,
            industry=self.industry,
            website=self.website,
            message=self.message,
            form_id=self.form_id,
            page_url=self.page_url,
            referrer=self.referrer,
            utm={
                "utm_source": self.utm_source,
                "utm_medium": self.utm_medium,
                "utm_campaign": self.utm_campaign,
                "utm_term": self.utm_term,
                "utm_content": self.utm_content,
            },
            consent=tuple(Consent(c.purpose, c.granted, c.text, c.basis) for c in self.consent)
            if self.consent
            else (),
            fields=fields,
        )
