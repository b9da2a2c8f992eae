"""Filters of lists: one that is misspelt would be ignored, and everything listed instead."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params

from shared.contracts.problems import Problem

_ELSEWHERE = (params.Path, params.Header, params.Cookie)
_known: dict[Callable[..., Any], frozenset[str]] = {}


async def known_filters(request: Request) -> None:
    """A dependency of the JSON interfaces: reading with a parameter that the route does not know is
    a mistake. Raises Problem 400 that names it, and what was likely meant."""
    if not request.query_params or request.method != "GET" or "/v1/" not in request.url.path:
        return
    route = request.scope["route"]
    known = _known.get(route.endpoint)
    if known is None:
        known = _known[route.endpoint] = frozenset(
            field.alias
            for field in get_flat_params(route.dependant)
            if not isinstance(field.field_info, _ELSEWHERE)
        )
    for name in request.query_params:
        if name not in known:
            raise _unknown(name, known)


def _unknown(name: str, known: frozenset[str]) -> Problem:
    near = get_close_matches(name, known, 1)
    can = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(known)) or 'none'}."
    return Problem(
        400,
        "Unknown filter",
        f"There is no parameter {name[:64]}: nothing was looked up. {can}",
        parameter=name[:64],
    )
