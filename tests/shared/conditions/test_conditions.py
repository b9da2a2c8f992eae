"""The predicate language: what matches, what does not, and how it says so."""

import math

import pytest

from shared.conditions import (
    ConditionError,
    ConditionErrors,
    Operator,
    compile_all,
    compile_condition,
    did_you_mean,
    operand_from_text,
    operand_to_text,
)

MATCHES = [
    ("country", "equals", "de", {"country": "DE"}),
    ("country", "==", " De ", {"country": "DE"}),
    ("company", "equals", "CAFÉ", {"company": "cafe\u0301"}),
    ("employees", "equals", 120, {"employees": "120"}),
    ("employees", "equals", "120", {"employees": 120}),
    ("has_phone", "equals", True, {"has_phone": "yes"}),
    ("has_phone", "equals", "true", {"has_phone": True}),
    ("tags", "equals", "b", {"tags": ["a", "B"]}),
    ("country", "not_equals", "US", {"country": "DE"}),
    ("country", "in", ["DE", "at"], {"country": "AT"}),
    ("country", "in", "DE, AT", {"country": "AT"}),
    ("size", "in", [1, 2], {"size": "2"}),
    ("country", "not_in", ["US"], {"country": "AT"}),
    ("job_title", "contains", "vp", {"job_title": "VP Marketing"}),
    ("job_title", "contains", ["chief", "VP"], {"job_title": "VP Marketing"}),
    ("tags", "contains", "web", {"tags": ["Webinar"]}),
    ("job_title", "starts_with", "head", {"job_title": "Head of Sales"}),
    ("job_title", "matches_word", "vp", {"job_title": "Sales, VP"}),
    ("employees", "at_least", 50, {"employees": 50}),
    ("employees", ">=", "50", {"employees": "50"}),
    ("employees", "at_most", 50, {"employees": 50}),
    ("employees", ">", 49.5, {"employees": 50}),
    ("employees", "lt", 51, {"employees": 50}),
    ("employees", "between", [50, 100], {"employees": 100}),
    ("company", "is_present", None, {"company": "x"}),
    ("company", "exists", True, {"company": "x"}),
    ("company", "exists", False, {}),
    ("company", "is_missing", None, {"company": " "}),
    ("company", "missing", None, {"company": []}),
    ("company", "is_missing", None, {"company": None}),
    ("has_phone", "is_true", None, {"has_phone": True}),
    ("has_phone", "is_true", True, {"has_phone": "on"}),
    ("has_phone", "is_false", None, {"has_phone": False}),
    ("touches", "equals", 0, {"touches": 0}),
    ("touches", "is_present", None, {"touches": 0}),
]


@pytest.mark.parametrize(("field", "operator", "value", "context"), MATCHES)
def test_matches(field, operator, value, context):
    assert compile_condition(field, operator, value).matches(context)


NO_MATCHES = [
    ("country", "equals", "DE", {"country": "D"}),
    ("plz", "equals", "007", {"plz": "7"}),
    ("has_phone", "equals", 1, {"has_phone": True}),
    ("has_phone", "at_least", 1, {"has_phone": True}),
    ("tags", "not_equals", "b", {"tags": ["a", "B"]}),
    ("country", "not_in", ["US", "DE"], {"country": "de"}),
    ("job_title", "matches_word", "vp", {"job_title": "RSVP desk"}),
    ("job_title", "starts_with", "head", {"job_title": "Forehead"}),
    ("employees", "at_least", 50, {"employees": "many"}),
    ("employees", "less_than", 50, {"employees": ["1"]}),
    ("employees", "greater_than", 50, {"employees": 50}),
    ("employees", "between", [50, 100], {"employees": 101}),
    ("company", "is_present", None, {"company": ""}),
    ("has_phone", "is_true", None, {"has_phone": "maybe"}),
    ("has_phone", "is_false", None, {}),
]


@pytest.mark.parametrize(("field", "operator", "value", "context"), NO_MATCHES)
def test_does_not_match(field, operator, value, context):
    assert not compile_condition(field, operator, value).matches(context)


@pytest.mark.parametrize("missing", [{}, {"x": None}, {"x": ""}, {"x": "  "}, {"x": []}])
@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("equals", "a"),
        ("not_equals", "a"),
        ("in", ["a"]),
        ("not_in", ["a"]),
        ("contains", "a"),
        ("starts_with", "a"),
        ("matches_word", "a"),
        ("at_least", 0),
        ("at_most", 0),
        ("greater_than", -1),
        ("less_than", 1),
        ("between", [0, 1]),
        ("is_present", None),
        ("is_true", None),
        ("is_false", None),
    ],
)
def test_nothing_is_claimed_of_what_is_missing(missing, operator, value):
    condition = compile_condition("x", operator, value)
    assert not condition.matches(missing)
    assert condition.because(missing) == "x is not known"


@pytest.mark.parametrize(
    ("field", "operator", "value", "context", "sentence"),
    [
        ("employees", "at_least", 50, {"employees": 120}, "employees 120 is at least 50"),
        ("employees", "at_least", 50, {"employees": 20}, "employees 20 is less than 50"),
        ("employees", "at_least", 50, {"employees": "a"}, 'employees "a" is not a number'),
        ("employees", "between", [1, 9], {"employees": 4.0}, "employees 4 is between 1 and 9"),
        ("country", "in", ["DE", "AT"], {"country": "US"}, 'country "US" is none of "DE", "AT"'),
        (
            "job_title",
            "contains",
            ["chief", "vp"],
            {"job_title": "VP Sales"},
            'job_title "VP Sales" contains "vp"',
        ),
        (
            "job_title",
            "contains",
            ["chief", "vp"],
            {"job_title": "Clerk"},
            'job_title "Clerk" does not contain "chief" or "vp"',
        ),
        ("has_phone", "is_true", None, {"has_phone": True}, "has_phone is yes"),
        ("has_phone", "is_true", None, {"has_phone": False}, "has_phone is not yes"),
        ("company", "is_present", None, {"company": "Acme"}, 'company "Acme" is known'),
    ],
)
def test_because_is_a_sentence(field, operator, value, context, sentence):
    assert compile_condition(field, operator, value).because(context) == sentence


def test_because_cuts_long_values():
    found = compile_condition("x", "contains", "a").because({"x": "a" * 5000})
    assert len(found) < 200


@pytest.mark.parametrize(
    ("field", "operator", "value", "place", "says"),
    [
        ("x", "roughly", 1, "/operator", "at_least"),
        ("x", 5, 1, "/operator", "equals"),
        ("", "equals", 1, "/field", "field"),
        ("x", "equals", None, "/value", "is_missing"),
        ("x", "equals", ["a"], "/value", "in or not_in"),
        ("x", "equals", math.nan, "/value", "a text"),
        ("x", "in", [], "/value", "list"),
        ("x", "in", [None], "/value", "list"),
        ("x", "contains", "", "/value", "text"),
        ("x", "contains", [""], "/value", "text"),
        ("x", "at_least", "many", "/value", "number"),
        ("x", "at_least", True, "/value", "number"),
        ("x", "at_least", math.inf, "/value", "number"),
        ("x", "between", [5, 1], "/value", "lower one first"),
        ("x", "between", 5, "/value", "two numbers"),
        ("x", "is_present", "yes", "/value", "no value"),
        ("x", "is_true", False, "/value", "no value"),
        ("x", "equals", {"a": 1}, "/value", "a text"),
    ],
)
def test_errors_say_where_and_what_is_allowed(field, operator, value, place, says):
    with pytest.raises(ConditionError) as caught:
        compile_condition(field, operator, value)
    assert caught.value.pointer_suffix == place
    assert says in caught.value.message


def test_compile_all_reports_every_mistake_at_once():
    with pytest.raises(ConditionErrors) as caught:
        compile_all(
            [
                {"field": "a", "operator": "equals", "value": "x"},
                {"field": "a", "operator": "nope"},
                "a == 1",
                {"operator": "is_true"},
            ]
        )
    assert [error.pointer_suffix for error in caught.value.errors] == [
        "/1/operator",
        "/2",
        "/3/field",
    ]


def test_compile_all_keeps_the_order():
    made = compile_all(
        [{"field": "b", "operator": "exists"}, {"field": "a", "operator": "is_true"}]
    )
    assert [(one.field, one.operator) for one in made] == [
        ("b", Operator.IS_PRESENT),
        ("a", Operator.IS_TRUE),
    ]


@pytest.mark.parametrize(
    ("operator", "text", "value"),
    [
        ("equals", "50", 50),
        ("equals", "007", "007"),
        ("equals", "yes", True),
        ("equals", "VP, Sales", "VP, Sales"),
        ("in", "DE, AT,", ["DE", "AT"]),
        ("in", '"Food, Drink", 12, "12", 5" pipe', ["Food, Drink", 12, "12", '5" pipe']),
        ("contains", "vp", "vp"),
        ("contains", "vp, head", ["vp", "head"]),
        ("at_least", "1.5", 1.5),
        ("at_least", "many", "many"),
        ("between", "1, 9", [1, 9]),
        ("between", "1 to 9", [1, 9]),
        ("is_present", "", None),
        ("nonsense", "x", "x"),
    ],
)
def test_typed_text_becomes_a_value(operator, text, value):
    assert operand_from_text(operator, text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("a", "a"), (5, "5"), (True, "yes"), (["a", 2], "a, 2"), ((1, 9), "1, 9")],
)
def test_a_value_becomes_text(value, text):
    assert operand_to_text(value) == text


@pytest.mark.parametrize(
    ("name", "meant"),
    [("eqals", "equals"), ("Matches_Wrod", "matches_word"), ("exsts", "exists"), ("zzz", None)],
)
def test_a_misspelt_operator_is_guessed(name, meant):
    with pytest.raises(ConditionError) as caught:
        compile_condition("x", name, 1)
    hint = f"did you mean {meant}?" if meant else "use one of: equals, "
    assert f"unknown operator {name!r}; {hint}" in caught.value.message


def test_the_nearest_of_known_names():
    assert did_you_mean("Employes", ["Country", "employees"]) == "employees"
    assert did_you_mean("revenue", ["country", "employees"]) is None
    assert did_you_mean("x" * 1_000_000, ["country"]) is None
