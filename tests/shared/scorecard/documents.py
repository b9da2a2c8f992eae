"""Definitions and leads to try things on, of every form there is."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from shared.scorecard.rules import MOMENTS, Activity
from shared.scorecard.scoring import Inputs

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TEXTS = ["VP Marketing", "vp", "student", "", "120", "yes", "DE", "at", "9 lives"]
FACTS = ["job_title", "employees", "country", "fields.budget", "has_phone"]
KINDS = ["webinar_attended", "page_viewed"]
FIELDS = [
    *FACTS,
    "utm_source",
    "activity.webinar_attended",
    "activity.any",
    "activity.any.days_ago",
]
LEAST = -100000


def small(**changes: Any) -> dict[str, Any]:
    """A small valid definition."""
    return {
        "name": "Small",
        "threshold": 30,
        "criteria": [
            {
                "id": "vp",
                "group": "fit",
                "field": "job_title",
                "operator": "contains",
                "value": "vp",
                "points": 30,
            },
            {
                "id": "webinar",
                "group": "engagement",
                "field": "activity.webinar_attended",
                "operator": "at_least",
                "value": 1,
                "points": 20,
                "half_life_days": 10,
            },
        ],
        "disqualifiers": [
            {"id": "rival", "field": "company", "operator": "equals", "value": "Rival"}
        ],
        "grades": [{"grade": "A", "min_score": 40}, {"grade": "B", "min_score": 20}],
        "cool_off_days": 5,
        **changes,
    }


numbers = st.integers(-5, 600) | st.floats(-5, 600)
values = st.sampled_from(TEXTS) | numbers | st.booleans()
tests = st.one_of(
    st.fixed_dictionaries(
        {
            "operator": st.sampled_from(["equals", "not_equals"]),
            "value": st.sampled_from(TEXTS).filter(bool) | numbers | st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {
            "operator": st.sampled_from(["in", "not_in"]),
            "value": st.lists(
                st.sampled_from(TEXTS).filter(bool) | numbers, min_size=1, max_size=4
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "operator": st.sampled_from(["contains", "starts_with", "matches_word", "matches"]),
            "value": st.sampled_from(["vp", "1", "stud"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "operator": st.sampled_from(["at_least", "at_most", "greater_than", "less_than"]),
            "value": numbers,
        }
    ),
    st.fixed_dictionaries(
        {"operator": st.just("between"), "value": st.tuples(numbers, numbers).map(sorted)}
    ),
    st.fixed_dictionaries(
        {"operator": st.sampled_from(["is_present", "is_missing", "is_true", "is_false"])}
    ),
)
leaves = st.builds(lambda field, test: {"field": field, **test}, st.sampled_from(FIELDS), tests)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=6,
)
points = st.integers(-1000, 1000)
half_lives = st.none() | st.floats(0.01, 3650)
_head = {"id": st.uuids().map(str), "group": st.just("engagement")}
plain = st.builds(
    lambda head, leaf: {**head, **leaf},
    st.fixed_dictionaries({**_head, "points": points, "half_life_days": half_lives}),
    leaves,
)
put_together = st.fixed_dictionaries({**_head, "points": points, "when": trees})
levels = st.fixed_dictionaries(
    {
        **_head,
        "field": st.sampled_from(FIELDS),
        "levels": st.lists(
            st.builds(lambda test, n: {**test, "points": n}, tests, points), min_size=1, max_size=4
        ),
        "otherwise": st.none() | points,
    }
)


def _engagement(
    kind: str, count: int, window: float | None, half_life: float | None, each: int, cap: int | None
) -> dict[str, Any]:
    more = None if cap is None or each == 0 else each + (cap if each > 0 else -cap)
    return {
        "activity": kind, "count": count, "window_days": window, "half_life_days": half_life,
        "points": each, "cap": None if more is None or abs(more) > 1000 else more,
    }  # fmt: skip


engagement = st.builds(
    lambda head, body: {**head, **body},
    st.fixed_dictionaries(_head),
    st.builds(
        _engagement,
        st.sampled_from([*KINDS, "any", "never"]),
        st.integers(1, MOMENTS),
        st.none() | st.floats(0.5, 2000),
        half_lives,
        st.integers(-500, 500),
        st.none() | st.integers(0, 400),
    ),
)
criteria = st.lists(plain | put_together | levels | engagement, min_size=1, max_size=8)
disqualifiers = st.lists(
    st.fixed_dictionaries({"id": st.uuids().map(str), "when": trees}), max_size=2
)
documents = st.fixed_dictionaries(
    {"threshold": st.just(LEAST), "criteria": criteria, "disqualifiers": disqualifiers}
)
"""Documents that compile; the threshold is one that everybody reaches."""

moments = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


def done(at: list[datetime]) -> Activity:
    """Activities at these moments."""
    activity = Activity.first(at[0])
    for moment in at[1:]:
        activity = activity.and_at(moment)
    return activity


activities = st.dictionaries(
    st.sampled_from(KINDS),
    st.lists(moments, min_size=1, max_size=25).map(done)
    | st.builds(Activity, st.integers(1, 99), moments),
)
facts = st.dictionaries(
    st.sampled_from(FACTS), values | st.none() | st.lists(st.sampled_from(TEXTS), max_size=3)
)
inputs = st.builds(
    Inputs,
    facts,
    st.dictionaries(st.just("utm_source"), st.none() | st.sampled_from(TEXTS)),
    activities,
)
