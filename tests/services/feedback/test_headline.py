"""A proposal in a few sentences."""

from typing import Any

from services.feedback.web.headline import headline


def figure(estimate: float, low: float, high: float) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high}


def evidence(**more: Any) -> dict[str, Any]:
    return {
        "label": "accepted",
        "leads": 1200,
        "target": "volume",
        "difference": {"auc": 0.07, "low": 0.03, "high": 0.11},
        "before": {
            "auc": figure(0.64, 0.6, 0.68),
            "precision": figure(0.4, 0.3, 0.5),
            "per_week": figure(20.0, 18.0, 22.0),
        },
        "after": {
            "auc": figure(0.71, 0.67, 0.75),
            "precision": figure(0.45, 0.35, 0.55),
            "per_week": figure(20.4, 18.0, 22.0),
        },
        **more,
    }


def test_it_begins_with_what_is_better_for_sure_and_says_what_may_be_chance() -> None:
    said = headline(evidence())
    assert said is not None
    assert said.startswith("It tells good leads from others better: AUC 64")
    assert "a gain of +3.0 to +11.0 points." in said
    assert "About as many of its MQLs would be accepted (45" in said
    assert "other leads" not in said
    assert said.endswith("leads it has not seen.")


def test_a_gain_that_may_be_none_is_not_claimed() -> None:
    said = headline(evidence(difference={"auc": 0.01, "low": -0.01, "high": 0.03}))
    assert said is not None
    assert "AUC" not in said


def test_more_good_ones_beyond_chance_are_told_as_such() -> None:
    after = {**evidence()["after"], "precision": figure(0.7, 0.6, 0.8)}
    said = headline(evidence(after=after))
    assert said is not None
    assert "70" in said
    assert "would be accepted instead of 40" in said


def test_another_volume_than_today_is_explained_only_where_today_was_the_aim() -> None:
    after = {**evidence()["after"], "per_week": figure(26.0, 24.0, 28.0)}
    assert "those with equal points go together" in (headline(evidence(after=after)) or "")
    assert "go together" not in (headline(evidence(after=after, target="load")) or "")


def test_old_evidence_without_figures_has_none() -> None:
    assert headline({}) is None
