"""Scoring by column: the same as scoring one lead after another."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.scorecard.definition import compile_definition
from shared.scorecard.scoring import Activity, Inputs, evaluate
from shared.scorecard.table import Row, Table
from shared.scorecard.table_scoring import gives, grades, scores

from .documents import NOW, criteria, disqualifiers, documents, inputs, moments, small

mixed = st.dictionaries(
    st.sampled_from(["job_title", "employees", "country", "fields.budget", "has_phone"]),
    st.sampled_from(
        [
            *(True, False, 1, 0, 1.0, 0.0, "1", "0", "yes", " VP ", "", None, [], ["1", "vp"]),
            *(float("nan"), float("inf"), 2**53, 2**53 + 1, 10**400, "9007199254740993", "120.5"),
        ]
    ),
)
rows = st.lists(
    st.tuples(inputs | st.builds(Inputs, mixed, st.just({}), st.just({})), st.just(NOW) | moments),
    max_size=12,
)
graded = st.fixed_dictionaries(
    {
        "threshold": st.integers(-1500, -100),
        "criteria": criteria,
        "disqualifiers": disqualifiers,
        "grades": st.just([{"grade": "A", "min_score": 100}, {"grade": "B", "min_score": -50}]),
    }
)
matrix = {
    "fit": [{"grade": "A", "min_points": 10}, {"grade": "B", "min_points": 0}],
    "engagement": [{"grade": "1", "min_points": 5}, {"grade": "2", "min_points": 0}],
}


def table_of(listed: list[tuple[Inputs, datetime]]) -> Table:
    return Table.of(
        Row(str(index), one.facts, one.attribution, one.activities, at)
        for index, (one, at) in enumerate(listed)
    )


@given(documents | graded, rows)
def test_a_table_is_scored_exactly_as_its_rows_are(document, listed):
    if "grades" in document:
        best = sum(
            one.rule.best
            for one in compile_definition(1, {**document, "threshold": -(10**6)}).criteria
        )
        document = {**document, "threshold": min(document["threshold"], best)}
    definition = compile_definition(1, document)
    table = table_of(listed)
    scored = scores(definition, table)
    letters = grades(definition, scored)
    for index, (one, at) in enumerate(listed):
        expected = evaluate(definition, one, at)
        points = dict(zip([c.id for c in definition.criteria], scored.points[index], strict=True))
        assert points == {
            c.id: next((p.points for p in expected.contributions if p.criterion_id == c.id), 0)
            for c in definition.criteria
        }
        assert scored.total[index] == expected.score
        assert letters[index] == expected.grade
        ended = scored.disqualified_by[index]
        if expected.verdict == "DISQUALIFIED":
            assert definition.disqualifiers[ended].id == expected.reason
        else:
            assert ended == -1
        assert scored.mql[index] == (expected.verdict == "MQL")


@given(rows, st.data())
def test_a_selection_is_scored_as_before(listed, data):
    definition = compile_definition(1, data.draw(documents))
    table = table_of(listed)
    mask = np.array([data.draw(st.booleans()) for _ in listed], np.bool_)
    part = table.select(mask)
    assert list(part.ids) == [one for one, kept in zip(table.ids, mask, strict=True) if kept]
    assert (scores(definition, part).points == scores(definition, table).points[mask]).all()


def test_more_rows_than_are_taken_apart_at_once():
    listed = [
        (Inputs({"employees": index % 7, f"fields.f{index}": "x"}), NOW) for index in range(9000)
    ]
    document = small(threshold=1, grade_matrix=matrix, grades=[])
    document["criteria"][0] = {
        "id": "size", "group": "fit", "field": "employees", "otherwise": 3,
        "levels": [{"operator": "less_than", "value": 3, "points": 10}],
    }  # fmt: skip
    definition = compile_definition(1, document)
    table = Table.of(
        (Row("x", one.facts, one.attribution, one.activities, at) for one, at in listed),
        definition.fields,
    )
    assert set(table.columns) == set(definition.fields)
    scored = scores(definition, table)
    assert scored.total.tolist() == [10 if index % 7 < 3 else 3 for index in range(9000)]
    assert gives(definition.criteria[0].rule, table).sum() == sum(i % 7 < 3 for i in range(9000))
    assert set(grades(definition, scored)) == {"A2", "B2"}


def test_a_column_tells_true_from_one_and_weeks_are_iso():
    listed = [Inputs({"x": value}) for value in (True, 1, "1", 1.0, None, [1], ["1"])]
    days = [datetime(2027, 1, 3, 23, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)]
    table = table_of([(one, days[index % 2]) for index, one in enumerate(listed)])
    assert len(set(table.column("x").codes)) == 7
    assert table.column("nobody").values == [None]
    weeks, of_rows = table.weeks()
    assert weeks == ["2026-W53", "2027-W01"]
    assert of_rows.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_no_rows_at_all():
    table = Table.of([])
    scored = scores(compile_definition(1, small()), table)
    assert (len(table), len(scored.total), len(scored.rank), len(scored.mql)) == (0, 0, 0, 0)


def test_who_is_disqualified_ranks_last():
    done = {"webinar_attended": Activity(1, NOW - timedelta(days=1))}
    listed = [(Inputs({"company": "rival", "job_title": "vp"}, {}, done), NOW), (Inputs({}), NOW)]
    scored = scores(compile_definition(1, small()), table_of(listed))
    assert scored.total[0] > scored.total[1]
    assert scored.rank[0] < scored.rank[1]
