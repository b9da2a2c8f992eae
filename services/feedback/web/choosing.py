"""What marketing wants of learning, as somebody fills in the form: fields in, choices out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.feedback.domain.learning import Choices
from services.feedback.domain.samples import DUE_DAYS, Label
from shared.contracts.problems import Problem
from shared.web.words import fact_name

LABELS: Final = (
    (Label.ACCEPTED.value, "sales accepts"),
    (Label.SQL.value, f"sales accepts and that is an SQL within {DUE_DAYS} days"),
    (Label.WON.value, "is won"),
)
AIMS: Final = (
    ("volume", "as many MQLs as today"),
    ("acceptance", "a share of MQLs that are good leads"),
    ("load", "as many MQLs as the reps can take"),
)
FREE, MORE, LESS, NEVER, TRUSTED = "free", "more", "less", "never", "trusted"
USES: Final = (
    (FREE, "as the answers say"),
    (MORE, "may only speak for a lead"),
    (LESS, "may only speak against a lead"),
    (NEVER, "never use it"),
)
TRUST: Final = (TRUSTED, "use it: it is known before sales answers")


@dataclass(frozen=True, slots=True)
class Limit:
    """A number that bounds learning. ``scale`` is what it is multiplied by on the page."""

    name: str
    label: str
    hint: str
    default: float
    low: float
    high: float
    scale: float = 1
    whole: bool = True


LIMITS: Final = (
    Limit("max_criteria", "Criteria at most", "Few are easier to read.", 12, 1, 100),
    Limit("max_points", "Points of one level at most", "Either way.", 40, 5, 1000),
    Limit(
        "min_answers",
        "Answers before anything is proposed",
        "Answered leads that count.",
        100,
        20,
        1_000_000,
    ),
    Limit(
        "margin",
        "Gain that is worth your time",
        "Points of AUC on unseen leads: 1 means from 71 to 72.",
        0.01,
        0,
        0.49,
        100,
        False,
    ),
    Limit(
        "alpha",
        "Chance of a false proposal in a year, in percent",
        "However often it looks.",
        0.05,
        0.001,
        0.49,
        100,
        False,
    ),
    Limit("proposals_per_year", "Proposals a year at most", "", 5, 1, 100),
)
LIMIT_OF: Final = {one.name: one for one in LIMITS}


@dataclass(slots=True)
class FactRow:
    """A fact, and how it may be used."""

    name: str
    value: str
    options: Sequence[tuple[str, str]]

    @property
    def input(self) -> str:
        """The name of its field."""
        return f"use:{self.name}"

    @property
    def label(self) -> str:
        """What people call it."""
        return fact_name(self.name)

    @property
    def hint(self) -> str | None:
        """Its name in a definition, where that differs."""
        return self.name if self.label != self.name else None


@dataclass(slots=True)
class Choosing:
    """What stands in the form, and what is wrong with it by field."""

    label: str
    aim: str
    acceptance: str
    per_rep_week: str
    facts: list[FactRow]
    never_others: str
    criteria: list[dict[str, Any]]
    limits: list[dict[str, str]]
    seen: str
    updated_at: Any = None
    error_of: dict[str, str] = field(default_factory=dict)

    labels = LABELS
    aims = AIMS

    @property
    def errors(self) -> list[tuple[str, str]]:
        """For the summary above the form."""
        return list(self.error_of.items())

    @property
    def limits_open(self) -> bool:
        """Whether the limits are to be seen at once: something is wrong there."""
        return any(one["name"] in self.error_of for one in self.limits)


def choosing_of(
    choices: Choices,
    facts: Sequence[str],
    warned: Sequence[str],
    base: Mapping[str, Any] | None,
) -> Choosing:
    """The form with what is chosen now. ``facts`` are those that leads have, ``warned`` those that
    look like the answer itself, ``base`` is the definition in force."""
    target = dict(choices.target or {})
    named = list(dict.fromkeys([*_looked_at(base), *facts, *choices.signs, *choices.trusted]))
    locked = [name for name in choices.never if name not in named]
    return Choosing(
        label=choices.label.value,
        aim="acceptance"
        if "acceptance" in target
        else "load"
        if "per_rep_week" in target
        else "volume",
        acceptance=_shown(target.get("acceptance"), 100),
        per_rep_week=_shown(target.get("per_rep_week"), 1),
        facts=[FactRow(one, _use(choices, one), _uses(choices, one, warned)) for one in named],
        never_others=", ".join(locked),
        criteria=[
            {"id": name, "label": label, "hint": hint, "checked": name in choices.fixed}
            for name, label, hint in _criteria(choices, base)
        ],
        limits=[
            {
                "name": one.name,
                "label": one.label,
                "hint": f"{one.hint} {_shown(one.default, one.scale)} if empty.".strip(),
                "value": _shown(choices.limits.get(one.name), one.scale),
            }
            for one in LIMITS
        ],
        seen=choices.updated_at.isoformat() if choices.updated_at is not None else "",
        updated_at=choices.updated_at,
    )


def chosen(form: Choosing, sent: Mapping[str, Any], fixed: Sequence[str]) -> Choices | None:
    """The choices that were sent; None with what is wrong in the form, which then holds what was
    typed. ``fixed`` are the ticked criteria."""
    form.label, form.aim = _typed(sent, "label"), _typed(sent, "aim")
    form.acceptance, form.per_rep_week = _typed(sent, "acceptance"), _typed(sent, "per_rep_week")
    form.never_others = _typed(sent, "never_others", 4000)
    for fact in form.facts:
        given = _typed(sent, fact.input)
        fact.value = given if given in dict(fact.options) else FREE
    for one in form.criteria:
        one["checked"] = one["id"] in fixed
    for limit in form.limits:
        limit["value"] = _typed(sent, limit["name"])
    if form.label not in set(Label):
        form.error_of["label"] = "Choose what a good lead is"
    target, limits = _target(form), _limits(form)
    others = [one.strip() for one in form.never_others.split(",") if one.strip()]
    if len(others) > 100 or any(len(one) > 120 for one in others):
        form.error_of["never_others"] = "Write up to a hundred names, parted by commas"
    if form.errors:
        return None
    by_use = {use: [f.name for f in form.facts if f.value == use] for use, _ in (*USES, TRUST)}
    return Choices(
        label=Label(form.label),
        target=target,
        never=tuple(dict.fromkeys([*by_use[NEVER], *others])),
        fixed=tuple(one["id"] for one in form.criteria if one["checked"]),
        trusted=tuple(by_use[TRUSTED]),
        limits=limits,
        signs={name: use for use in (MORE, LESS) for name in by_use[use]},
    )


def misnamed(form: Choosing, problem: Problem) -> None:
    """What a handler found wrong with names, in the form: only locked facts are typed by hand."""
    details = [str(one["detail"]) for one in problem.extra.get("errors", [])]
    said = "; ".join(details) or problem.detail
    form.error_of["never_others"] = said[:1].upper() + said[1:]


def _target(form: Choosing) -> dict[str, float] | None:
    if form.aim == "acceptance":
        share = _number(form.acceptance)
        if share is not None and 0 < share < 100:
            return {"acceptance": round(share / 100, 6)}
        form.error_of["acceptance"] = "Write a share between 0 and 100 percent"
    elif form.aim == "load":
        leads = _number(form.per_rep_week)
        if leads is not None and 0 < leads <= 10_000:
            return {"per_rep_week": leads}
        form.error_of["per_rep_week"] = "Write how many leads a rep can take in a week"
    elif form.aim != "volume":
        form.error_of["aim"] = "Choose what the threshold aims at"
    return None


def _limits(form: Choosing) -> dict[str, float]:
    found: dict[str, float] = {}
    for limit, shown in zip(LIMITS, form.limits, strict=True):
        if not shown["value"]:
            continue
        number = _number(shown["value"])
        value = None if number is None else round(number / limit.scale, 6)
        whole = value is None or not limit.whole or value == int(value)
        if value is None or not whole or not limit.low <= value <= limit.high:
            low, high = _shown(limit.low, limit.scale), _shown(limit.high, limit.scale)
            kind = "a whole number" if limit.whole else "a number"
            form.error_of[limit.name] = f"{limit.label}: write {kind} from {low} to {high}"
        else:
            found[limit.name] = int(value) if limit.whole else value
    return found


def _looked_at(base: Mapping[str, Any] | None) -> list[str]:
    """The facts of the definition in force, those of trees left out: they are seen on leads."""
    items = (base or {}).get("criteria", [])
    return [one["field"] for one in items if isinstance(one.get("field"), str)]


def _criteria(
    choices: Choices, base: Mapping[str, Any] | None
) -> list[tuple[str, str, str | None]]:
    """The criteria that can be locked, and those that are though the version in force has none of
    that name: saving the form must not lose them."""
    items = (base or {}).get("criteria", [])
    here = {one["id"]: one.get("label") or one["id"] for one in items}
    gone = [name for name in choices.fixed if name not in here]
    return [
        *((name, label, None) for name, label in here.items()),
        *((name, name, "Not in the version in force.") for name in gone),
    ]


def _use(choices: Choices, name: str) -> str:
    if name in choices.never:
        return NEVER
    return TRUSTED if name in choices.trusted else choices.signs.get(name, FREE)


def _uses(choices: Choices, name: str, warned: Sequence[str]) -> list[tuple[str, str]]:
    trust = [TRUST] if name in warned or name in choices.trusted else []
    return [*USES, *trust]


def _typed(sent: Mapping[str, Any], name: str, length: int = 200) -> str:
    value = sent.get(name)
    return value.strip()[:length] if isinstance(value, str) else ""


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", ".").replace("%", "").replace(" ", ""))
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None


def _shown(value: float | None, scale: float) -> str:
    return "" if value is None else f"{round(value * scale, 6):g}"
