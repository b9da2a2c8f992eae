"""Hints for routing and capture, in the words of a page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.feedback.domain.hints import Hint
from services.feedback.store.names import Told
from services.feedback.web.evidence import name_of, row_of, said_of
from shared.contracts.vocabulary import RejectReason
from shared.scorecard.intervals import wilson
from shared.web.formats import number, percent
from shared.web.words import REASON_NAMES, fact_name

SHOWN_IN_SHORT: Final = 3
AREAS: Final = (
    {
        "key": "routing",
        "title": "For routing",
        "lead": "Leads that went to the wrong rep. A rule or a territory can be mended.",
        "badge": "",
        "none": "Nothing stands out",
        "none_text": "No rep and no territory turns leads down for such reasons more often.",
    },
    {
        "key": "capture",
        "title": "For capture",
        "lead": "Leads whose data were faulty. A form, a source or a field can be mended.",
        "badge": "warn",
        "none": "Nothing stands out",
        "none_text": "No form, source or field brings faulty data more often than the others.",
    },
)


def areas(
    hints: Mapping[str, Sequence[Hint]], leads: Mapping[str, Told], links: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Both areas with their hints. ``links`` are where each is mended."""
    return [
        {
            **area,
            "hints": [
                _hint(one, leads, area["key"], links.get(area["key"])) for one in hints[area["key"]]
            ],
        }
        for area in AREAS
    ]


def in_short(hints: Mapping[str, Sequence[Hint]]) -> list[dict[str, str]]:
    """The clearest hints of both areas, a line each."""
    clearest = sorted(
        (one for found in hints.values() for one in found), key=lambda one: -one.difference.low
    )
    return [
        {"title": f"{_title(one)}: {number(one.count)} of {number(one.of)} leads"}
        for one in clearest[:SHOWN_IN_SHORT]
    ]


def _hint(hint: Hint, leads: Mapping[str, Told], area: str, href: str | None) -> dict[str, Any]:
    here, rest = wilson(hint.count, hint.of), wilson(hint.rest_count, hint.rest_of)
    row = row_of(
        _reason(hint),
        f"{number(hint.count)} of {number(hint.of)} here, {number(hint.rest_count)} of "
        f"{number(hint.rest_of)} elsewhere",
        None if rest is None else {"point": rest.estimate, "low": rest.low, "high": rest.high},
        None if here is None else {"point": here.estimate, "low": here.low, "high": here.high},
    )
    return {
        "title": _title(hint),
        "badge": f"{number(hint.count)} leads",
        "text": f"{percent(hint.count / hint.of)} of the leads with {_where(hint)} were turned "
        f"down as “{_reason(hint)}”; of the others {percent(hint.rest_count / hint.rest_of)}.",
        "measures": [row],
        "examples": [
            {
                "lead_id": lead_id,
                "name": name_of(lead_id, leads.get(lead_id)),
                "said": said_of(leads.get(lead_id))[0],
            }
            for lead_id in hint.examples
        ],
        "href": href,
        "link": "Open the routing policy" if area == "routing" else "Open the form",
    }


def _title(hint: Hint) -> str:
    return f"{_reason(hint)}, {_where(hint)}"


def _reason(hint: Hint) -> str:
    return REASON_NAMES[RejectReason(hint.reason)]


def _where(hint: Hint) -> str:
    return " and ".join(_part(name, value) for name, value in hint.where)


def _part(name: str, value: str) -> str:
    if name == "missing":
        return f"no {_lower(fact_name(value))}"
    if name == "rep_id":
        return f"rep {value}"
    return f"{_lower(fact_name(name))} {value}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
