"""Phone numbers in E.164, by the numbering plans of phonenumbers."""

import phonenumbers


def normalise_phone(text: str, region: str | None) -> str:
    """``+`` and digits only. ``region`` (ISO 3166-1 alpha-2) reads numbers without country code.

    Raises ValueError with what is wrong, without the number itself.
    """
    text = text.strip()
    if text.startswith("00"):
        text = "+" + text[2:]
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
