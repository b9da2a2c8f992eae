"""Read the form that somebody has: its HTML, and what of a lead each of its inputs asks for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final

from services.capture.domain.form import InputType, Question

MOST_INPUTS: Final = 50
_NOT_ASKED: Final = frozenset(("hidden", "submit", "button", "reset", "image", "password", "file"))
_TYPES: Final[Mapping[str, InputType]] = {
    "email": "email", "tel": "tel", "number": "number", "url": "url", "textarea": "textarea",
    "select": "select",
}  # fmt: skip


@dataclass
class _Input:
    name: str
    kind: str
    id: str
    required: bool
    label: str = ""
    options: list[str] = field(default_factory=list)


def read_form(html: str, field_called: Callable[[str], str | None]) -> list[Question]:
    """The questions of the first form in a page, or of all inputs where there is no form.
    ``field_called`` says which field of a lead a name stands for."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    found, taken = [], set[str]()
    for one in reader.inputs[:MOST_INPUTS]:
        label = one.label or reader.labels.get(one.id, "") or one.name.replace("_", " ").title()
        name = field_of(one.name, label, one.kind, field_called)
        if name in taken:
            name = f"fields.{_word(one.name)}"
        if name in taken:
            continue
        taken.add(name)
        kind = _TYPES.get(one.kind, "text")
        if name == "country":
            kind = "country"
        options = tuple(dict.fromkeys(one.options))[:200] if kind == "select" else ()
        kind = "text" if kind == "select" and not options else kind
        posted_as = "" if one.name == name else one.name[:200]
        found.append(
            Question(name, label[:200], kind, one.required, options=options, posted_as=posted_as)
        )
    return found


def field_of(name: str, label: str, kind: str, field_called: Callable[[str], str | None]) -> str:
    """The lead's field that an input asks for: by its name, else by its label, else by its kind;
    what is none of them is a custom field."""
    by_kind = {"email": "email", "tel": "phone", "url": "website", "textarea": "message"}
    known = field_called(name) or field_called(label) or by_kind.get(kind)
    return known or f"fields.{_word(name)}"


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")[:60] or "field"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.inputs: list[_Input] = []
        self.labels: dict[str, str] = {}
        self._forms = 0
        self._label: list[str] | None = None
        self._label_for = ""
        self._labelled: list[_Input] = []
        self._select: _Input | None = None
        self._option: list[str] | None = None
        self._option_value = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self._forms += 1
            case "label":
                self._label, self._label_for, self._labelled = [], given.get("for", ""), []
            case "input" | "textarea" | "select":
                self._asks(tag, given)
            case "option":
                self._option, self._option_value = [], given.get("value", "\0")

    def _asks(self, tag: str, given: dict[str, Any]) -> None:
        kind = given.get("type", "text").lower() if tag == "input" else tag
        name = given.get("name", "")
        if kind in _NOT_ASKED or not name or self._forms > 1:
            return
        label = given.get("aria-label") or given.get("placeholder", "")
        one = _Input(name, kind, given.get("id", ""), "required" in given, label.strip())
        if kind in ("radio", "checkbox") and any(name == other.name for other in self.inputs):
            return
        self.inputs.append(one)
        if self._label is not None:
            self._labelled.append(one)
        if tag == "select":
            self._select = one

    def handle_endtag(self, tag: str) -> None:
        if tag == "label" and self._label is not None:
            text = " ".join("".join(self._label).split()).strip(" *:")
            if self._label_for:
                self.labels[self._label_for] = text
            for one in self._labelled:
                one.label = text or one.label
            self._label = None
        elif tag == "option" and self._option is not None and self._select is not None:
            text = " ".join("".join(self._option).split())
            value = text if self._option_value == "\0" else self._option_value
            if value:
                self._select.options.append(value[:200])
            self._option = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._option is not None:
            self._option.append(data)
        elif self._label is not None:
            self._label.append(data)
