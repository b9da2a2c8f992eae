"""What rejections teach routing and capture, and when nothing is said."""

from random import Random

from services.feedback.domain.hints import Answer, capture_hints, routing_hints
from shared.access import Role
from shared.contracts.vocabulary import REASON_CLASS, RejectReason
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import Life


def answer(
    number: int,
    reason: RejectReason | None = None,
    rep: str = "anna",
    country: str | None = "DE",
    form: str | None = "demo",
    phone: bool = True,
) -> Answer:
    facts = {"country": country, "has_phone": True if phone else None, "employees": 10}
    reason_class = REASON_CLASS[reason].value if reason else None
    told = {"form_id": form, "utm_source": "search"}
    return Answer(
        f"lead-{number}",
        rep,
        reason.value if reason else None,
        reason_class,
        facts,
        {name: value for name, value in told.items() if value},
    )


def test_a_rep_with_the_wrong_territory() -> None:
    wrong = [answer(n, RejectReason.WRONG_TERRITORY, country="AT") for n in range(18)]
    fine = [answer(100 + n, country="DE") for n in range(60)]
    others = [answer(200 + n, rep="ben", country="AT") for n in range(60)]
    others += [answer(300 + n, RejectReason.WRONG_TERRITORY, rep="ben") for n in range(1)]
    (hint,) = routing_hints([*wrong, *fine, *others])
    assert dict(hint.where) == {"rep_id": "anna", "country": "AT"}
    document = hint.document()
    assert (document["reason"], document["count"], document["of"]) == ("WRONG_TERRITORY", 18, 18)
    assert document["rest"]["count"] == 1
    assert document["examples"] == ["lead-0", "lead-1", "lead-2", "lead-3", "lead-4"]
    assert document["low"] > 0.5
    assert document["text"].startswith("WRONG_TERRITORY was the answer to 18 of 18 leads (100 %)")
    assert capture_hints([*wrong, *fine, *others]) == []


def test_a_form_that_lets_a_field_out() -> None:
    faulty = [answer(n, RejectReason.INCOMPLETE, form="fair", phone=False) for n in range(12)]
    fine = [answer(100 + n) for n in range(80)]
    more = [answer(200 + n, form="fair") for n in range(20)]
    (hint,) = capture_hints([*faulty, *fine, *more])
    assert ("missing", "has_phone") in hint.where
    assert "no has_phone" in hint.words()


def test_few_or_even_rejections_say_nothing() -> None:
    assert routing_hints([]) == capture_hints([]) == []
    few = [answer(n, RejectReason.WRONG_TERRITORY, country="AT") for n in range(4)]
    assert routing_hints([*few, *(answer(9 + n) for n in range(50))]) == []
    definitional = [answer(n, RejectReason.OUTSIDE_ICP, country="AT") for n in range(30)]
    assert routing_hints([*definitional, *(answer(99 + n) for n in range(50))]) == []


def test_noise_is_hardly_ever_a_hint() -> None:
    """Twenty reps in ten countries who turn down a tenth at random: many groups are compared."""
    random = Random(5)
    raised = 0
    for _ in range(40):
        answers = [
            answer(
                n,
                RejectReason.NO_CAPACITY if random.random() < 0.1 else None,
                rep=f"rep-{random.randrange(20)}",
                country=random.choice("ABCDEFGHIJ") * 2,
            )
            for n in range(800)
        ]
        raised += bool(routing_hints(answers))
    assert raised <= 2


async def test_hints_of_the_interface(callers: Callers) -> None:
    lives = [
        Life(facts={"country": country}).captured().qualified().assigned(rep)
        for rep, country, many in (("anna", "AT", 10), ("anna", "DE", 30), ("ben", "AT", 30))
        for _ in range(many)
    ]
    for life in lives:
        wrong = life.rep == "anna" and life.facts["country"] == "AT"
        life.rejected(RejectReason.WRONG_TERRITORY) if wrong else life.accepted()
    await callers.feedback.read([event for life in lives for event in life.events])
    async with await callers.client(Role.MARKETER) as client:
        found = (await client.get("/feedback/v1/hints")).json()
    assert found["answers"] == 70
    assert found["routing"][0]["where"] == {"rep_id": "anna", "country": "AT"}
    assert set(found["routing"][0]["examples"]) <= {life.lead_id for life in lives[:10]}
    assert found["capture"] == []
    async with await callers.client(Role.REP, "anna") as client:
        assert (await client.get("/feedback/v1/hints")).status_code == 403
