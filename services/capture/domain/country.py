"""Countries: whatever people write, as ISO 3166-1 alpha-2."""

import unicodedata
from functools import cache
from typing import Final

import pycountry

# What people write and the standard does not list.
_ALSO: Final = {
    "uk": "GB", "great britain": "GB", "britain": "GB", "england": "GB", "scotland": "GB",
    "wales": "GB", "northern ireland": "GB", "u.s.": "US", "u.s.a.": "US", "america": "US",
    "united states of america": "US", "holland": "NL", "the netherlands": "NL", "russia": "RU",
    "south korea": "KR", "north korea": "KP", "turkey": "TR", "ivory coast": "CI",
    "czech republic": "CZ", "vatican": "VA", "macedonia": "MK", "cape verde": "CV",
    "swaziland": "SZ", "burma": "MM", "deutschland": "DE", "österreich": "AT", "schweiz": "CH",
    "suisse": "CH", "españa": "ES", "italia": "IT", "polska": "PL", "brasil": "BR",
    "belgië": "BE", "belgique": "BE", "danmark": "DK", "sverige": "SE", "norge": "NO",
    "suomi": "FI", "nederland": "NL", "éire": "IE", "uae": "AE", "hong kong": "HK",
    "taiwan": "TW", "palestine": "PS", "brunei": "BN", "laos": "LA", "syria": "SY",
}  # fmt: skip


@cache
def _by_name() -> dict[str, str]:
    names: dict[str, str] = {}
    for country in pycountry.countries:
        for attribute in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            value = getattr(country, attribute, None)
            if value:
                names[_key(value)] = country.alpha_2
    names |= {_key(name): code for code, name in choices()}
    return names | {_key(name): code for name, code in _ALSO.items()}


@cache
def choices() -> tuple[tuple[str, str], ...]:
    """(alpha-2, name) of every country, by name: for a form's list."""
    found = (
        (c.alpha_2, getattr(c, "common_name", None) or c.name.partition(", ")[0])
        if c.alpha_2 not in ("CD", "CG", "KP", "KR", "VG", "VI")
        else (c.alpha_2, c.name)
        for c in pycountry.countries
    )
    return tuple(sorted(found, key=lambda pair: _plain(pair[1])))


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _key(text: str) -> str:
    return " ".join(_plain(text).casefold().split())


def normalise_country(text: str) -> str:
    """The alpha-2 code of a code or a name. Raises ValueError, without the value itself."""
    names = _by_name()
    code = names.get(text.lower()) or names.get(_key(text))
    if code is None:
        raise ValueError("is not a country: give its ISO 3166-1 code, as in DE, or its name")
    return code
