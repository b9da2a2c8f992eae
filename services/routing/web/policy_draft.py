"""A policy as somebody types it: form fields in, a document out, and mistakes by field. How fields
are named says ``shared.web.typed``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from services.routing.documents import DraftIn
from services.routing.domain.policy import STARTER, To
from services.routing.domain.policy_check import Known, cautions, faults
from services.routing.domain.policy_words import when, whom
from shared.conditions import ConditionError, compile_condition, did_you_mean
from shared.scorecard.definition import InvalidDefinition
from shared.scorecard.documents import read_document, to_yaml
from shared.web.typed import (
    MOST_ROWS,
    Parts,
    Texts,
    counted,
    in_words,
    listed,
    nested,
    number_of,
    sent_texts,
    text_of,
    value_of,
    value_text,
)

NUMBERS: Final = ("sla_minutes", "accept_minutes", "max_attempts", "max_rounds", "warn_at")
SINGLE: Final = ("note", *NUMBERS, "escalate", "accounts_first")
RULE: Final = (
    *("id", "to", "rep_ids", "skills", "languages", "territories"),
    *("by_country", "by_language", "waits"),
)
FALLBACK: Final = ("to", "rep_ids")
LEAF: Final = ("field", "operator", "value")
GRADE: Final = ("grade", "sla_minutes", "accept_minutes")
LABELS: Final = {
    "sla_minutes": "Minutes to a first answer",
    "accept_minutes": "Minutes from acknowledging to accepting",
    "warn_at": "When the rep is warned",
    "max_attempts": "Reps to try",
    "max_rounds": "Rounds",
    "note": "Why this version",
}
TEAM: Final = "team:"
"""Before a team's id, in the list of whom leads may go to."""


@dataclass(slots=True)
class When:
    """One condition of a rule, or several put together as text."""

    texts: Texts

    @property
    def combined(self) -> bool:
        """Whether it is text."""
        return "tree" in self.texts


@dataclass(slots=True)
class RuleRow:
    """One rule."""

    texts: Texts
    when: list[When] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """What stands in the form's fields, all of it text, so that nothing typed is lost."""

    single: Texts
    rules: list[RuleRow]
    grades: list[Texts]
    fallback: Texts
    errors: Texts = field(default_factory=dict)
    """Message by field name; ``""`` is the whole."""
    cautions: Texts = field(default_factory=dict)
    """What is doubtful, by field name."""

    @classmethod
    def of_document(cls, document: Parts, note: str, known: Known) -> "Draft":
        """A document that compiles, to be changed."""
        whole = {**STARTER, **document}
        share = whole["warn_at"]
        single = {name: text_of(whole[name]) for name in NUMBERS}
        single["warn_at"] = "" if share is None else f"{round(share * 100, 6):g}"
        single |= {"note": note, **{n: _yes(whole[n]) for n in ("escalate", "accounts_first")}}
        return cls(
            single,
            [_rule_row(rule, known) for rule in whole["rules"]],
            [{name: text_of(one[name]) for name in GRADE} for one in whole["sla_by_grade"]],
            _whom_texts(whole["fallback"], known),
        )

    @classmethod
    def of_form(cls, form: Parts) -> "Draft":
        """What was sent; rows keep their order, gaps left by removed ones close."""
        sent = nested(form)
        fallback = sent.get("fallback")
        return cls(
            sent_texts(sent, SINGLE),
            [
                RuleRow(sent_texts(one, RULE), [_sent_when(w) for w in listed(one.get("when"))])
                for one in listed(sent.get("rules"))
            ],
            [sent_texts(one, GRADE) for one in listed(sent.get("sla_by_grade"))],
            sent_texts(fallback if isinstance(fallback, dict) else {}, FALLBACK),
        )

    def check(self, known: Known) -> DraftIn | None:
        """The policy, or None with ``errors`` filled; ``cautions`` are filled as well."""
        self.rules = [row for row in self.rules if _filled(row)]
        self.grades = [row for row in self.grades if any(row.values())]
        self._name_rules()
        self.errors, self.cautions = {}, {}
        try:
            body = DraftIn.model_validate(self.document(known))
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False, include_context=False):
                self._add(self.errors, [str(step) for step in one["loc"]], _words(str(one["msg"])))
            return None
        document = body.document()
        for pointer, detail in faults(document, known):
            self._add(self.errors, pointer.split("/")[1:], detail)
        if self.errors:
            return None
        for pointer, detail in cautions(document, known):
            self._add(self.cautions, pointer.split("/")[1:], detail)
        return body

    def document(self, known: Known) -> dict[str, Any]:
        """The document as typed, valid or not."""
        made: dict[str, Any] = {name: number_of(self.single[name]) for name in NUMBERS}
        share = made["warn_at"]
        made["warn_at"] = share / 100 if isinstance(share, int | float) else share or None
        made |= {name: self.single[name] != "no" for name in ("escalate", "accounts_first")}
        made["note"] = self.single["note"]
        made["sla_by_grade"] = [
            {name: text if name == "grade" else number_of(text) for name, text in row.items()}
            for row in self.grades
        ]
        made["rules"] = [self._rule(f"rules-{at}", row, known) for at, row in enumerate(self.rules)]
        made["fallback"] = self._whom("fallback", self.fallback, known)
        return made

    def names(self) -> Iterator[str]:
        """The fields that there are, in the order of the page."""
        yield from SINGLE
        for at, row in enumerate(self.grades):
            yield from (f"sla_by_grade-{at}-{name}" for name in row)
        for at, rule in enumerate(self.rules):
            for number, one in enumerate(rule.when):
                yield from (f"rules-{at}-when-{number}-{name}" for name in one.texts)
            yield from (f"rules-{at}-{name}" for name in rule.texts)
            yield f"rules-{at}"
        yield from (f"fallback-{name}" for name in FALLBACK)

    def rows(self, path: str) -> list[Any] | None:
        """The rows of a list, by the name of its fields; None for a name that is no list."""
        inner = re.fullmatch(r"rules-([0-9]{1,3})-when", path)
        if inner:
            found = self.rules[int(inner[1]) : int(inner[1]) + 1]
            return found[0].when if found else None
        lists: dict[str, list[Any]] = {"rules": self.rules, "sla_by_grade": self.grades}
        return lists.get(path)

    def sentence(self, at: int, known: Known, names: Mapping[str, str]) -> str:
        """What a rule says; blank while it is not right."""
        place = f"rules-{at}"
        if any(name == place or name.startswith(f"{place}-") for name in self.errors):
            return ""
        kept = dict(self.errors)
        try:
            part = self._rule(place, self.rules[at], known)
            return f"{when(part)} → {whom(part, names)}"
        except (ValueError, KeyError, TypeError):
            return ""
        finally:
            self.errors = kept

    def error_list(self) -> list[tuple[str, str]]:
        """Every mistake with the field to go to, in the order of the page."""
        return self._listed(self.errors)

    def caution_list(self) -> list[tuple[str, str]]:
        """Everything doubtful with the field to go to."""
        return self._listed(self.cautions)

    def _listed(self, found: Texts) -> list[tuple[str, str]]:
        order = {name: index for index, name in enumerate(self.names())}
        ordered = sorted(found.items(), key=lambda one: order.get(one[0], -1))
        return [(name, self._place(name) + words) for name, words in ordered]

    def _place(self, name: str) -> str:
        """``rules-2-value`` as the page calls it."""
        found = re.match(r"rules-(\d+)", name)
        if found:
            row = self.rules[int(found[1])]
            return f"Rule {row.texts['id'] or int(found[1]) + 1}: "
        if name.startswith("fallback"):
            return "Leads of no rule: "
        if name.startswith("sla_by_grade"):
            return "Times for a grade: "
        return f"{LABELS[name]}: " if name in LABELS else ""

    def _rule(self, place: str, row: RuleRow, known: Known) -> dict[str, Any]:
        texts = row.texts
        made: dict[str, Any] = {"id": texts["id"], **self._whom(place, texts, known)}
        made["when"] = [self._when(f"{place}-when-{at}", one) for at, one in enumerate(row.when)]
        for name in ("skills", "languages", "territories"):
            made[name] = _items(texts[name])
        made |= {name: bool(texts[name]) for name in ("by_country", "by_language")}
        made["waits"] = texts["waits"] != "fallback"
        return made

    def _when(self, place: str, one: When) -> Any:
        if not one.combined:
            return {
                "field": one.texts["field"],
                "operator": one.texts["operator"],
                "value": value_of(one.texts["operator"], one.texts["value"]),
            }
        try:
            return read_document(one.texts["tree"].encode(), "yaml") or {}
        except InvalidDefinition as error:
            self.errors.setdefault(f"{place}-tree", error.errors[0].detail)
            return {"field": "country", "operator": "is_present"}

    def _whom(self, place: str, texts: Texts, known: Known) -> dict[str, Any]:
        to = texts["to"]
        if to.startswith(TEAM):
            return {"team_id": to.removeprefix(TEAM)}
        if to != To.REPS.value:
            return {"to": to or To.EVERYBODY.value}
        ids = {rep.name.casefold(): rep.rep_id for rep in known.reps.values()}
        ids |= {rep_id.casefold(): rep_id for rep_id in known.reps}
        found: dict[str, None] = {}
        for name in _items(texts["rep_ids"]):
            rep_id = ids.get(name.casefold())
            if rep_id is None:
                meant = did_you_mean(name, [*(r.name for r in known.reps.values()), *known.reps])
                hint = f"; did you mean {meant}?" if meant else ""
                self.errors.setdefault(f"{place}-rep_ids", f"nobody is called {name}{hint}")
            else:
                found[rep_id] = None
        if not found:
            self.errors.setdefault(f"{place}-rep_ids", "name at least one rep")
        return {"rep_ids": list(found) or ["nobody"]}

    def _name_rules(self) -> None:
        taken = {row.texts["id"] for row in self.rules}
        for row in self.rules:
            if not row.texts["id"]:
                names = (f"rule-{number}" for number in range(1, 2 * MOST_ROWS))
                row.texts["id"] = next(name for name in names if name not in taken)
                taken.add(row.texts["id"])

    def _add(self, found: Texts, steps: Sequence[str], words: str) -> None:
        """Put words at the deepest field on the way to their place."""
        if "team_id" in steps:
            steps = [*steps[: steps.index("team_id")], "to"]
        names = set(self.names())
        if steps == ["warn_at"]:
            words = "write a share of more than 0 and less than 100 %, or nothing"
        for length in range(len(steps), 0, -1):
            name = "-".join(steps[:length])
            rest = list(steps[length:])
            if f"{name}-tree" in names:
                name = f"{name}-tree"
            if name in names:
                said = " ".join(counted(rest)) if name.endswith("-tree") else ""
                found.setdefault(name, f"at {said}: {words}" if said else words)
                return
        found.setdefault("", words)


def blank_rule() -> RuleRow:
    """A rule with nothing in it but a condition to fill."""
    return RuleRow(dict.fromkeys(RULE, "") | {"to": To.REPS.value}, [blank_when("field")])


def blank_when(form: str) -> When:
    """A condition, or several, with nothing typed."""
    if form == "tree":
        return When({"tree": ""})
    return When({"field": "", "operator": "equals", "value": ""})


def blank_grade() -> Texts:
    """A grade without times."""
    return dict.fromkeys(GRADE, "")


def _filled(row: RuleRow) -> bool:
    plain = {**blank_rule().texts, "to": row.texts["to"]}
    conditions = [one for one in row.when if one.texts not in ({"tree": ""}, blank_when("").texts)]
    return row.texts != plain or bool(conditions) or row.texts["to"] != To.REPS.value


def _rule_row(rule: Parts, known: Known) -> RuleRow:
    texts = {"id": str(rule["id"]), **_whom_texts(rule, known)}
    texts |= {n: text_of(list(rule.get(n) or [])) for n in ("skills", "languages", "territories")}
    texts |= {name: "on" if rule.get(name) else "" for name in ("by_country", "by_language")}
    texts["waits"] = "" if rule.get("waits", True) else "fallback"
    return RuleRow(texts, [_when_texts(one) for one in rule["when"]])


def _whom_texts(part: Parts, known: Known) -> Texts:
    if part.get("team_id") is not None:
        return {"to": f"{TEAM}{part['team_id']}", "rep_ids": ""}
    ids = list(part.get("rep_ids") or ())
    if not ids:
        return {"to": str(part.get("to") or To.EVERYBODY.value), "rep_ids": ""}
    called = [rep.name for rep in known.reps.values()]
    names = [known.reps[one].name if one in known.reps else one for one in ids]
    shown = [name if called.count(name) < 2 else one for name, one in zip(names, ids, strict=True)]
    return {"to": To.REPS.value, "rep_ids": text_of(shown)}


def _when_texts(one: Parts) -> When:
    if "field" not in one:
        return When({"tree": to_yaml(one).strip()})
    operator, value = str(one["operator"]), one.get("value")
    try:
        made = compile_condition(str(one["field"]), operator, value)
        operator, value = made.operator.value, made.value
    except ConditionError:
        pass  # shown as it is, to be mended
    texts = {"field": str(one["field"]), "operator": operator}
    return When({**texts, "value": value_text(operator, value)})


def _sent_when(sent: Parts) -> When:
    return When(sent_texts(sent, ("tree",) if "tree" in sent else LEAF))


def _items(text: str) -> list[str]:
    """Names parted by commas; quotes keep one whole."""
    found = value_of("in", text)
    return [str(one) for one in found] if isinstance(found, list) else []


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _words(message: str) -> str:
    lowered = message.removeprefix("Value error, ")
    lowered = lowered[:1].lower() + lowered[1:]
    if lowered.startswith("string should match pattern"):
        return "use letters, digits, dots, dashes and underscores"
    return in_words(lowered)
