"""What changes from one definition to another, in words."""

from typing import Any

from shared.scorecard.differences import differences

PLAIN: dict[str, Any] = {
    "id": "vp",
    "group": "fit",
    "field": "job_title",
    "operator": "contains",
    "value": "vp",
    "points": 30,
}
WEBINAR: dict[str, Any] = {
    "id": "webinar",
    "group": "engagement",
    "field": "activity.webinar_attended",
    "operator": "at_least",
    "value": 1,
    "points": 20,
    "half_life_days": 10,
}
SIZE: dict[str, Any] = {
    "id": "size",
    "group": "fit",
    "field": "employees",
    "levels": [
        {"operator": "is_missing", "points": -5},
        {"operator": "between", "value": [50, 499], "points": 12},
    ],
}
MAILS: dict[str, Any] = {
    "id": "mails",
    "group": "engagement",
    "activity": "email_clicked",
    "count": 2,
    "window_days": 30,
    "points": 5,
    "cap": 20,
}
TREE: dict[str, Any] = {
    "all": [
        {"field": "country", "operator": "in", "value": ["DE", "AT"]},
        {"not": {"field": "employees", "operator": "lt", "value": 50}},
    ]
}


def definition(*criteria: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "threshold": 30,
        "criteria": list(criteria),
        "grades": [{"grade": "A", "min_score": 40}, {"grade": "B", "min_score": 20}],
        "cool_off_days": 5,
        **changes,
    }


def found(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {one.what: (one.before, one.after) for one in differences(before, after)}


def test_nothing_differs_from_itself() -> None:
    whole = definition(PLAIN, WEBINAR, SIZE, MAILS, disqualifiers=[{"id": "x", "when": TREE}])
    assert differences(whole, whole) == []


def test_what_comes_goes_and_changes() -> None:
    before = definition({**PLAIN, "value": [*"abcdefgh", "y"]}, WEBINAR)
    after = definition(
        {**PLAIN, "value": [*"abcdefgh", "x"]},
        {**PLAIN, "id": "new"},
        threshold=20,
        cool_off_days=1,
        grades=[],
        exploration_rate=0.05,
    )
    assert found(before, after) == {
        "Threshold": ("30", "20"),
        "Cool-off in days": ("5", "1"),
        "Exploration rate": (None, "0.05"),
        "Criterion vp: condition": (
            "job_title contains a, b, c, d, e, f, g, h, y",
            "job_title contains a, b, c, d, e, f, g, h, x",
        ),
        "Criterion webinar": (
            "activity.webinar_attended is at least 1: +20 points (engagement, half after 10 days)",
            None,
        ),
        "Criterion new": (None, "job_title contains vp: +30 points (fit)"),
        "Grades": ("A from 40, B from 20", "none"),
    }


def test_levels_differ_one_by_one() -> None:
    after = {
        **SIZE,
        "levels": [{**SIZE["levels"][0], "points": -8}, {**SIZE["levels"][1], "value": [50, 999]}],
        "otherwise": 2,
    }
    assert found(definition(SIZE), definition(after)) == {
        "Criterion size: employees is not known": ("-5", "-8"),
        "Criterion size: employees is between 50 and 499": ("+12", None),
        "Criterion size: otherwise": ("+0", "+2"),
        "Criterion size: employees is between 50 and 999": (None, "+12"),
    }
    assert found(definition(PLAIN), definition(PLAIN, SIZE)) == {
        "Criterion size": (
            None,
            "employees in levels, employees is not known: -5; "
            "employees is between 50 and 499: +12; otherwise: +0 (fit)",
        )
    }


def test_activities_and_trees() -> None:
    closed = {"id": "x", "when": TREE}
    before = definition(PLAIN, MAILS)
    after = definition(PLAIN, {**MAILS, "points": 4, "window_days": None}, disqualifiers=[closed])
    assert found(before, after) == {
        "Criterion mails: window": ("30 days", "none"),
        "Criterion mails: points": ("+5", "+4"),
        "Disqualifier x": (None, "country is one of DE, AT and not (employees is less than 50)"),
    }
    assert found(definition(PLAIN), definition(PLAIN, MAILS))["Criterion mails"] == (
        None,
        "at least 2 × email_clicked, window 30 days, cap +20: +5 points (engagement)",
    )


def test_grades_of_two_letters() -> None:
    matrix = {
        "fit": [{"grade": "A", "min_points": 40}],
        "engagement": [{"grade": "1", "min_points": 20}],
    }
    after = definition(PLAIN, grades=[], grade_matrix=matrix)
    assert found(definition(PLAIN), after) == {
        "Grades": ("A from 40, B from 20", "fit: A from 40; engagement: 1 from 20")
    }
