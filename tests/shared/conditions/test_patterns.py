"""Patterns: found as regular expressions are, whatever they cost elsewhere."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conditions import ConditionError, compile_condition, operand_from_text

atoms = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "(?:ab|c)", "(b)"])
pieces = st.builds("".join, st.tuples(atoms, st.sampled_from(["", "*", "+", "?", "{1,3}"])))
patterns = st.builds(
    lambda start, parts, end: start + "".join(parts) + end,
    st.sampled_from(["", "^"]),
    st.lists(pieces, min_size=1, max_size=5),
    st.sampled_from(["", "$", "|bb"]),
)


@given(patterns, st.text(st.sampled_from("abcABC"), min_size=1, max_size=12))
def test_simple_patterns_are_found_as_python_finds_them(pattern, text):
    expected = re.search(pattern, text, re.IGNORECASE) is not None
    assert compile_condition("x", "matches", pattern).matches({"x": text}) is expected


@given(st.text(min_size=1, max_size=40).filter(str.strip), st.text(max_size=40))
def test_any_text_is_a_pattern_or_refused_and_searching_never_raises(pattern, text):
    try:
        condition = compile_condition("x", "matches", pattern)
    except ConditionError as refused:
        place = refused.pointer_suffix
    else:
        place = ""
        assert condition.matches({"x": text}) in (True, False)
    assert place in ("", "/value")


@pytest.mark.parametrize(
    ("pattern", "fact", "found"),
    [
        (r"\bv\.?p\b", "Senior V.P. Sales", True),
        ("^vp", "Senior VP", False),
        ("SALES$", "vp\n  sales ", True),
        ("MÜLLER", "mu\u0308ller gmbh", True),
        ("mu\u0308ller", "MÜLLER", True),
        ("^vp$", "ＶＰ", True),
        ("wait…", "wait, no", False),
        ("wait…", "wait…", True),
        (r"^\pL+$", "Żółć", True),
        ("^12", 120, True),
        ("web", ["mail", "Webinar"], True),
        ("a", "\ud800a", True),
    ],
)
def test_patterns_look_at_text_like_every_operator(pattern, fact, found):
    assert compile_condition("x", "matches", pattern).matches({"x": fact}) is found


def test_a_pattern_in_words():
    condition = compile_condition("job_title", "=~", " ^vp ")
    assert condition.sentence() == 'job_title matches the pattern "^vp"'
    assert condition.because({"job_title": "Clerk"}) == (
        'job_title "Clerk" does not match the pattern "^vp"'
    )


def test_a_pattern_that_backtracks_for_ever_elsewhere_returns():
    condition = compile_condition("x", "matches", "(a+)+$")
    assert not condition.matches({"x": "a" * 10_000 + "!"})


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(vp", "missing )"),
        ("[z-a]", "z-a"),
        ("*", "no argument for repetition"),
        ("(?=a)b", "look-around"),
        (r"(a)\1", "back references"),
        ("((a{100}){100}){100}", "repeat less"),
        (r"(\pL{1,40}|\pN{1,40}){1,10}", "too large"),
        ("a" * 501, "500 characters"),
        ("\ud800", "surrogate"),
        ("", "regular expression"),
        (5, "as text"),
        (["a", "b"], "as text"),
    ],
)
def test_a_bad_pattern_is_refused_in_words(pattern, says, capfd):
    with pytest.raises(ConditionError) as caught:
        compile_condition("x", "matches", pattern)
    assert caught.value.pointer_suffix == "/value"
    assert says in caught.value.message
    assert capfd.readouterr().err == ""  # the library would log by itself


def test_a_typed_pattern_keeps_its_commas():
    assert operand_from_text("matches", "a{1,3}, b") == "a{1,3}, b"


def test_the_library_is_loaded_with_the_first_pattern_only():
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from shared.conditions import compile_condition as compile\n"
            "compile('x', 'contains', 'a'); before = 're2' in sys.modules\n"
            "compile('x', 'matches', 'a'); print(before, 're2' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["False", "True"]
