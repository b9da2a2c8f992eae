"""The quick way to write an event says the same as the model's own."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import examples
from shared.contracts.envelope import Event, decode, headers_of
from shared.contracts.events import EVENT_TYPES, LeadCaptured

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FACT = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT, max_size=3)

ZONES = st.just(UTC) | st.integers(-14 * 60, 14 * 60).map(lambda n: timezone(timedelta(minutes=n)))


def _captured(at: datetime = AT, **facts: Any) -> Event[LeadCaptured]:
    data = LeadCaptured(lead_id="l", submission_id="s", captured_at=at, facts=facts)
    return Event.of(data, "capture", at)


def _as_the_model_says(event: Event[Any]) -> bytes:
    return event.data.__pydantic_serializer__.to_json(event.data)


@pytest.mark.parametrize("event_type", list(EVENT_TYPES))
def test_every_example_is_written_as_its_model_would(event_type: str) -> None:
    event = examples.example(event_type)
    assert event.value() == _as_the_model_says(event)


@given(facts=st.dictionaries(TEXT, FACT, max_size=4))
def test_whatever_facts_a_model_takes(facts: dict[str, Any]) -> None:
    event = _captured(**{f"f{n}": value for n, value in enumerate(facts.values())})
    assert event.value() == _as_the_model_says(event)


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64, 2**70, -(2**63), -(2**70), 10**300])
def test_a_number_of_any_size_can_be_emitted(number: int) -> None:
    event = _captured(number=number)
    assert decode(event.headers(), event.value()).data == event.data


@given(at=st.datetimes(datetime(1980, 1, 1), timezones=ZONES))
def test_whatever_time_it_was(at: datetime) -> None:
    event = _captured(at)
    assert event.value() == _as_the_model_says(event)
    read = decode(event.headers(), event.value())
    assert (read.time, read.data.captured_at) == (at, at)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (AT, "2026-03-01T12:00:00Z"),
        (AT.replace(microsecond=1), "2026-03-01T12:00:00.000001Z"),
        (AT.replace(tzinfo=timezone(timedelta(hours=5, minutes=45))), "2026-03-01T12:00:00+05:45"),
    ],
)
def test_a_time_is_said_as_rfc_3339_has_it(at: datetime, said: str) -> None:
    assert _captured(at).stamp() == said
    # Twice: what is remembered is the same.
    assert _captured(at).stamp() == said


def test_headers_by_attributes_are_the_events_own() -> None:
    event = _captured()
    assert event.headers() == headers_of(
        event.id, event.type, "capture", event.stamp(), event.subject, event.traceparent
    )
