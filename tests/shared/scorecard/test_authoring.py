"""What authors write: JSON and YAML in, a definition or every mistake with its place out."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.qualify.domain.schema import definition_schema
from services.qualify.seed import STARTER
from shared.contracts.definition import DefinitionBody
from shared.db.statements import as_json
from shared.scorecard.authoring import GIVEN, definition_of, read_definition
from shared.scorecard.definition import InvalidDefinition
from shared.scorecard.documents import Unreadable, read_document, to_yaml
from tests.shared.scorecard.documents import small as definition

EVERY_FORM = """\
name: Every form
threshold: 20
criteria:
  - {id: senior, group: fit, field: job_title, operator: matches_word, value: [vp, head], points: 9}
  - id: core
    group: fit
    when:
      all:
        - {field: country, operator: in, value: [NO, AT]}
        - not: {field: employees, operator: lt, value: 50}
    points: 10
  - id: size
    group: fit
    field: employees
    levels:
      - {operator: is_missing, points: -5}
      - {operator: between, value: [50, 499], points: 12}
    otherwise: 1
  - {id: mails, group: engagement, activity: email_clicked, count: 2, points: 5, cap: 20}
disqualifiers:
  - {id: closed, when: {any: [{field: industry, operator: eq, value: "yes"}]}}
grade_matrix:
  fit: [{grade: A, min_points: 10}, {grade: B, min_points: 0}]
  engagement: [{grade: "1", min_points: 5}, {grade: "2", min_points: 0}]
exploration_rate: 0.1
"""


def mistakes(raw, form="yaml"):
    with pytest.raises(InvalidDefinition) as raised:
        read_definition(raw.encode() if isinstance(raw, str) else raw, form)
    return {one.pointer: one.detail for one in raised.value.errors}


def test_yaml_and_json_say_the_same():
    body = read_definition(EVERY_FORM.encode(), "yaml")
    assert body.criteria[1].when["all"][0]["value"] == ["NO", "AT"]
    assert body.disqualifiers[0].when["any"][0]["value"] == "yes"
    whole = body.model_dump(mode="json")
    assert read_definition(json.dumps(whole).encode(), "json") == body
    assert read_definition(to_yaml(whole).encode(), "yaml") == body


_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20),
    st.sampled_from(["NO", "08", "1e5", "5.", ".5", "+1", "12:30", "~", ".inf", "2026-01-01"]),
)
_SCALARS = st.one_of(_TEXTS, st.integers(-(2**53), 2**53), st.booleans(), st.floats(-1e9, 1e9))


@given(_TEXTS, st.lists(_SCALARS, min_size=1, max_size=5))
def test_whatever_is_kept_is_read_back_from_yaml(name, values):
    document = {"name": name, "when": {"any": [{"value": values}, {"value": name}]}}
    assert read_document(to_yaml(document).encode(), "yaml") == document


def test_short_parts_stand_on_a_line():
    level = {"operator": "between", "value": [50, 499], "points": 12, "label": None}
    document = {"threshold": 5, "criteria": [{"id": "size", "levels": [level]}]}
    assert to_yaml(document) == (
        "threshold: 5\n"
        "criteria:\n"
        "- id: size\n"
        "  levels:\n"
        "  - {operator: between, value: [50, 499], points: 12}\n"
    )


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("a: &a [1]\nb: *a", "anchors and aliases"),
        ("a: &a\n  b: *a", "anchors and aliases"),
        ("x: &a [l, l]\ny: &b [*a, *a]\nz: [*b, *b]", "anchors and aliases"),
        ("a: !!python/object/apply:os.system [ls]", "tags"),
        ("threshold: 1\nthreshold: 2", "line 2: the key 'threshold' stands twice"),
        ("threshold: .nan", "not a number"),
        ("a: [\n1,\n", "line 3"),
        ("a:\n\tb: 1", "line 2"),
        ("a: 1\n---\nb: 2", "another document"),
        ("- " * 3000, "too deep"),
        ("[" * 60_000, "nesting"),
        ("{" * 60_000, "nesting"),
        (b"a: \xff", "UTF-8"),
        (b"a: \x01", "may not stand there"),
        ("a: [" + "1," * 60_000 + "]", "too large"),
    ],
)
def test_yaml_that_is_no_plain_document_is_refused_at_once(raw, says):
    begun = time.monotonic()
    assert says in mistakes(raw)[""]
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ('{"threshold": 1, "threshold": 2}', "stands twice"),
        ('{"threshold": NaN}', "not a number"),
        ('{"threshold": 1,\n}', "line 2"),
        ("[" * 60_000, "too deep"),
        ('{"threshold": ' + "9" * 9000 + "}", "too many digits"),
        ("[1]", "an object"),
        ("", "not valid JSON"),
    ],
)
def test_json_that_is_none_is_refused(raw, says):
    assert says in mistakes(raw, "json")[""]


def test_unknown_keys_are_named_with_what_was_meant():
    document = definition(treshold=3)
    document["criteria"][0]["pionts"] = 5
    document["criteria"].append(
        {"id": "l", "group": "fit", "field": "employees", "levels": [{"operater": "x"}]}
    )
    document["disqualifiers"][0]["points"] = 3
    found = mistakes(json.dumps(document), "json")
    assert "did you mean threshold?" in found["/treshold"]
    assert "did you mean points?" in found["/criteria/0/pionts"]
    assert "did you mean operator?" in found["/criteria/2/levels/0/operater"]
    assert "known are id, field" in found["/disqualifiers/0/points"]


def test_what_an_answer_adds_may_be_sent_back():
    answered = {**definition(), **dict.fromkeys(GIVEN, "whatever")}
    assert definition_of(answered) == definition_of(definition())


def test_unknown_facts_are_named_before_anybody_publishes():
    document = definition()
    document["criteria"][0]["field"] = "job_tittle"
    document["criteria"].append(
        {
            "id": "tree",
            "group": "fit",
            "when": {
                "any": [
                    {"not": {"field": "budget", "operator": "exists"}},
                    {"field": "feilds.budget", "operator": "exists"},
                    {"field": "fields.budget", "operator": "exists"},
                    {"field": "activity.anything.days_ago", "operator": "lt", "value": 3},
                ]
            },
            "points": 3,
        }
    )
    found = mistakes(json.dumps(document), "json")
    assert set(found) == {
        "/criteria/0/field",
        "/criteria/2/when/any/0/not/field",
        "/criteria/2/when/any/1/field",
    }
    assert "did you mean job_title?" in found["/criteria/0/field"]
    assert "did you mean fields.budget?" in found["/criteria/2/when/any/0/not/field"]
    assert "did you mean fields.budget?" in found["/criteria/2/when/any/1/field"]


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"field": "email", "operator": "eq", "value": "a"}, "/criteria/0/field", "personal"),
        ({"operator": "matches", "value": "(a+)+$" * 99}, "/criteria/0/value", "500"),
        ({"operator": "matches", "value": "(?=a)"}, "/criteria/0/value", "look-around"),
        ({"operator": "matches", "value": "a{1000}{1000}"}, "/criteria/0/value", ""),
        ({"value": 10**30}, "/criteria/0/value", "2^53"),
        ({"value": float("inf")}, "/criteria/0/value", "finite"),
        ({"value": {"a": 1}}, "/criteria/0/value", "write a text, a number"),
        ({"value": "\ud800"}, "/criteria/0/value", "surrogate"),
        ({"value": "a\0"}, "/criteria/0/value", "NUL"),
        ({"points": 1.5}, "/criteria/0/points", "integer"),
        ({"points": 10**9}, "/criteria/0/points", "1000"),
    ],
)
def test_bad_criteria_are_refused_with_their_place(change, pointer, says):
    document = definition()
    document["criteria"][0] |= change
    with pytest.raises(InvalidDefinition) as raised:
        definition_of(document)
    assert says in {one.pointer: one.detail for one in raised.value.errors}[pointer]


def test_thousands_of_criteria_are_refused_quickly():
    one = definition()["criteria"][0]
    document = definition(criteria=[{**one, "id": f"c{n}"} for n in range(3000)])
    begun = time.monotonic()
    with pytest.raises(InvalidDefinition) as raised:
        definition_of(document)
    assert time.monotonic() - begun < 2
    assert raised.value.errors[0].pointer in ("", "/criteria")
    cyclic = definition()
    cyclic["criteria"][0]["when"] = cyclic
    with pytest.raises(Unreadable):
        definition_of(cyclic)


_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "group",
                    "field",
                    "operator",
                    "value",
                    "points",
                    "when",
                    "all",
                    "any",
                    "not",
                    "levels",
                    "activity",
                    "cap",
                    "count",
                    "grade",
                    "min_points",
                    "fit",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
_PLACES = st.sampled_from(
    [("criteria",), ("criteria", 0), ("disqualifiers",), ("grades",), ("grade_matrix",)]
    + [("criteria", 1, key) for key in ("id", "field", "operator", "value", "when", "levels")]
    + [("criteria", 1, key) for key in ("points", "activity", "half_life_days", "group")]
    + [("disqualifiers", 0, "when"), ("threshold",), ("exploration_rate",), ("name",)]
)


@settings(max_examples=200)
@given(_PLACES, _ANY)
def test_nothing_that_is_sent_is_more_than_a_mistake(place, value):
    document = definition()
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    try:
        body = definition_of(document)
    except InvalidDefinition:
        return
    stored = body.model_dump(mode="json")
    assert definition_of(json.loads(as_json(stored))) == body


def test_a_definition_that_was_seeded_is_one_that_may_be_written():
    assert definition_of(STARTER.model_dump(mode="json")) == STARTER


def test_the_schema_names_every_key_and_refers_to_itself_for_trees():
    schema = definition_schema()
    parts = schema["$defs"]
    assert schema["$schema"].endswith("2020-12/schema")
    assert set(schema["properties"]) == {*DefinitionBody.model_fields, *GIVEN}
    assert parts["When"]["oneOf"][3]["properties"]["not"] == {"$ref": "#/$defs/When"}
    assert parts["Criterion"]["additionalProperties"] is False
    text = json.dumps(schema)
    refers = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert refers <= set(parts)
