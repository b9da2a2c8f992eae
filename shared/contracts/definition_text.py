"""A definition as text: YAML as people write it, of which JSON is a part.

Read strictly: what looks like a country or a version number stays text (``NO`` is Norway, not
false; ``007`` is not 7), a key that is written twice is a mistake, and there are no references, so
that a short text can't mean a very long document.
"""

import json
import re
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any, Final

import yaml

MOST_DEPTH: Final = 40
_WIDTH: Final = 100

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableText(ValueError):
    """Text that is no document: ``line`` counts from 1, ``detail`` says what to mend."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line = line
        self.detail = detail


class _Loader(_Base):
    """The plain kinds of JSON, told apart as JSON does."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise UnreadableText(line, f"{key.value} is written twice")
            seen.add(key.value)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return made


class _Dumper(yaml.SafeDumper):
    """Writes what ``_Loader`` reads: quotes whatever that, or another reader, would misread."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+)",
        list("-+0123456789"),
    ),
):
    for _kind in (_Loader, _Dumper):
        _kind.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^{_pattern}$"), _first
        )


class _Inline(dict[str, Any]):
    """A mapping that stands on one line."""


def read_text(text: str) -> Any:
    """What a YAML or JSON text says. Raises UnreadableText."""
    if text.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):  # then it may be YAML
            return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    try:
        _refuse_references(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = (error.problem or error.context or "can't be read").replace("\n", " ")
        raise UnreadableText(mark.line + 1 if mark else 1, words) from None
    except yaml.YAMLError:
        raise UnreadableText(1, "holds a character that can't stand in a text") from None


def write_text(document: Any) -> str:
    """A document as YAML that people like to read: conditions, levels and grades a line each."""
    return yaml.dump(
        _laid_out(document),
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=_WIDTH,
        default_flow_style=False,
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; twice the same key is left to the reader of YAML, who knows the line."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is written twice")
    return made


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _refuse_references(text: str) -> None:
    """No anchors, references and kinds of other languages, and no bottomless nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=_Base):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise UnreadableText(line, "references (& and *) can't be used: write it out")
        if getattr(event, "tag", None):
            raise UnreadableText(line, "kinds (!) can't be used: write it plainly")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise UnreadableText(line, f"nested more than {MOST_DEPTH} deep")


def _laid_out(value: Any, depth: int = 0) -> Any:
    """With what is short enough set on one line; a criterion (depth 2) is rarely short."""
    if isinstance(value, Mapping):
        made = {key: _laid_out(item, depth + 1) for key, item in value.items()}
        room = _WIDTH - 2 * depth if depth > 2 else _WIDTH // 2
        return _Inline(made) if depth > 1 and len(str(made)) <= room else made
    if isinstance(value, list | tuple):
        return [_laid_out(item, depth + 1) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _inline(dumper: yaml.SafeDumper, value: _Inline) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    plain = not any(isinstance(item, dict) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=plain)


_Dumper.add_representer(_Inline, _inline)
_Dumper.add_representer(list, _list)
