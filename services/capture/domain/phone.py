"""Phone numbers in E.164, by the numbering plans of phonenumbers."""

import re
from functools import cache
from typing import Any, Final

import phonenumbers

# A number in international form needs no full parser where the parser would change nothing: that
# takes 15 µs, this 3 µs. Whatever does not match goes there.
_PLAIN: Final = re.compile(r"\+[1-9](?:[ .-]?\(?[0-9]\)?){5,13}", re.ASCII)
_SEPARATORS: Final = str.maketrans("", "", " .-()")


def normalise_phone(text: str, region: str | None) -> str:
    """``+`` and digits only. ``region`` (ISO 3166-1 alpha-2) reads numbers without country code.

    Raises ValueError with what is wrong, without the number itself.
    """
    text = text.strip()
    if text.startswith("00"):
        text = "+" + text[2:]
    if _PLAIN.fullmatch(text) and _is_e164(plain := text.translate(_SEPARATORS)):
        return plain
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            raise ValueError(
                "needs its country code, as in +49 30 1234567, or a country beside it"
            ) from None
        raise ValueError("is not a phone number, as in +49 30 1234567") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("has too few or too many digits for a phone number of that country")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _is_e164(plain: str) -> bool:
    """Whether a ``+`` and digits are sure to be a possible number as they stand."""
    for end in (2, 3, 4):  # a country code has one to three digits, and none begins another
        plan = _plan(plain[1:end])
        if plan is not None:
            prefix, lengths = plan
            national = plain[end:]
            return (
                national[0] != "0"
                and len(national) in lengths
                and (prefix is None or prefix.match(national) is None)
            )
    return False


@cache
def _plan(code: str) -> tuple[re.Pattern[str] | None, frozenset[int]] | None:
    """What may stand before a national number of this country code, and its possible lengths; None
    for what is no country code."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ("",))
    found: Any = phonenumbers.PhoneMetadata.metadata_for_region(regions[0], None)
    if found is None:
        return None
    prefix = found.national_prefix_for_parsing
    return re.compile(prefix) if prefix else None, frozenset(found.general_desc.possible_length)
