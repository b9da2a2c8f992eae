"""The handlers on plain memory: no database, no clock, no event loop."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.capture.domain.fields import FieldDeclaration
from services.capture.domain.submission import Posted, Taken
from services.capture.domain.synonyms import Synonyms
from services.capture.handlers.activities import record_activity
from services.capture.handlers.fields import declare_fields, read_catalogue
from services.capture.handlers.submissions import Refused, keep_refused, take_submissions
from services.capture.intake.reading import read_submission
from services.capture.store.catalogue import MAX_SEEN
from services.capture.store.unit import Capture
from shared.contracts.events import ActivityRecorded, ContactUpdated, LeadCaptured
from shared.contracts.problems import Problem

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def posted(body: bytes, key: str | None = None, digest: bytes = b"1") -> Posted:
    return Posted(
        read_submission(body, {}, None, Synonyms({})), key, digest if key else None, TRACE
    )


def taken(answer: Taken | Exception) -> Taken:
    assert isinstance(answer, Taken)
    return answer


def data_of(unit: Capture) -> list[Any]:
    return [event.data for event in unit.events]


def test_two_of_one_batch_are_one_lead_touched() -> None:
    unit = Capture(NOW)
    first, second = take_submissions(
        unit,
        [
            posted(b'{"email":"ada@example.com","company":"A"}'),
            posted(b'{"email":"Ada@example.com"}'),
        ],
    )
    assert taken(first).lead_id == taken(second).lead_id
    assert [taken(one).status for one in (first, second)] == ["captured", "touched"]
    captured, contact, activity = data_of(unit)
    assert isinstance(captured, LeadCaptured)
    assert isinstance(contact, ContactUpdated)
    assert isinstance(activity, ActivityRecorded)
    assert activity.facts["touches"] == 2
    assert {event.traceparent for event in unit.events} == {TRACE}
    assert len(unit.submissions.changed) == 2


def test_a_key_stands_for_its_first_body() -> None:
    unit = Capture(NOW)
    body = b'{"email":"ada@example.com"}'
    first, again, other = take_submissions(
        unit, [posted(body, "k"), posted(body, "k"), posted(body, "k", digest=b"2")]
    )
    assert again is first
    assert isinstance(other, Problem)
    assert other.status == 422
    assert len(unit.events) == 2


def test_an_activity_may_name_its_lead_by_id_or_by_address() -> None:
    unit = Capture(NOW)
    lead_id = taken(take_submissions(unit, [posted(b'{"email":"ada@example.com"}')])[0]).lead_id
    for who in ({"lead_id": lead_id, "email": None}, {"lead_id": None, "email": "ADA@example.com"}):
        record_activity(unit, kind="page_viewed", occurred_at=None, **who)
    assert [one.lead_id for one in unit.activities.changed] == [lead_id] * 2
    with pytest.raises(Problem, match="404"):
        record_activity(unit, lead_id="nobody", email=None, kind="x", occurred_at=None)
    with pytest.raises(Problem, match="future"):
        record_activity(
            unit, lead_id=lead_id, email=None, kind="x", occurred_at=NOW + timedelta(minutes=2)
        )


def test_declarations_count_once_they_are_committed() -> None:
    unit = Capture(NOW)
    declare_fields(unit, [FieldDeclaration("budget", "Budget", "number", "fact")])
    assert not unit.declared
    unit.committed()
    assert list(unit.declared) == ["budget"]
    later = Capture(NOW, catalogue=unit.catalogue)
    later.fields.hold(unit.fields)
    declare_fields(later, [FieldDeclaration("plan", "Plan", "text", "fact")])
    read_catalogue(later)
    later.committed()
    assert list(later.declared) == ["plan"]


def test_undeclared_names_are_remembered_once_and_not_for_ever() -> None:
    unit = Capture(NOW)
    bodies = [
        b'{"email":"ada@example.com","fields":{"again":1,%s}}'
        % b",".join(b'"n%d x%d":1' % (post, n) for n in range(90))
        for post in range(15)
    ]
    take_submissions(unit, [posted(body) for body in bodies])
    assert len(unit.seen.changed) == MAX_SEEN
    unit.committed()
    later = Capture(NOW, catalogue=unit.catalogue)
    take_submissions(later, [posted(bodies[-1])])
    assert later.seen.changed == []


def test_what_is_refused_is_kept_with_its_sender() -> None:
    unit = Capture(NOW)
    problem = Problem(422, "No", "not so", errors=[{"pointer": "/email", "detail": "no"}])
    keep_refused(unit, [Refused(problem, "text/x\x00", b"y" * 99_999, "form:demo")])
    (kept,) = unit.bad_submissions.changed
    assert (kept.sender, kept.source, kept.status) == ("form", "form:demo", 422)
    assert kept.reason == "No: not so"
    assert kept.content_type == "text/x"
    assert len(kept.body) == 64 * 1024
