"""What changes from one definition to another, in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.conditions import (
    OPERATORS,
    Operator,
    compile_condition,
    compile_tree,
    operand_to_text,
)

_PLAIN: Final = (
    ("threshold", "Threshold"),
    ("cool_off_days", "Cool-off in days"),
    ("exploration_rate", "Exploration rate"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changes: what, and how it reads before and after (None: not there)."""

    what: str
    before: str | None
    after: str | None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What changes when ``after`` takes the place of ``before``, in the order of a page. Both are
    documents that compile."""
    found = [
        Difference(label, _plain(before, name), _plain(after, name))
        for name, label in _PLAIN
        if before.get(name) != after.get(name)
    ]
    for part, label in (("criteria", "Criterion"), ("disqualifiers", "Disqualifier")):
        old = {item["id"]: item for item in before.get(part) or []}
        new = {item["id"]: item for item in after.get(part) or []}
        for key in [*old, *(key for key in new if key not in old)]:
            found += _of_one(f"{label} {key}", old.get(key), new.get(key))
    was, will = _grades(before), _grades(after)
    return found if was == will else [*found, Difference("Grades", was, will)]


def _plain(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return None if value is None else str(value)


def _of_one(
    what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[Difference]:
    """What differs in one criterion or disqualifier: all of it, or part by part."""
    if before is None or after is None or _form(before) != _form(after):
        return [
            Difference(
                what,
                None if before is None else _whole(before),
                None if after is None else _whole(after),
            )
        ]
    was, will = _parts(before), _parts(after)
    return [
        Difference(f"{what}: {part}", was.get(part), will.get(part))
        for part in [*was, *(part for part in will if part not in was)]
        if was.get(part) != will.get(part)
    ]


def _form(item: Mapping[str, Any]) -> str:
    forms = ("levels", "activity", "when")
    return next((form for form in forms if item.get(form) is not None), "field")


def _parts(item: Mapping[str, Any]) -> dict[str, str]:
    """Each thing that matters in a criterion, in words; lists in full, however long."""
    if item.get("levels") is not None:
        return {**_levels(item), "group": str(item["group"])}
    if item.get("activity") is not None:
        return {**_activity(item), **_worth(item)}
    if item.get("when") is not None:
        condition = _tree(compile_tree(item["when"]).to_document())
    else:
        condition = _leaf(item)
    return {"condition": condition, **_worth(item)}


def _worth(item: Mapping[str, Any]) -> dict[str, str]:
    """What a criterion gives; nothing for a disqualifier."""
    if item.get("points") is None:
        return {}
    half_life = item.get("half_life_days")
    return {
        "points": f"{item['points']:+d}",
        "group": str(item["group"]),
        "half-life": f"{half_life:g} days" if half_life else "none",
    }


def _levels(item: Mapping[str, Any]) -> dict[str, str]:
    levels = {_leaf({**one, "field": item["field"]}): one["points"] for one in item["levels"]}
    named = {name: f"{points:+d}" for name, points in levels.items()}
    return {**named, "otherwise": f"{item.get('otherwise') or 0:+d}"}


def _activity(item: Mapping[str, Any]) -> dict[str, str]:
    window, cap = item.get("window_days"), item.get("cap")
    return {
        "activity": str(item["activity"]),
        "at least": str(item.get("count") or 1),
        "window": f"{window:g} days" if window else "none",
        "cap": f"{cap:+d}" if cap else "none",
    }


def _leaf(item: Mapping[str, Any]) -> str:
    condition = compile_condition(item["field"], item["operator"], item.get("value"))
    label = OPERATORS[condition.operator].label
    value = operand_to_text(condition.value)
    if condition.operator is Operator.BETWEEN:
        value = value.replace(", ", " and ")
    return f"{condition.field} {label} {value}".strip()


def _tree(document: Mapping[str, Any]) -> str:
    if "not" in document:
        return f"not ({_tree(document['not'])})"
    for word, joint in (("all", " and "), ("any", " or ")):
        if word in document:
            return joint.join(_bracketed(document[word]))
    return _leaf(document)


def _bracketed(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for part in parts:
        group = "all" in part or "any" in part
        yield f"({_tree(part)})" if group and len(parts) > 1 else _tree(part)


def _whole(item: Mapping[str, Any]) -> str:
    parts = _parts(item)
    if item.get("levels") is not None:
        group = parts.pop("group")
        worth = [f"{name}: {points}" for name, points in parts.items()]
        return f"{item['field']} in levels, {'; '.join(worth)} ({group})"
    if item.get("activity") is not None:
        said = [f"at least {parts['at least']} × {parts['activity']}"]
        said += [f"{name} {parts[name]}" for name in ("window", "cap") if parts[name] != "none"]
        condition = ", ".join(said)
    else:
        condition = parts["condition"]
    if "points" not in parts:
        return condition
    fades = f", half after {parts['half-life']}" if parts["half-life"] != "none" else ""
    return f"{condition}: {parts['points']} points ({parts['group']}{fades})"


def _grades(document: Mapping[str, Any]) -> str:
    matrix = document.get("grade_matrix")
    if matrix:
        groups = [f"{group}: {_letters(matrix[group], 'min_points')}" for group in matrix]
        return "; ".join(groups)
    return _letters(document.get("grades") or [], "min_score") or "none"


def _letters(grades: Sequence[Mapping[str, Any]], least: str) -> str:
    return ", ".join(f"{grade['grade']} from {grade[least]}" for grade in grades)
