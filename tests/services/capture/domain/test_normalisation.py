"""Values as people type them, made comparable."""

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.domain.country import choices, normalise_country
from services.capture.domain.email import email_type, normalise_email
from services.capture.domain.phone import normalise_phone
from services.capture.domain.submission import Draft, Unacceptable, normalise
from services.capture.domain.text import cut_url, one_line, tag, website
from services.capture.intake.model import LeadIn


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        (" Ada@Example.COM ", "ada@example.com"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("ada@xn--mnchen-3ya.de", "ada@münchen.de"),
        ("ADA@MÜNCHEN.DE", "ada@münchen.de"),
        ("josé@example.com", "josé@example.com"),
    ],
)
def test_one_spelling_per_mailbox(typed: str, same: str) -> None:
    assert normalise_email(typed) == same


@pytest.mark.parametrize(
    "typed",
    ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example", "a..b@example.com",
     "ada@-example.com", "ada@localhost", "x" * 65 + "@example.com", "ada@example.com\n@x"],
)  # fmt: skip
def test_no_address(typed: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        normalise_email(typed)


@given(st.emails())
def test_normalising_an_address_again_changes_nothing(address: str) -> None:
    try:
        once = normalise_email(address)
    except ValueError:
        return
    assert normalise_email(once) == once


@given(st.from_regex(r"\A[a-z0-9.+_-]{1,70}@[a-z0-9.-]{1,60}\.(com|de|example)\Z"))
def test_the_short_cut_accepts_nothing_that_the_full_parser_refuses(address: str) -> None:
    try:
        expected: str | None = validate_email(
            address, check_deliverability=False, strict=True, test_environment=True
        ).normalized.lower()
    except EmailNotValidError:
        expected = None
    try:
        got: str | None = normalise_email(address)
    except ValueError:
        got = None
    assert got == expected


def test_whose_mailbox_it_is() -> None:
    assert email_type("ada@gmail.com") == "free"
    assert email_type("ada@engines.example") == "business"
    assert email_type(None) == "none"


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        ("+49 30 1234567", None, "+49301234567"),
        ("0049-30-1234567", None, "+49301234567"),
        ("030 1234567", "DE", "+49301234567"),
        ("(020) 7946 0018", "GB", "+442079460018"),
        ("+1 (415) 555-2671", "DE", "+14155552671"),
    ],
)
def test_phones_in_e164(typed: str, region: str | None, number: str) -> None:
    assert normalise_phone(typed, region) == number
    assert normalise_phone(number, None) == number


@pytest.mark.parametrize("typed", ["030 1234567", "+49", "call me", "+999 123", "1" * 40, "+"])
def test_no_phone_number(typed: str) -> None:
    with pytest.raises(ValueError, match=r"phone|country|digits"):
        normalise_phone(typed, None)


@pytest.mark.parametrize(
    ("typed", "code"),
    [("de", "DE"), ("DEU", "DE"), ("Germany", "DE"), ("deutschland", "DE"), ("UK", "GB"),
     ("U.S.A.", "US"), ("united  states", "US"), ("Côte d'Ivoire", "CI"), ("cote d'ivoire", "CI"),
     ("Türkiye", "TR"), ("Turkey", "TR"), ("South Korea", "KR"), ("The Netherlands", "NL")],
)  # fmt: skip
def test_countries(typed: str, code: str) -> None:
    assert normalise_country(typed) == code
    assert normalise_country(code) == code


def test_every_country_a_form_offers_is_one() -> None:
    assert len(choices()) > 240
    for code, name in choices():
        assert normalise_country(code) == code
        assert normalise_country(name) == code


@pytest.mark.parametrize(
    ("typed", "cut"),
    [
        ("https://Example.com/a/b?email=x#y", "https://example.com/a/b"),
        ("http://me:secret@example.com:8080/", "http://example.com:8080/"),
        ("https://example.com/unsubscribe/ada@example.com", "https://example.com/"),
        ("javascript:alert(1)", None),
        ("http://[::1", None),
        ("http://example.com:99999/", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_addresses_lose_what_names_people(typed: str | None, cut: str | None) -> None:
    assert cut_url(typed) == cut


def test_a_website_may_lack_its_scheme() -> None:
    assert website("example.com/a?b") == "https://example.com/a"


def test_attribution_names_nobody() -> None:
    assert tag("spring  sale ") == "spring sale"
    assert tag("to:ada@example.com") is None
    assert tag("ada%40example.com") is None
    assert len(tag("x" * 300) or "") == 200


@given(st.text())
def test_one_line_is_one_line_and_stays_so(text: str) -> None:
    line = one_line(text)
    assert one_line(line) == line
    assert line is None or (line.strip() == line and "\n" not in line and "\x00" not in line)


@given(
    st.builds(
        LeadIn.model_construct,
        email=st.none() | st.text(max_size=30) | st.emails(),
        phone=st.none() | st.text(alphabet="+0123456789 -()", max_size=20),
        country=st.none() | st.sampled_from(["DE", "Germany", "Atlantis"]),
        company=st.none() | st.text(max_size=20),
        website=st.none() | st.text(max_size=40),
        page_url=st.none() | st.text(max_size=40),
        fields=st.dictionaries(
            st.text(max_size=5),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: st.lists(inner, max_size=3),
                max_leaves=4,
            ),
            max_size=3,
        ),
    )
)
def test_a_draft_is_a_submission_or_says_what_is_wrong(draft: Draft) -> None:
    try:
        found = normalise(draft, {})
    except Unacceptable as error:
        wrong = error.errors
    else:
        wrong = []
    if wrong:
        assert all(e.pointer.startswith("/") and e.detail for e in wrong)
        return
    assert found.identity in (
        f"email:{found.contact.get('email')}",
        f"phone:{found.contact.get('phone')}",
    )
    assert not any(value in ("", None) for value in found.contact.values())


def fully_parsed(text: str, region: str | None) -> str | None:
    """What phonenumbers says, without any short cut."""
    text = "+" + text[2:] if text.startswith("00") else text
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@settings(max_examples=2000)
@given(
    st.sampled_from(["+", "00", "+(", ""]),
    st.sampled_from(CODES) | st.integers(1, 999),
    st.text(alphabet="0123456789" * 3 + " -.()", min_size=4, max_size=16),
    st.sampled_from([None, "DE", "US", "IT"]),
)
def test_the_short_cut_reads_a_phone_number_as_the_full_parser_does(
    before: str, code: int, rest: str, region: str | None
) -> None:
    typed = f"{before}{code}{rest}".strip()
    try:
        got: str | None = normalise_phone(typed, region)
    except ValueError:
        got = None
    assert got == fully_parsed(typed, region)
