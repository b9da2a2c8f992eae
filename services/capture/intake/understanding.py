"""A submission in other tools' words, brought to ours: renamed, unpacked, nothing dropped."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.capture.domain.fields import read_value
from services.capture.domain.submission import STANDARD, Declared
from services.capture.domain.synonyms import FULL_NAME, Synonyms, is_group, split_name
from services.capture.intake.model import LeadIn

_OURS: Final = frozenset(LeadIn.model_fields)


def is_foreign(draft: LeadIn, declared: Declared, synonyms: Synonyms) -> bool:
    """Whether a lead that has the right shape has members in other tools' words."""
    extra = draft.__pydantic_extra__
    for members in (extra, draft.fields):
        for name, value in (members or {}).items():
            if name not in declared and (
                synonyms.of(name) is not None or isinstance(value, dict | list)
            ):
                return True
    return False


@dataclass(frozen=True, slots=True)
class Stood:
    """Where a value stood that was understood as a field of ours."""

    name: str
    pointer: str


def understood(
    members: Mapping[str, Any], declared: Declared, synonyms: Synonyms
) -> tuple[dict[str, Any], dict[str, Stood]]:
    """The members by our names, and where each renamed one stood.

    A field's own name wins over a synonym, and the first of two synonyms over the second; what
    loses stays a custom field under the name it came with.
    """
    known = {
        name: _as_text(name, value)
        for name, value in members.items()
        if name in _OURS and name != "fields" and not _packed(name, value)
    }
    custom: dict[str, Any] = {}
    stood: dict[str, Stood] = {}
    for name, pointer, value in _unpacked(members):
        field = None if name in declared else synonyms.of(name)
        if field == FULL_NAME and isinstance(value, str):
            first, last = split_name(value)
            if not known.get("first_name") and not known.get("last_name"):
                known |= {"first_name": first, "last_name": last}
                stood |= dict.fromkeys(("first_name", "last_name"), Stood(name, pointer))
                continue
        elif field in STANDARD and not _given(known.get(field)):
            plain = _plain(value)
            if plain is not None:
                known[field], stood[field] = _as_text(field, plain), Stood(name, pointer)
                continue
        custom[name] = value
    if custom or isinstance(members.get("fields"), dict):
        known["fields"] = custom
    elif "fields" in members and not _packed("fields", members["fields"]):
        known["fields"] = members["fields"]  # of a wrong shape, which is told
    return known, stood


def tolerated(
    members: Mapping[str, Any], wrong: Collection[str], stood: Mapping[str, Stood]
) -> dict[str, Any] | None:
    """The members with each value of a wrong shape among the custom fields, as it was sent; None
    when one of them says who the lead is, or can be kept nowhere."""
    if not STANDARD.issuperset(wrong):
        return None
    kept = dict(members)
    custom = dict(kept.get("fields") or {})
    for name in wrong:
        mine = name not in stood
        if name == "email" or (name == "phone" and not kept.get("email")):
            return None
        if mine and name == "form_id":  # which the sender made up: better mended than kept
            return None
        value = kept.pop(name)
        try:
            read_value(value, None)
        except ValueError:
            return None
        custom[name if mine else stood[name].name] = value
    return {**kept, "fields": custom}


def _given(value: object) -> bool:
    return value is not None and value != "" and value != []


def _as_text(field: str, value: Any) -> Any:
    """A number where a text belongs, as text: ``{"phone": 4930123456}``."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number and field in STANDARD and field != "employees" else value


def _plain(value: object) -> str | int | float | None:
    """A value that a field of a lead may have; None for any other."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return value


def _packed(name: str, value: object) -> bool:
    """Whether a member holds members: an object or list of pairs, with a name tools use for it."""
    if isinstance(value, list):
        pairs = all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in value)
        return bool(value) and pairs and is_group(name)
    return isinstance(value, dict) and is_group(name)


def _unpacked(members: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(name, JSON pointer, value) of all that is not a field of ours."""
    for name, value in members.items():
        place = "/" + _escaped(name)
        if _packed(name, value):
            yield from _inside(name, place, value)
        elif name not in _OURS:
            yield name, place, value


def _inside(group: str, place: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    around = "" if group == "fields" else group
    if isinstance(value, dict):
        for inner, inside in value.items():
            name = f"{around}.{inner}" if around else inner
            yield name, f"{place}/{_escaped(inner)}", _value(inside)
        return
    for index, pair in enumerate(value):
        yield pair["name"], f"{place}/{index}", _value(pair)


def _value(inside: Any) -> Any:
    """``{"value": x}``, as HubSpot packs a property, and ``{"values": [x]}``, as Facebook does."""
    if not isinstance(inside, dict):
        return inside
    if "value" in inside:
        return inside["value"]
    values = inside.get("values", None if "name" in inside else inside)
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
