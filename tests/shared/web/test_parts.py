"""The parts: labelled, described, and readable as text."""

import re
from typing import Any

import pytest

from shared.web.pages import Pages


@pytest.fixture(scope="module")
def parts() -> Any:
    """The macros as functions."""
    return Pages().environment.get_template("parts.html").module


def test_a_field_is_tied_to_its_label_hint_and_error(parts: Any) -> None:
    html = parts.field("email", "Work email", type="email", hint="For the reply", error="Missing")
    assert '<label for="email">' in html
    assert 'aria-describedby="email-hint email-error"' in html
    assert 'aria-invalid="true"' in html
    assert 'id="email-hint"' in html
    assert 'id="email-error"' in html
    plain = parts.field("email", "Work email", required=True)
    assert "aria-" not in plain
    assert " required" in plain
    assert "optional" not in plain


@pytest.mark.parametrize("macro", ["field", "textarea"])
def test_what_was_typed_is_kept_and_escaped(parts: Any, macro: str) -> None:
    html = getattr(parts, macro)("a", "A", value='"><script>&')
    assert "<script>" not in html
    assert "&lt;script&gt;&amp;" in html


def test_a_select_keeps_its_choice_also_in_groups(parts: Any) -> None:
    html = parts.select("r", "R", [("", "Choose"), ("Group", [("a", "A"), ("b", "B")])], "b")
    assert re.findall(r'<option value="(\w*)" selected', html) == ["b"]
    assert '<optgroup label="Group">' in html


def test_choices_are_one_group_with_one_question(parts: Any) -> None:
    html = parts.choice("r", "Why?", [("a", "A"), ("b", "B")], "a", error="Choose one")
    assert "<legend>Why?</legend>" in html
    assert len(re.findall(r'<label for="r-[12]"', html)) == 2
    assert re.findall(r'value="(\w)" checked', html) == ["a"]


def test_a_check_box_and_a_notice_read_well(parts: Any) -> None:
    assert '<label for="consent">' in parts.checkbox("consent", "I agree", checked=True)
    assert 'role="alert"' in parts.notice("bad", "No", "Really")
    assert 'role="status"' in parts.notice("ok", "Yes")


def test_the_summary_of_errors_leads_to_the_fields(parts: Any) -> None:
    html = parts.error_summary([("email", "Enter an email address"), (None, "Try again")])
    assert '<a href="#email">Enter an email address</a>' in html
    assert parts.error_summary([]).strip() == ""


def test_bars_fill_their_share_and_say_their_number(parts: Any) -> None:
    html = parts.bars("Reasons", [{"label": "Spam", "value": 5}, {"label": "Other", "value": 20}])
    assert re.findall(r'class="chart-accent" width="([\d.]+)%"', html) == ["25.0", "100.0"]
    assert 'aria-hidden="true"' in html
    assert '<th role="rowheader" scope="row">Spam</th>' in html
    assert "chart-accent" not in parts.bars("None", [{"label": "Spam", "value": 0}])
    assert parts.bars("Nothing", [])


def test_a_funnel_names_each_step_as_a_share_of_the_one_before(parts: Any) -> None:
    html = parts.funnel("F", [{"label": str(v), "value": v} for v in (8, 4, 1)])
    assert re.findall(r"(\d+)\u202f%", html) == ["50", "25"]
    assert parts.funnel("F", [{"label": "a", "value": 0}, {"label": "b", "value": 0}])


def test_an_interval_is_drawn_around_zero_and_written_out(parts: Any) -> None:
    item = {"label": "Size", "low": -0.1, "point": 0.1, "high": 0.3}
    html = parts.intervals("I", [item], limit=0.4, unit="points", scale=100)
    assert re.findall(r'cx="([\d.]+)%"', html) == ["62.5"]
    assert re.findall(r'x1="([\d.]+)%" x2="([\d.]+)%" y1="11"', html) == [("37.5", "87.5")]
    assert "+10 points" in html
    assert "(−10 to +30)" in html
    assert "chart-line-flat" in html, "an interval that holds zero claims no direction"
    assert "chart-line-ok" in parts.intervals("I", [{**item, "low": 0.01}])
    assert "chart-line-bad" in parts.intervals("I", [{**item, "point": -0.2, "high": -0.01}])
    assert parts.intervals("I", [])


def test_contributions_show_both_directions_and_their_sum(parts: Any) -> None:
    items = [
        {"label": "Size", "points": 20, "because": "employees is 250"},
        {"label": "Free email", "points": -10, "because": "email_type is free"},
    ]
    html = parts.contributions("Why", items, total=10)
    assert re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', html) == [
        ("50", "50.0"),
        ("25.0", "25.0"),
    ]
    assert "+20" in html
    assert "−10" in html
    assert "employees is 250" in html
    assert ">10</td>" in html


def test_a_table_names_itself_and_can_be_scrolled_by_keyboard(parts: Any) -> None:
    columns = [{"label": "Lead"}, {"label": "Score", "num": True}]
    html = parts.table("Leads", columns, [["<b>", 12], ["x", None]])
    assert 'role="region" aria-label="Leads" tabindex="0"' in html
    assert "<caption>Leads</caption>" in html
    assert "&lt;b&gt;" in html
    assert '<td class="num">12</td>' in html
    assert '<td class="num">–</td>' in html


def test_before_and_after_can_be_read_without_the_picture(parts: Any) -> None:
    item = {
        "label": "Accepted",
        "hint": None,
        "before": {"point": 0.5, "low": 0.25, "high": 0.75},
        "after": None,
        "text": "50 % → not known",
        "note": "25 to 75 %",
    }
    html = parts.before_after("Effect", [item], before="Version 1", after="Version 2")
    assert "<caption>Effect</caption>" in html
    assert "Version 1" in html
    assert "50 % → not known" in html
    assert 'x1="25.0%" x2="75.0%"' in html
    assert 'cx="50.0%"' in html
    assert html.count("<circle") == 3  # two in the key, one for what is known


def test_tabs_and_steps_say_where_one_is(parts: Any) -> None:
    items = [{"label": "A", "href": "/a", "current": True}, {"label": "B", "href": "/b"}]
    assert '<a href="/a" aria-current="page">A</a>' in parts.tabs("Area", items)
    step = {"title": "Waits", "at": None, "text": None, "kind": "now"}
    assert '<li class="step step-now" aria-current="step">' in parts.steps([step])


def test_paired_bars_are_a_table_with_both_numbers(parts: Any) -> None:
    rows = [
        {"label": "Ana", "before": 1200, "after": 600},
        {"label": "<b>", "before": 0, "after": 0},
    ]
    html = parts.paired_bars("Leads", rows, before="in truth", after="with this")
    assert "1,200 → 600" in html or "1\N{NARROW NO-BREAK SPACE}200 → 600" in html
    assert re.findall(r'chart-(was|accent)"[^>]*width="([\d.]+)%"', html)[:2] == [
        ("was", "100.0"), ("accent", "50.0"),
    ]  # fmt: skip
    assert "<b>" not in html
    assert parts.paired_bars("Nothing", [])
