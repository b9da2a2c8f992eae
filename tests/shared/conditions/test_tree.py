"""Trees of conditions: what holds, why, and what is wrong with a document."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conditions import (
    ConditionErrors,
    Operator,
    compile_all,
    compile_condition,
    compile_tree,
)

EMPLOYEES = {"field": "employees", "operator": "lt", "value": 50}
COUNTRY = {"field": "country", "operator": "in", "value": ["DE", "AT"]}
TITLE = {"field": "job_title", "operator": "matches_word", "value": "vp"}
CORE = {"all": [COUNTRY, {"not": EMPLOYEES}]}

leaves = st.builds(
    lambda field, operator, value: {"field": field, "operator": operator, "value": value},
    st.sampled_from("abc"),
    st.sampled_from(["equals", "not_equals", "at_least", "less_than"]),
    st.integers(0, 3),
) | st.builds(
    lambda field, operator: {"field": field, "operator": operator},
    st.sampled_from("abc"),
    st.sampled_from(["is_present", "is_missing"]),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=12,
).filter(lambda tree: depth(tree) <= 8)
contexts = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 3))


def depth(tree):
    if "not" in tree:
        return 1 + depth(tree["not"])
    inner = tree.get("all") or tree.get("any") or ()
    return 1 + max(map(depth, inner)) if inner else 0


def by_hand(tree, context):
    """The tree as Python has it, with nothing of the package."""
    if "all" in tree:
        return all(by_hand(one, context) for one in tree["all"])
    if "any" in tree:
        return any(by_hand(one, context) for one in tree["any"])
    if "not" in tree:
        return not by_hand(tree["not"], context)
    fact, value = context.get(tree["field"]), tree.get("value")
    if fact is None:
        return tree["operator"] == "is_missing"
    return {
        "equals": lambda: fact == value,
        "not_equals": lambda: fact != value,
        "at_least": lambda: fact >= value,
        "less_than": lambda: fact < value,
        "is_present": lambda: True,
        "is_missing": lambda: False,
    }[tree["operator"]]()


@given(trees, contexts)
def test_a_tree_is_what_python_makes_of_it(tree, context):
    test = compile_tree(tree)
    assert test.matches(context) is by_hand(tree, context)
    assert (test.reason(context) is not None) is test.matches(context)
    assert test.reason(context) in (None, test.because(context))
    assert compile_tree({"not": tree}).because(context) == test.because(context)


@given(st.lists(leaves, min_size=1, max_size=5), contexts)
def test_de_morgan(parts, context):
    negated = [{"not": part} for part in parts]
    for group, other in (("all", "any"), ("any", "all")):
        left = compile_tree({"not": {group: parts}})
        right = compile_tree({other: negated})
        assert left.matches(context) is right.matches(context)
        assert left.reason(context) == right.reason(context)


@given(st.lists(leaves, min_size=1, max_size=5), contexts, st.randoms())
def test_the_order_of_conditions_changes_nothing(parts, context, random):
    shuffled = random.sample(parts, len(parts))
    for group in ("all", "any"):
        test, other = compile_tree({group: parts}), compile_tree({group: shuffled})
        assert test.matches(context) is other.matches(context)
        assert set(test.fields) == set(other.fields)


@given(trees, contexts)
def test_a_tree_survives_being_written_and_read(tree, context):
    test = compile_tree(tree)
    again = compile_tree(test.to_document())
    assert again.to_document() == test.to_document()
    assert (again.sentence(), again.fields) == (test.sentence(), test.fields)
    assert again.because(context) == test.because(context)


def test_not_holds_of_what_is_missing_and_not_equals_does_not():
    us = {"field": "country", "operator": "equals", "value": "US"}
    assert compile_tree({"not": us}).matches({})
    assert compile_tree({"not": us}).reason({}) == "country is not known"
    assert not compile_condition("country", "not_equals", "US").matches({})


@pytest.mark.parametrize(
    ("tree", "context", "holds", "because"),
    [
        (
            CORE,
            {"country": "DE", "employees": 120},
            True,
            'country "DE" is one of "DE", "AT"; employees 120 is at least 50',
        ),
        (CORE, {"country": "DE", "employees": 9}, False, "employees 9 is less than 50"),
        (
            CORE,
            {"country": "US", "employees": 9},
            False,
            'country "US" is none of "DE", "AT"; employees 9 is less than 50',
        ),
        (
            {"any": [TITLE, COUNTRY]},
            {"country": "AT", "job_title": "Clerk"},
            True,
            'country "AT" is one of "DE", "AT"',
        ),
        (
            {"any": [TITLE, EMPLOYEES, COUNTRY]},
            {"employees": 9, "country": "DE"},
            True,
            'employees 9 is less than 50; country "DE" is one of "DE", "AT"',
        ),
        ({"any": [TITLE, COUNTRY]}, {}, False, "job_title is not known; country is not known"),
        ({"any": [TITLE, TITLE]}, {}, False, "job_title is not known"),
        (COUNTRY, {"country": "AT"}, True, 'country "AT" is one of "DE", "AT"'),
    ],
)
def test_a_reason_names_the_conditions_that_decided(tree, context, holds, because):
    test = compile_tree(tree)
    assert test.matches(context) is holds
    assert test.because(context) == because
    assert test.reason(context) == (because if holds else None)


def test_a_long_reason_is_cut():
    tree = {"any": [{"field": f"f{i}", "operator": "exists"} for i in range(9)]}
    assert compile_tree(tree).because({}).endswith("f5 is not known; and 3 more")


def test_a_tree_in_words():
    tree = compile_tree({"any": [CORE, TITLE]})
    assert tree.sentence() == (
        '(country is one of "DE", "AT" and not (employees is less than 50))'
        ' or job_title has the word "vp"'
    )
    assert tree.fields == ("country", "employees", "job_title")


def test_a_document_gets_the_operators_names_proper():
    assert compile_tree(CORE).to_document() == {
        "all": [COUNTRY, {"not": {**EMPLOYEES, "operator": "less_than"}}]
    }
    assert compile_condition(" x ", "exists", False).to_document() == {
        "field": "x",
        "operator": "is_missing",
    }


def mistakes(document):
    with pytest.raises(ConditionErrors) as caught:
        compile_tree(document)
    return [(error.pointer_suffix, error.message) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("document", "place", "says"),
    [
        ("a == 1", "", "write an object with all, any, not, or field and operator"),
        ({}, "", "write all, any, not, or field and operator"),
        ({"all": []}, "/all", "at least one condition"),
        ({"any": COUNTRY}, "/any", "write a list"),
        ({"not": [COUNTRY]}, "/not", "write an object"),
        ({"all": [COUNTRY], "any": [TITLE]}, "", "only one of"),
        ({"all": [COUNTRY], "field": "x"}, "", "only one of"),
        ({"al": [COUNTRY]}, "/al", "did you mean all?"),
        ({**COUNTRY, "weigth/~": 5}, "/weigth~1~0", "write all, any, not, or field"),
        ({**COUNTRY, 5: 5}, "/5", "unknown key '5'"),
        ({"all": [COUNTRY, {"not": {**TITLE, "operator": "eqals"}}]}, "/all/1/not/operator", "did"),
        ({"not": {"field": "x" * 121, "operator": "exists"}}, "/not/field", "120"),
        ({"not": {**EMPLOYEES, "value": float("nan")}}, "/not/value", "a number"),
        ({"not": {**EMPLOYEES, "value": float("inf")}}, "/not/value", "a number"),
        ({"not": {**EMPLOYEES, "value": 10**5000}}, "/not/value", "a number"),
    ],
)
def test_a_mistake_has_its_place_and_what_to_do(document, place, says):
    [(found, message)] = mistakes(document)
    assert found == place
    assert says in message


def test_every_mistake_is_named_at_once():
    document = {
        "all": [COUNTRY, {"any": [{"operator": "nope", "valeu": 1}, {"not": 5}]}, {"any": []}]
    }
    assert [place for place, _ in mistakes(document)] == [
        "/all/1/any/0/valeu",
        "/all/1/any/0/field",
        "/all/1/any/0/operator",
        "/all/1/any/1/not",
        "/all/2/any",
    ]


def nested(levels):
    tree = COUNTRY
    for _ in range(levels):
        tree = {"not": tree}
    return tree


def test_groups_nest_eight_deep_and_no_deeper():
    assert compile_tree(nested(8)).matches({"country": "DE"})
    for levels in (9, 100_000):
        assert mistakes(nested(levels)) == [
            ("/not" * 8, "all, any and not may be nested 8 deep"),
        ]


@pytest.mark.parametrize("part", [COUNTRY, {}, 5, {"all": []}, {"all": [COUNTRY] * 1000}])
def test_a_huge_document_is_refused_in_a_few_words(part):
    assert compile_tree({"all": [COUNTRY] * 200}).matches({"country": "DE"})
    found = mistakes({"any": [{"all": [part]}] * 100_000})
    assert len(found) <= 201
    assert found[-1] == ("", "a tree has at most 200 conditions; use in for many values")


def test_compile_all_takes_trees_too():
    made = compile_all([COUNTRY, CORE])
    assert [one.fields for one in made] == [("country",), ("country", "employees")]
    with pytest.raises(ConditionErrors) as caught:
        compile_all([COUNTRY, {"not": {**COUNTRY, "value": []}}])
    assert [error.pointer_suffix for error in caught.value.errors] == ["/1/not/value"]


@given(trees, st.lists(contexts, min_size=1, max_size=20))
def test_many_leads_at_once_get_the_answers_of_each(tree, leads):
    test = compile_tree(tree)
    found = test.combine(
        lambda one: np.array([one.holds(lead.get(one.field)) for lead in leads], dtype=bool)
    )
    assert found.tolist() == [test.matches(lead) for lead in leads]


@given(st.sampled_from(Operator), st.none() | st.integers(0, 3) | st.sampled_from(["", "no", "1"]))
def test_a_bare_value_fits_as_it_does_in_a_context(operator, fact):
    value = {"between": [1, 2], "matches": "[1o]"}.get(operator, 1)
    if operator.startswith("is_"):
        value = None
    condition = compile_condition("x", operator, value)
    assert condition.holds(fact) is condition.matches({"x": fact})
