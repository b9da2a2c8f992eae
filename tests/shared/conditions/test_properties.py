"""Laws of the predicate language, for any values."""

from hypothesis import given
from hypothesis import strategies as st

from shared.conditions import (
    OPERATORS,
    ConditionError,
    Operator,
    Takes,
    compile_condition,
    operand_from_text,
    operand_to_text,
)

scalars = st.one_of(
    st.text(max_size=20),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
)
facts = st.one_of(st.none(), scalars, st.lists(st.text(max_size=10), max_size=4))
operands = st.one_of(st.none(), scalars, st.lists(scalars, max_size=4))
texts = st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip()))
words = st.text(st.sampled_from("abcXYZ"), min_size=1, max_size=8)
numbers = st.one_of(st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9))

OPPOSITES = [
    (Operator.EQUALS, Operator.NOT_EQUALS),
    (Operator.IN, Operator.NOT_IN),
    (Operator.AT_LEAST, Operator.LESS_THAN),
    (Operator.AT_MOST, Operator.GREATER_THAN),
]


@given(st.sampled_from(Operator), operands, facts)
def test_compiling_fails_with_a_condition_error_or_matching_never_raises(operator, value, fact):
    try:
        condition = compile_condition("x", operator, value)
    except ConditionError as refused:
        place = refused.pointer_suffix
    else:
        place = ""
    if place:
        assert place == "/value"
        return
    assert condition.matches({"x": fact}) in (True, False)
    assert condition.because({"x": fact}).startswith("x ")
    assert condition.sentence().startswith("x ")


@given(facts)
def test_present_or_missing_and_never_both(fact):
    context = {"x": fact}
    present = compile_condition("x", "is_present").matches(context)
    assert compile_condition("x", "is_missing").matches(context) is not present


@given(st.sampled_from(OPPOSITES), numbers, numbers)
def test_opposites_part_the_present_numbers(pair, value, fact):
    first, second = (compile_condition("x", operator, value) for operator in pair)
    assert first.matches({"x": fact}) is not second.matches({"x": fact})


@given(words, words)
def test_text_comparisons_ignore_case(wanted, fact):
    for operator in (Operator.EQUALS, Operator.CONTAINS, Operator.STARTS_WITH):
        plain = compile_condition("x", operator, wanted)
        upper = compile_condition("x", operator, wanted.swapcase())
        assert plain.matches({"x": fact}) is upper.matches({"x": fact})
    assert compile_condition("x", "equals", fact).matches({"x": f"  {fact}\t"})


@given(texts)
def test_a_text_equals_contains_and_starts_with_itself(text):
    for operator in (Operator.EQUALS, Operator.IN, Operator.CONTAINS, Operator.STARTS_WITH):
        assert compile_condition("x", operator, [text] if operator == "in" else text).matches(
            {"x": text}
        )


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=2).map(sorted), st.integers(-99, 99))
def test_between_is_at_least_and_at_most(bounds, fact):
    context = {"x": fact}
    both = compile_condition("x", ">=", bounds[0]).matches(context) and compile_condition(
        "x", "<=", bounds[1]
    ).matches(context)
    assert compile_condition("x", "between", bounds).matches(context) is both


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_a_number_in_text_compares_as_the_number(value, fact):
    for operator in (Operator.AT_LEAST, Operator.EQUALS, Operator.LESS_THAN):
        condition = compile_condition("x", operator, value)
        assert condition.matches({"x": fact}) is condition.matches({"x": str(fact)})


@given(st.sampled_from(Operator), st.lists(words, min_size=1, max_size=4), numbers)
def test_what_was_typed_survives_showing_and_typing_again(operator, listed, single):
    takes = OPERATORS[operator].takes
    typed = {
        Takes.NUMBER: operand_to_text(single),
        Takes.RANGE: "1, 9",
        Takes.NOTHING: "",
        Takes.SCALAR: listed[0],
    }.get(takes, ", ".join(listed))
    once = operand_from_text(operator, typed)
    assert operand_from_text(operator, operand_to_text(once)) == once


@given(st.lists(st.one_of(st.text(max_size=12), st.integers(-(10**9), 10**9)), min_size=2))
def test_the_items_of_a_list_are_read_back_as_they_are(listed):
    assert operand_from_text("in", operand_to_text(listed)) == listed
    texts = [str(item) for item in listed]
    assert operand_from_text("contains", operand_to_text(texts)) == texts


QUOTED = st.text('",a 1é', min_size=1, max_size=4).filter(str.strip)


@given(st.lists(QUOTED, min_size=1, max_size=4))
def test_a_list_that_was_shown_is_read_back_item_by_item(items: list[str]) -> None:
    assert operand_from_text("in", operand_to_text(items)) == items
