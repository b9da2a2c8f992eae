"""Pages: escaped, with their security headers, and told apart from API answers."""

from pathlib import Path
from types import SimpleNamespace

import httpx
import jinja2
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from shared.access.roles import Role
from shared.contracts.problems import Problem
from shared.web import Links, problem_page, static_mounts, templates
from shared.web.pages import navigation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service's web folder with one page and one script."""
    web = tmp_path / "services" / "routing" / "web"
    (web / "templates").mkdir(parents=True)
    (web / "static").mkdir()
    (web / "static" / "inbox.js").write_text("let one = 1;")
    (web / "templates" / "page.html").write_text(
        '{% extends "base.html" %}{% import "parts.html" as parts %}'
        "{% block title %}{{ name }}{% endblock %}"
        '{% block main %}<h1>{{ name }}</h1>{{ parts.badge(name, "ok") }}'
        "{% if missing %}never{% endif %}{% endblock %}"
        "{% block scripts %}<script src=\"{{ static('routing/inbox.js') }}\" defer></script>"
        "{% endblock %}"
    )
    (web / "templates" / "broken.html").write_text("{{ missing }}")
    return web


def request(path: str = "/routing/inbox", accept: str = "text/html", **state: object) -> Request:
    app = SimpleNamespace(state=SimpleNamespace(links=Links(feedback="http://127.0.0.1:8004")))
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"accept", accept.encode())],
        "server": ("leadloop.test", 80),
        "scheme": "http",
        "app": app,
        "state": dict(state),
    }
    return Request(scope)


def test_values_are_escaped_in_pages_and_in_parts(folder: Path) -> None:
    html = (
        templates(folder / "templates")
        .render(request(), "page.html", name="<script>alert('&')</script>")
        .body.decode()
    )
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") == 3


def test_a_missing_value_may_be_asked_for_but_not_written(folder: Path) -> None:
    pages = templates(folder / "templates")
    assert "never" not in pages.text(request(), "page.html", name="x")
    with pytest.raises(jinja2.UndefinedError):
        pages.text(request(), "broken.html")


def test_a_page_allows_nothing_from_elsewhere_and_stays_in_no_cache(folder: Path) -> None:
    headers = templates(folder / "templates").render(request(), "page.html", name="x").headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_no_shared_page_carries_an_inline_script_or_style() -> None:
    shared = Path(__file__).parents[3] / "shared" / "web" / "templates"
    front = Path(__file__).parents[3] / "deploy" / "web" / "templates"
    for file in (*shared.glob("*.html"), *front.glob("*.html")):
        text = file.read_text()
        assert " style=" not in text, file
        assert "<style" not in text, file
        assert "<script" not in text, file
        assert "http://" not in text.replace("http://www.w3.org", ""), file


def test_the_navigation_knows_the_place_and_the_other_addresses() -> None:
    links = Links(feedback="http://127.0.0.1:8004")
    admin = SimpleNamespace(role=Role.ADMIN, rep_id=None)
    nav = navigation(links, "/routing/inbox", admin)
    assert [item.label for item in nav if item.current] == ["Inbox"]
    assert [item.label for item in navigation(links, "/routing/", admin) if item.current] == [
        "Reps"
    ]
    assert "http://127.0.0.1:8004/feedback/" in [item.href for item in nav]


@pytest.mark.parametrize(
    ("role", "labels"),
    [
        (None, ["Form"]),
        (Role.REP, ["Inbox", "Leads", "Definitions", "Notifications"]),
        (Role.MANAGER, ["Inbox", "Board", "Leads", "Definitions", "Notifications"]),
        (Role.MARKETER, ["Leads", "Definitions", "Fields", "Feedback", "Forms"]),
        (
            Role.ADMIN,
            [
                "Inbox",
                "Board",
                "Leads",
                "Definitions",
                "Fields",
                "Feedback",
                "Reps",
                "Accounts",
                "Forms",
            ],
        ),
    ],
)
def test_nobody_is_led_to_a_page_that_is_closed_to_them(
    role: Role | None, labels: list[str]
) -> None:
    who = None if role is None else SimpleNamespace(role=role, rep_id=None)
    assert [item.label for item in navigation(Links(), "/", who)] == labels


def test_who_is_logged_in_is_named_and_can_log_out(folder: Path) -> None:
    principal = SimpleNamespace(role=SimpleNamespace(value="rep"), rep_id="anna")
    html = templates(folder / "templates").text(
        request(principal=principal, csrf_token="t0ken"), "page.html", name="x"
    )
    assert "anna" in html
    assert 'action="/logout"' in html
    assert '<input type="hidden" name="csrf_token" value="t0ken">' in html
    assert "/login" not in html


async def test_static_addresses_change_with_the_content(folder: Path) -> None:
    pages = templates(folder / "templates")
    app = FastAPI(routes=static_mounts({"routing": folder.parent, "capture": folder}))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        script = await client.get(pages.static("routing/inbox.js"))
        assert script.text == "let one = 1;"
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["x-content-type-options"] == "nosniff"
        unversioned = await client.get("/static/routing/inbox.js")
        assert unversioned.headers["cache-control"] == "no-cache"
        styles = await client.get(pages.static("leadloop.css"))
        assert styles.headers["content-type"].startswith("text/css")
        outside = await client.get("/static/routing/%2e%2e/templates/page.html")
        assert outside.status_code == 404
    with pytest.raises(FileNotFoundError):
        pages.static("routing/nothing.js")


def test_a_problem_is_a_page_for_browsers_alone() -> None:
    problem = Problem(403, "Not <allowed>", "Ask somebody.", headers={"Retry-After": "5"})
    page = problem_page(request(accept="text/html,application/xhtml+xml"), problem)
    assert page is not None
    assert page.status_code == 403
    assert page.headers["retry-after"] == "5"
    assert "Not &lt;allowed&gt;" in page.body.decode()
    assert problem_page(request(accept="application/json"), problem) is None
    assert problem_page(request(accept="*/*"), problem) is None
    redirect = Problem(303, "Log in", "…", headers={"Location": "/login"})
    assert problem_page(request(), redirect) is None
