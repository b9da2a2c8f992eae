"""Renders pages: the template environment, the context every page gets, the security headers."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from shared.contracts.problems import Problem
from shared.web.formats import FILTERS
from shared.web.links import Links

HERE = Path(__file__).parent

SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then hide the origin of our own forms from us.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Pages show people's data: nothing of them may stay in a cache.
    "Cache-Control": "no-store",
}


class StrictInOutput(StrictUndefined):
    """A missing value may be asked for (``{% if item.note %}``) but never written out."""

    __bool__ = Undefined.__bool__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class NavItem:
    """One place in the header's navigation."""

    label: str
    href: str
    current: bool


class Pages:
    """Renders the templates of a service inside the shared shell.

    Every template gets ``request``, ``links``, ``nav``, ``principal`` (or None) and ``csrf_token``,
    the function ``static("<service>/inbox.js")`` and the filters of ``shared.web.formats``.
    """

    def __init__(self, *folders: Path) -> None:
        self._static = {folder.parent.parent.name: folder.parent / "static" for folder in folders}
        self.environment = Environment(
            loader=FileSystemLoader([*folders, HERE / "templates"]),
            autoescape=True,
            undefined=StrictInOutput,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.globals["static"] = self.static
        self.environment.filters.update(FILTERS)

    def render(
        self,
        request: Request,
        template: str,
        /,
        *,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """A page as a response, with the security headers set."""
        return HTMLResponse(
            self.text(request, template, **context),
            status_code=status_code,
            headers={**SECURITY_HEADERS, **(headers or {})},
        )

    def text(self, request: Request, template: str, /, **context: Any) -> str:
        """A page, or a part of one, as HTML."""
        links: Links = getattr(request.app.state, "links", None) or Links()
        principal = getattr(request.state, "principal", None)
        shell = {
            "request": request,
            "links": links,
            "principal": principal,
            "csrf_token": getattr(request.state, "csrf_token", ""),
            "nav": navigation(links, request.url.path, principal),
        }
        return self.environment.get_template(template).render({**shell, **context})

    def static(self, path: str) -> str:
        """The address of a static file, which changes with its content so that it can be cached.

        Raises FileNotFoundError for a file that is not there.
        """
        first, _, rest = path.partition("/")
        folder = self._static.get(first)
        file = folder / rest if folder is not None and rest else HERE / "static" / path
        return f"/static/{path}?v={_fingerprint(file)}"


def templates(*folders: Path) -> Pages:
    """The pages of a service with its templates in ``folders`` (``services/<name>/web/templates``).

    Its static files are expected beside them, in ``services/<name>/web/static``.
    """
    return Pages(*folders)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place of the product, and the roles that it is open to."""

    label: str
    service: str
    path: str
    prefixes: tuple[str, ...]
    roles: frozenset[str]


_PEOPLE = frozenset({"rep", "manager", "marketer", "admin"})
_PLACES = (
    _Place(
        "Inbox",
        "routing",
        "/routing/inbox",
        ("/routing/inbox",),
        frozenset({"rep", "manager", "admin"}),
    ),
    _Place(
        "Board", "routing", "/routing/board", ("/routing/board",), frozenset({"manager", "admin"})
    ),
    _Place("Leads", "feedback", "/feedback/leads", ("/feedback/leads", "/routing/leads"), _PEOPLE),
    _Place("Definitions", "qualify", "/qualify/", ("/qualify/",), _PEOPLE),
    _Place(
        "Fields",
        "capture",
        "/capture/fields",
        ("/capture/fields",),
        frozenset({"marketer", "admin"}),
    ),
    _Place("Feedback", "feedback", "/feedback/", ("/feedback/",), frozenset({"marketer", "admin"})),
    _Place("Reps", "routing", "/routing/", ("/routing/",), frozenset({"admin"})),
    _Place(
        "Accounts", "routing", "/routing/accounts", ("/routing/accounts",), frozenset({"admin"})
    ),
    _Place(
        "Notifications",
        "routing",
        "/routing/notifications",
        ("/routing/notifications",),
        frozenset({"rep", "manager"}),
    ),
)
_FORM = _Place("Form", "capture", "/capture/forms/demo", ("/capture/forms",), frozenset())
_FORMS = _Place("Forms", "capture", "/capture/", ("/capture/",), frozenset({"marketer", "admin"}))


def navigation(links: Links, path: str, principal: Any) -> list[NavItem]:
    """The header's places: what is open to this role, and for visitors the form alone."""
    role = principal.role.value if principal is not None else None
    places = [one for one in _PLACES if role in one.roles]
    places += [_FORM] if role is None else [_FORMS] if role in _FORMS.roles else []
    here = "" if path.endswith("/docs") else path
    # The longest that fits: the set-up's path begins the inbox's, too.
    fits = [(len(p), one) for one in places for p in one.prefixes if here.startswith(p)]
    current = max(fits, key=lambda found: found[0], default=(0, None))[1]
    return [
        NavItem(one.label, getattr(links, one.service) + one.path, one is current) for one in places
    ]


def problem_page(request: Request, problem: Problem) -> HTMLResponse | None:
    """A problem as a page, if it is a browser that asks; None for everybody else.

    A redirect (a ``Problem`` with a ``Location`` header) is not a page either.
    """
    if not wants_html(request) or "Location" in problem.headers:
        return None
    return _shell().render(
        request,
        "problem.html",
        status_code=problem.status,
        headers={
            name: value
            for name, value in problem.headers.items()
            if name.lower() not in ("www-authenticate", "content-type")
        },
        problem=problem,
    )


def wants_html(request: Request) -> bool:
    """Whether the client asks for HTML by name, as browsers do when they open a page."""
    return "text/html" in request.headers.get("accept", "")


@lru_cache
def _shell() -> Pages:
    return Pages()


@lru_cache
def _fingerprint(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:10]
