"""A Salesforce web-to-lead form in our words."""

from collections.abc import Mapping
from typing import Any, Final

OF_THE_FORM: Final = frozenset(
    {
        "oid", "returl", "debug", "debugemail", "encoding", "submit", "captcha_settings",
        "g-recaptcha-response", "external", "_charset_",
    }
)  # fmt: skip
"""What the form says about itself, in lower case: nothing of the person's."""
_OPT_OUT: Final = {"emailoptout": "email", "faxoptout": "fax", "donotcall": "phone"}
"""A box that was ticked declines this purpose."""
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def same_organisation(one: str, other: str) -> bool:
    """Whether two organisation ids are one: with its checksum an id has 18 characters, else 15."""
    return len(one) >= 15 and len(other) >= 15 and one[:15] == other[:15]


def lead_members(
    members: Mapping[str, Any], form_id: str, mapping: Mapping[str, str]
) -> dict[str, Any]:
    """The members of a lead. ``mapping`` renames fields, those named by an id (``00N…``) mostly."""
    lead: dict[str, Any] = {}
    declined: list[dict[str, Any]] = []
    for name, value in members.items():
        low = name.lower()
        if low in OF_THE_FORM:
            continue
        if low in _OPT_OUT and name not in mapping:
            if str(value).strip().lower() not in _OFF:
                declined.append({"purpose": _OPT_OUT[low], "granted": False, "basis": "opt-out"})
            continue
        lead[mapping.get(name, name)] = value
    if declined:
        given = lead.get("consent")
        lead["consent"] = [*([given] if isinstance(given, dict) else given or []), *declined]
    return {"form_id": form_id, **lead}
