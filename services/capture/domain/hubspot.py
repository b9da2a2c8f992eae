"""A HubSpot Forms v3 submission in our words."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

CONTACT: Final = "0-1"
"""HubSpot's object type of a contact; a field of another object keeps its type in its name."""
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_CONTEXT: Final = {
    "pageName": "page_name", "hutk": "hutk", "pageId": "page_id",
    "sfdcCampaignId": "sfdc_campaign_id", "goToWebinarWebinarKey": "webinar_key",
}  # fmt: skip
"""What of the context is kept as custom fields. The IP address is not: nobody here needs it."""


class NotHubSpot(ValueError):
    """A body that is no such submission, with HubSpot's name for what is wrong."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def lead_members(
    body: Any, form_id: str, mapping: Mapping[str, str], purposes: Mapping[str, str]
) -> dict[str, Any]:
    """The members of a lead. ``mapping`` renames fields, ``purposes`` names subscription types.

    Raises NotHubSpot.
    """
    if not isinstance(body, dict) or not isinstance(body.get("fields"), list):
        raise NotHubSpot("INVALID_REQUEST", "The request is not valid: fields must be a list")
    members: dict[str, Any] = {}
    for name, value in _fields(body["fields"]):
        name = mapping.get(name, name)
        if value not in (None, ""):
            earlier = members.get(name)
            members[name] = value if earlier is None else _together(earlier, value)
    context = body.get("context") or {}
    if not isinstance(context, dict):
        raise NotHubSpot("INVALID_METADATA", "The context must be an object")
    kept = {ours: context.get(theirs) for theirs, ours in _CONTEXT.items()}
    for name, value in {**kept, **_attribution(context.get("pageUri"))}.items():
        if isinstance(value, str) and value:
            members.setdefault(name, value)
    members["form_id"] = form_id
    members["consent"] = list(_consents(body.get("legalConsentOptions") or {}, purposes))
    return members


def _fields(fields: list[Any]) -> Iterator[tuple[str, Any]]:
    for one in fields:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise NotHubSpot("INVALID_REQUEST", "Each of the fields needs a name")
        kind, name = one.get("objectTypeId"), one["name"]
        foreign = isinstance(kind, str) and kind not in ("", CONTACT)
        yield (f"{kind}/{name}" if foreign else name), one.get("value")


def _together(earlier: Any, value: Any) -> list[Any]:
    one = earlier if isinstance(earlier, list) else [earlier]
    return [*one, *(value if isinstance(value, list) else [value])]


def _attribution(page: object) -> dict[str, str]:
    """HubSpot reads the campaign from the page's address; so do we."""
    if not isinstance(page, str) or not page:
        return {}
    try:
        query = dict(parse_qsl(urlsplit(page).query, max_num_fields=200))
    except ValueError:
        query = {}
    return {"page_url": page, **{name: query[name] for name in UTM if query.get(name)}}


def _consents(options: Any, purposes: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if not isinstance(options, dict):
        raise NotHubSpot("INVALID_LEGAL_OPTION_FORMAT", "legalConsentOptions must be an object")
    consent, interest = options.get("consent"), options.get("legitimateInterest")
    for one in (consent, interest):
        if one is not None and not isinstance(one, dict):
            raise NotHubSpot("INVALID_LEGAL_OPTION_FORMAT", "A legal option must be an object")
    if consent:
        if consent.get("consentToProcess") is not None:
            yield _answer("processing", consent.get("consentToProcess"), consent, "consent")
        communications = consent.get("communications") or []
        if not isinstance(communications, list):
            raise NotHubSpot("INVALID_LEGAL_OPTION_FORMAT", "communications must be a list")
        for one in communications:
            if not isinstance(one, dict):
                raise NotHubSpot("INVALID_LEGAL_OPTION_FORMAT", "A communication is an object")
            yield _answer(_purpose(one, purposes), one.get("value"), one, "consent")
    if interest:
        yield _answer(
            _purpose(interest, purposes), interest.get("value"), interest, _basis(interest)
        )


def _answer(purpose: str, granted: Any, given: Mapping[str, Any], basis: str) -> dict[str, Any]:
    text = given.get("text")
    yes = granted is True or str(granted).lower() == "true"
    return {
        "purpose": purpose[:64],
        "granted": yes,
        "text": text if isinstance(text, str) else None,
        "basis": basis,
    }


def _purpose(given: Mapping[str, Any], purposes: Mapping[str, str]) -> str:
    number = str(given.get("subscriptionTypeId", ""))
    return purposes.get(number) or f"subscription_{number or 'unnamed'}"


def _basis(interest: Mapping[str, Any]) -> str:
    basis = interest.get("legalBasis")
    named = isinstance(basis, str) and basis.isascii() and len(basis) <= 30
    return f"legitimate_interest ({basis})" if named and basis else "legitimate_interest"
