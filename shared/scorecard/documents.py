"""Reading what an author wrote, JSON or YAML, as plain data; and writing it as YAML.

Both are read strictly: no key twice, no numbers that are none, nothing deeper or larger than any
definition needs. YAML has no anchors, aliases or tags here, so nothing refers to itself or grows by
references; and its words are those of YAML 1.2 (core schema, https://yaml.org/spec/1.2.2/#103-core-schema):
``NO`` is a country, not false.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal

from shared.scorecard.definition import DefinitionError, InvalidDefinition

Form = Literal["json", "yaml"]

DEEPEST: Final = 24
"""Objects and lists within each other."""
MOST: Final = 20_000
"""Values in one document."""
_EXACT: Final = 2**53
"""Up to here every whole number is kept exactly by whoever reads JSON."""

_WIDTH: Final = 100
"""Of a line that is written."""

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,400}")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]{1,400}|[0-9]{1,400}(\.[0-9]{0,400})?)([eE][-+]?[0-9]{1,9})?"
)
_INFINITE: Final = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


class Unreadable(InvalidDefinition):
    """Text that is no JSON or YAML of the kind we take; the detail names the line where known."""

    def __init__(self, detail: str, line: int | None = None) -> None:
        super().__init__(
            [DefinitionError("", detail if line is None else f"line {line}: {detail}")]
        )


def read_document(raw: bytes, form: Form) -> Any:
    """The data behind a text. Raises Unreadable, and InvalidDefinition for values that are none."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("this is no UTF-8 text", raw[: error.start].count(b"\n") + 1) from None
    found = _from_json(text) if form == "json" else _from_yaml(text)
    check_values(found)
    return found


def check_values(document: Any) -> None:
    """Whether every value can be kept and told on. Raises InvalidDefinition."""
    errors: list[DefinitionError] = []
    todo: list[tuple[str, Any, int]] = [("", document, 0)]
    for number, (pointer, value, depth) in enumerate(_growing(todo)):
        if number >= MOST:
            raise Unreadable(f"the document is too large: at most {MOST} values")
        if isinstance(value, Mapping | list) and depth >= DEEPEST:
            raise Unreadable(f"nested too deep: at most {DEEPEST} levels")
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if _surrogate(key):
                    errors.append(DefinitionError(pointer, "a key has half a character"))
                else:
                    todo.append((f"{pointer}/{escaped(str(key))}", inner, depth + 1))
        elif isinstance(value, list):
            todo += [(f"{pointer}/{at}", inner, depth + 1) for at, inner in enumerate(value)]
        elif wrong := _fault(value):
            errors.append(DefinitionError(pointer, wrong))
    if errors:
        raise InvalidDefinition(errors)


def escaped(key: str) -> str:
    """A key as a step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def to_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML that ``read_document`` reads back, a line for each level, condition and
    grade; what is not given is left out."""
    import yaml

    return yaml.dump(
        _laid_out(_given(document)),
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
        default_flow_style=False,
    )


def _given(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _given(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_given(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Inline(dict[str, Any]):
    """An object that is written on one line."""


def _laid_out(value: Any, depth: int = 0) -> Any:
    """With what is short enough on one line; a criterion (depth 2) seldom is."""
    if isinstance(value, dict):
        made = {key: _laid_out(inner, depth + 1) for key, inner in value.items()}
        room = _WIDTH - 2 * depth if depth > 2 else _WIDTH // 2
        return _Inline(made) if depth > 1 and len(str(made)) <= room else made
    return [_laid_out(one, depth + 1) for one in value] if isinstance(value, list) else value


@cache
def _dumper() -> Any:
    """Puts in quotes what ``_scalar`` would read as a number, beside what any reader would."""
    import yaml

    class Dumper(yaml.CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def inline(dumper: Any, value: _Inline) -> Any:
        return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)

    def listed(dumper: Any, value: list[Any]) -> Any:
        plain = not any(isinstance(one, dict) for one in value)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=plain)

    Dumper.add_representer(_Inline, inline)
    Dumper.add_representer(list, listed)
    for kind, pattern in (("int", _INTEGER), ("float", _FLOAT)):
        whole = re.compile(f"^(?:{pattern.pattern})$")
        Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", whole, list("-+.0123456789"))
    return Dumper


def _growing(todo: list[Any]) -> Any:
    """A list that grows while it is gone through."""
    at = 0
    while at < len(todo):
        yield todo[at]
        at += 1


def _fault(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "this is not a finite number"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return "a number this large is not kept exactly: at most 2^53"
    return "the text has half a character (a lone surrogate)" if _surrogate(value) else None


def _surrogate(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


def _from_json(text: str) -> Any:
    def no_number(name: str) -> Any:
        raise Unreadable(f"{name} is not a number")

    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"not valid JSON: {error.msg}, at column {error.colno}", error.lineno
        ) from None
    except RecursionError:
        raise Unreadable(f"nested too deep: at most {DEEPEST} levels") from None
    except InvalidDefinition:
        raise
    except ValueError:  # a number of thousands of digits
        raise Unreadable("a number has too many digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"the key {twice[:40]!r} stands twice in one object: remove one")
    return found


def _from_yaml(text: str) -> Any:
    import yaml

    try:
        _check_events(yaml.parse(text, Loader=yaml.CSafeLoader))
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "can't be read"
        raise Unreadable(f"not valid YAML: {said}", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:  # a character that YAML has not
        place = getattr(error, "position", None)
        line = text.count("\n", 0, place) + 1 if isinstance(place, int) else None
        raise Unreadable("not valid YAML: a character that may not stand there", line) from None
    return None if node is None else _value(node)


def _check_events(events: Any) -> None:
    """Refuse what could refer to itself or be made of code, and what is too deep, before anything
    is built of it."""
    depth = 0
    for number, event in enumerate(events):
        line = event.start_mark.line + 1
        kind = type(event).__name__
        if kind == "AliasEvent" or getattr(event, "anchor", None) is not None:
            raise Unreadable("anchors and aliases (& and *) are not taken: write it out", line)
        if getattr(event, "tag", None) is not None:
            raise Unreadable("tags (!) are not taken: write the plain value", line)
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            depth += 1
            if depth > DEEPEST:
                raise Unreadable(f"nested too deep: at most {DEEPEST} levels", line)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            depth -= 1
        if number > 2 * MOST:
            raise Unreadable(f"the document is too large: at most {MOST} values", line)


def _value(node: Any) -> Any:
    kinds: dict[str, Callable[[Any], Any]] = {"mapping": _mapping, "sequence": _sequence}
    return kinds.get(node.id, _scalar)(node)


def _mapping(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in node.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            raise Unreadable("a key is a word: write the braces or brackets in quotes", line)
        if key.value in found:
            raise Unreadable(f"the key {key.value[:40]!r} stands twice in one object", line)
        found[key.value] = _value(inner)
    return found


def _sequence(node: Any) -> list[Any]:
    return [_value(inner) for inner in node.value]


def _scalar(node: Any) -> Any:
    text: str = node.value
    if node.style:  # in quotes, or a block of text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        raise Unreadable(f"{text} is not a number", node.start_mark.line + 1)
    return text
