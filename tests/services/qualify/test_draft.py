"""What is typed in the editor: nothing that is sent makes it stumble, and nothing is lost."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.qualify.web.draft import CRITERIA, DISQUALIFIERS, Draft
from services.qualify.web.moves import moved
from services.qualify.web.sentences import error_list, views_of
from shared.scorecard.authoring import definition_of
from shared.scorecard.documents import read_document, to_yaml

_STEPS = st.sampled_from(
    ["criteria", "disqualifiers", "grades", "grade_matrix", "fit", "engagement", "levels", "0"]
    + ["1", "77", "x", "form", "when", "grading", "threshold", "text", ""]
    + [name for kind in (CRITERIA, DISQUALIFIERS) for names in kind.values() for name in names]
)
_NAMES = st.lists(_STEPS, min_size=1, max_size=6).map("-".join)
_TYPED = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["field", "levels", "activity", "when", "matrix", "between", "is_missing"]),
    st.sampled_from(["5", "-5", "1e400", "nan", "all: [", "{not: {}}", "all: 3", "job_title"]),
)
_VERBS = st.sampled_from(["add", "remove", "up", "turn", "grading", "", "nonsense"])
_ACTIONS = st.builds(lambda verb, place, form: f"{verb}:{place}:{form}", _VERBS, _NAMES, _TYPED)

texts = st.text("abcXYZ ,\"'0", min_size=1, max_size=8).filter(lambda text: text.strip() == text)
scalars = st.one_of(texts, st.integers(-999, 999))
leaves = st.one_of(
    st.builds(
        lambda value: {"field": "country", "operator": "in", "value": value},
        st.lists(scalars, min_size=1, max_size=4),
    ),
    st.builds(
        lambda value: {"field": "employees", "operator": "less_than", "value": value},
        st.integers(-999, 999),
    ),
    st.just({"field": "industry", "operator": "is_missing"}),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=5,
)
points = st.integers(-50, 50)
halves = st.floats(0.25, 400).map(lambda days: round(days, 2))
criteria = st.one_of(
    st.builds(lambda leaf, worth: {**leaf, "points": worth, "group": "fit"}, leaves, points),
    st.builds(
        lambda bounds, worth, other, label: {
            "group": "fit",
            "field": "employees",
            "label": label,
            "levels": [
                {"operator": "at_most", "value": bound, "points": worth} for bound in bounds
            ],
            "otherwise": other,
        },
        st.lists(st.integers(0, 999), min_size=1, max_size=4),
        points,
        points,
        st.none() | texts,
    ),
    st.builds(
        lambda worth, half, window: {
            "group": "engagement",
            "activity": "email_clicked",
            "points": worth,
            "half_life_days": half,
            "window_days": window,
        },
        points,
        st.none() | halves,
        st.none() | halves,
    ),
    st.builds(lambda tree, worth: {"group": "fit", "when": tree, "points": worth}, trees, points),
)


@st.composite
def definitions(draw: Any) -> dict[str, Any]:
    """Documents that are valid, in every form of a criterion."""
    made = {
        "threshold": -10_000,
        "criteria": [
            {**one, "id": f"c{index}"}
            for index, one in enumerate(draw(st.lists(criteria, min_size=1, max_size=5)))
        ],
        "disqualifiers": [
            {"id": f"d{index}", "when": one}
            for index, one in enumerate(draw(st.lists(trees, max_size=2)))
        ],
        "exploration_rate": draw(st.sampled_from([0, 0.02, 0.125, 0.5, 0.0375])),
    }
    return definition_of(made).model_dump(mode="json")


def sent(draft: Draft) -> dict[str, str]:
    """The draft as its form sends it."""
    form = {**draft.single, "grading": draft.grading}
    for part, rows in (("criteria", draft.criteria), ("disqualifiers", draft.disqualifiers)):
        for index, row in enumerate(rows):
            form[f"{part}-{index}-form"] = row.form
            form |= {f"{part}-{index}-{name}": text for name, text in row.texts.items()}
            for number, level in enumerate(row.levels):
                place = f"{part}-{index}-levels-{number}"
                form |= {f"{place}-{name}": text for name, text in level.items()}
    return form


@given(definitions())
def test_a_definition_that_goes_through_the_form_is_the_same(document):
    draft = Draft.of_form(sent(Draft.of_document(document)))
    made = draft.check()
    assert made is not None, draft.errors
    assert made.model_dump(mode="json") == document
    written = read_document(to_yaml(draft.document()).encode(), "yaml")
    assert definition_of(written).model_dump(mode="json") == document
    assert all(row.says for row in views_of(draft, None)["criteria"])


@given(st.dictionaries(_NAMES, _TYPED, max_size=30), st.lists(_ACTIONS, max_size=3))
def test_whatever_is_sent_is_answered(form, actions):
    draft = Draft.of_form(form)
    for action in actions:
        moved(draft, action)
    body = draft.check()
    views_of(draft, None)
    names = set(draft.names())
    assert body is not None or draft.errors
    assert all(name in names or not name for name, _ in error_list(draft))
