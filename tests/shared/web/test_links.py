"""Addresses: where services are, and where a browser may be sent."""

import pytest

from shared.web import Links, local_path


def test_without_a_setting_every_service_is_at_this_address() -> None:
    assert Links.parse("") == Links() == Links("", "", "", "")


def test_services_are_named_one_by_one() -> None:
    links = Links.parse(" capture=http://127.0.0.1:8001 , feedback = https://leads.example/app/ ,")
    assert links == Links(capture="http://127.0.0.1:8001", feedback="https://leads.example/app")


@pytest.mark.parametrize(
    "setting",
    [
        "billing=http://x",
        "capture",
        "capture=",
        "capture=//host",
        "capture=javascript:alert(1)",
        "capture=http:///path",
        "capture=http://host/?q=1",
        "capture=http://host/#top",
    ],
)
def test_what_is_no_address_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"capture|service"):
        Links.parse(setting)


@pytest.mark.parametrize("path", ["/", "/routing/inbox", "/qualify/?version=3&x=%2F", "/a//b#c"])
def test_paths_of_this_site_stay_as_they_are(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "routing",
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/a\\..\\b",
        " /routing",
        "/routing inbox",
        "javascript:alert(1)",
        "/\u2028/evil.example",
        "/\uff0f/evil.example",
        "/\x00",
    ],
)
def test_anything_that_could_lead_elsewhere_is_replaced(path: str | None) -> None:
    assert local_path(path, default="/home") == "/home"
