"""The submission as it comes: shape and limits. What the values mean is the domain's."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.capture.domain.submission import Consent

_NO_NUL = r"^[^\x00]*$"
Line = Annotated[str, StringConstraints(max_length=200, pattern=_NO_NUL)]
Address = Annotated[str, StringConstraints(max_length=320, pattern=_NO_NUL)]
Url = Annotated[str, StringConstraints(max_length=2048, pattern=_NO_NUL)]
Prose = Annotated[str, StringConstraints(max_length=5000, pattern=_NO_NUL)]
Tag = Annotated[str, StringConstraints(max_length=2048, pattern=_NO_NUL)]
FormId = Annotated[str, StringConstraints(max_length=64, pattern=r"^\s*[\w.\-]*\s*$")]


def _count(value: object) -> object:
    """Whatever can't be a count, as text: it is kept as it was sent, and that has its bounds."""
    if not isinstance(value, bool | int | float | str | None):
        raise ValueError("must be a number, or a text such as 50-200")
    odd = isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) < 1e15)
    text = str(value) if odd else value
    return text[:200].replace("\0", "") if isinstance(text, str) else text


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
    wording: Line | None = None
    """Which wording it was, in your own words; hosted forms say ``<form_id>/<version>``."""


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
    employees: Annotated[int | float | str | None, BeforeValidator(_count)] = None
    """A number of people, or a range of them such as ``50-200``."""
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

    def consents(self) -> tuple[Consent, ...]:
        """See ``Draft``."""
        if not self.consent:
            return ()
        return tuple(
            [Consent(c.purpose, c.granted, c.text, c.basis, c.wording) for c in self.consent]
        )

    def custom(self) -> Mapping[str, object]:
        """See ``Draft``."""
        extra = self.__pydantic_extra__
        return {**extra, **(self.fields or {})} if extra else self.fields or {}
