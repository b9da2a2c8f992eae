"""A definition as text: what is written is read back, and what could mislead is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.definition_text import UnreadableText, read_text, write_text

_words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(
    ["NO", "yes", "007", "1e5", "1_000", "12:30", "~", "2026-01-01", "0x10", ".inf", "- a", "#"]
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(-1e9, 1e9, allow_nan=False)
    | _words
)
documents = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_what_is_written_is_read_back(document):
    assert read_text(write_text(document)) == document


@given(documents)
def test_json_is_read_as_well(document):
    assert read_text(json.dumps([document])) == [document]


def test_short_parts_stand_on_a_line():
    level = {"operator": "between", "value": [50, 499], "points": 12}
    document = {"threshold": 5, "criteria": [{"id": "size", "levels": [level]}]}
    assert write_text(document) == (
        "threshold: 5\n"
        "criteria:\n"
        "- id: size\n"
        "  levels:\n"
        "  - {operator: between, value: [50, 499], points: 12}\n"
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: &x 1\nb: *x", 1, "references"),
        ("a: 1\nb: 2\na: 3", 3, "a is written twice"),
        ("a:\n  b: !!python/object:os.system 1", 2, "kinds (!)"),
        ("[" * 60 + "]" * 60 + "x", 1, "nested more than"),
        ("[" * 100_000, 1, "nest"),
        ("a: [1,\nb: 2", 3, "expected"),
        ("a: 1\n\tb: 2", 2, "tab"),
        ('{"a": 1,\n "a": 2}', 2, "written twice"),
        ("a: \x00", 1, "character"),
    ],
)
def test_a_text_that_is_no_document_says_where(text, line, words):
    with pytest.raises(UnreadableText) as caught:
        read_text(text)
    assert caught.value.line == line
    assert words in caught.value.detail
