"""What a policy says of a lead, what is wrong with one, and what changes, without a database."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.routing.domain.asked import Asked, LeadAccount
from services.routing.domain.choice import FALLBACK, Pool, Unrouted
from services.routing.domain.policy import STARTER, read_policy
from services.routing.domain.policy_check import Known, cautions, faults
from services.routing.domain.policy_words import differences, when, whom
from services.routing.domain.reps import Rep, Status, Team

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GERMAN = {"field": "country", "operator": "equals", "value": "DE"}
BIG = {"field": "employees", "operator": "at_least", "value": 500}


def rep(rep_id: str, weight: int = 1, **more: Any) -> Rep:
    fields = {"capacity": 9, "status": Status.AVAILABLE, "time_zone": "UTC", **more}
    return Rep(rep_id, rep_id.title(), None, weight, created_at=NOON, **fields)


ANA = rep("ana", team_id="iberia", languages=("pt", "en"), territories=("PT", "ES"))
BEN = rep("ben", team_id="iberia", skills=("Enterprise",), languages=("en",))
CAI = rep("cai", languages=("de",), territories=("DE", "Benelux"))
EVERYBODY = (ANA, BEN, CAI)
TEAMS = {"iberia": Team("iberia", "Iberia", "ben", NOON), "empty": Team("empty", "E", None, NOON)}
ACCOUNT = LeadAccount("Acme", "cai", "ben", "by its domain")


def known(*reps: Rep, grades: tuple[str, ...] = ()) -> Known:
    return Known({one.rep_id: one for one in reps or EVERYBODY}, TEAMS, grades)


def document(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    named = [{"id": f"r{at}", "when": [], **rule} for at, rule in enumerate(rules)]
    return {**STARTER, "rules": named, **more}


def may_have(found: dict[str, Any], account: LeadAccount | None = None, **facts: Any) -> set[str]:
    """Who may have a lead with these facts."""
    pool = Pool.of(one.standing() for one in EVERYBODY)
    group = read_policy(1, found).group(Asked(facts, account), pool)
    return {rep_id for rep_id in pool.reps if group.holds(rep_id)}


def decided(found: dict[str, Any], *reps: Rep, account: LeadAccount | None = None, **facts: Any):
    pool = Pool.of(one.standing() for one in reps or EVERYBODY)
    return read_policy(1, found).decide(pool, Asked(facts, account), {})


def test_the_first_rule_that_fits_says_who_may_have_a_lead() -> None:
    policy = document(
        {"when": [GERMAN, {"any": [BIG, {"not": {"field": "touches", "operator": "exists"}}]}],
         "rep_ids": ["cai"]},
        {"when": [GERMAN], "team_id": "iberia"},
    )  # fmt: skip
    assert may_have(policy, country="DE", employees=900, touches=3) == {"cai"}
    assert may_have(policy, country="DE") == {"cai"}
    assert may_have(policy, country="DE", employees=9, touches=3) == {"ana", "ben"}
    assert may_have(policy, country="FR") == {"ana", "ben", "cai"}


@pytest.mark.parametrize(
    ("needs", "facts", "has_it"),
    [
        ({"skills": ["enterprise"]}, {}, {"ben"}),
        ({"languages": ["en"]}, {}, {"ana", "ben"}),
        ({"languages": ["en", "pt"]}, {}, {"ana"}),
        ({"territories": ["benelux", "FR"]}, {}, {"cai"}),
        ({"by_country": True}, {"country": "ES"}, {"ana"}),
        ({"by_language": True}, {"fields.language": "de-AT"}, {"cai"}),
        ({"by_language": True, "by_country": True}, {"language": "EN", "country": "pt"}, {"ana"}),
        # Of a lead whose country is not known the rule says nothing.
        ({"by_country": True}, {}, {"ana", "ben", "cai"}),
    ],
)
def test_a_rule_is_narrowed_by_what_is_needed(needs, facts, has_it) -> None:
    assert may_have(document({"to": "everybody", **needs}), **facts) == has_it


def test_the_accounts_owner() -> None:
    plain = document({"rep_ids": ["ana"]})
    assert decided(plain, account=ACCOUNT).rep_id == "cai"
    rules_first = document({"rep_ids": ["ana"]}, accounts_first=False)
    assert decided(rules_first, account=ACCOUNT).rep_id == "ana"
    owners = document({"to": "account_owner"}, {"rep_ids": ["ana"]}, accounts_first=False)
    assert decided(owners, account=ACCOUNT).rep_id == "cai"
    full = rep("cai", capacity=0)
    assert decided(owners, ANA, BEN, full, account=ACCOUNT).rep_id == "ben"
    waits = decided(owners, ANA, full, account=ACCOUNT)
    assert (waits.rep_id, waits.rule_id) == (None, "r0")
    assert decided(owners).rep_id == "ana"


def test_when_nobody_of_a_rule_can_it_waits_or_the_fallback_is_asked() -> None:
    away = rep("cai", capacity=0)
    strict = {"when": [GERMAN], "rep_ids": ["cai"]}
    waits = decided(document(strict), ANA, away, country="DE")
    assert (waits.rep_id, waits.unrouted) == (None, Unrouted.NO_ROOM)
    eager = {**strict, "waits": False}
    found = decided(document(eager), ANA, away, country="DE")
    assert found.rep_id == "ana"
    team = document(eager, fallback={"team_id": "iberia"})
    found = decided(team, ANA, away, country="DE")
    assert (found.rep_id, found.rule_id) == ("ana", FALLBACK)
    nobody = document(eager, fallback={"to": "nobody"})
    # Whoever is full may have room soon; that the fallback names nobody says nothing.
    assert decided(nobody, ANA, away, country="DE").unrouted is Unrouted.NO_ROOM
    assert decided(nobody, ANA, away, country="FR").unrouted is Unrouted.NO_REP


def test_faults_have_a_place_and_a_suggestion() -> None:
    wrong = document(
        {"when": [{"field": "contry", "operator": "is", "value": "DE"}, {"any": [
            {"field": "utm_sorce", "operator": "equals", "value": "x"},
            {"field": "employees", "operator": "at_leest", "value": 1}]}], "rep_ids": ["anna"]},
        {"id": "r0", "when": [{"field": "employees", "operator": "lt", "value": "many"}],
         "team_id": "iberai"},
        {"id": FALLBACK, "to": "everybody"},
        fallback={"rep_ids": ["zoe"]},
    )  # fmt: skip
    found = dict(faults(wrong, known()))
    assert found.pop("/rules/0/when/0/field").endswith("did you mean country?")
    assert found.pop("/rules/0/when/1/any/0/field").endswith("did you mean utm_source?")
    assert "did you mean at_least" in found.pop("/rules/0/when/1/any/1/operator")
    assert found.pop("/rules/0/rep_ids/0") == "no such rep; did you mean ana?"
    assert found.pop("/rules/1/id") == "another rule has this id"
    assert "a number" in found.pop("/rules/1/when/0/value")
    assert found.pop("/rules/1/team_id") == "no such team; did you mean iberia?"
    assert "another" in found.pop("/rules/2/id")
    assert found.pop("/fallback/rep_ids/0").startswith("no such rep")
    assert found == {}
    fine = {"when": [{"field": "score", "operator": ">=", "value": 3}], "to": "everybody"}
    assert faults(document(fine), known()) == []


@pytest.mark.parametrize(
    ("rules", "shadowed"),
    [
        ([{"rep_ids": ["ana"]}, {"when": [GERMAN], "rep_ids": ["ben"]}], True),
        ([{"when": [GERMAN], "rep_ids": ["ana"]}, {"when": [GERMAN], "rep_ids": ["ben"]}], True),
        # The same, written otherwise, and with more asked for.
        ([{"when": [{"field": "country", "operator": "eq", "value": "DE"}], "rep_ids": ["ana"]},
          {"when": [BIG, GERMAN], "rep_ids": ["ben"]}], True),
        ([{"when": [GERMAN, BIG], "rep_ids": ["ana"]}, {"when": [GERMAN], "rep_ids": ["ben"]}],
         False),
        ([{"to": "everybody", "by_country": True}, {"rep_ids": ["ben"]}], False),
        ([{"to": "account_owner"}, {"rep_ids": ["ben"]}], False),
    ],
)  # fmt: skip
def test_a_rule_that_no_lead_gets_to_is_pointed_out(rules, shadowed) -> None:
    found = [pointer for pointer, _ in cautions(document(*rules), known())]
    assert found == (["/rules/1"] if shadowed else [])


@pytest.mark.parametrize(
    ("rule", "pointer", "words"),
    [
        ({"team_id": "empty"}, "/rules/0/team_id", "nobody is in the team E"),
        ({"rep_ids": ["gone", "zero"]}, "/rules/0/rep_ids", "gets leads: gone, weight 0"),
        ({"rep_ids": ["ana", "zero"]}, "/rules/0/rep_ids", "Zero gets no leads: weight 0"),
        ({"to": "everybody", "skills": ["Chess"]}, "/rules/0/skills", "has the skill chess"),
        ({"team_id": "iberia", "languages": ["de"]}, "/rules/0/languages", "speaks de"),
        ({"rep_ids": ["ben"], "by_country": True}, "/rules/0/by_country", "has a territory"),
        ({"to": "everybody", "skills": ["enterprise"], "languages": ["pt"]}, "/rules/0/to", "all"),
    ],
)
def test_whom_a_rule_means_may_be_nobody(rule, pointer, words) -> None:
    reps = (*EVERYBODY, rep("gone", status=Status.GONE), rep("zero", 0))
    ((place, said),) = cautions(document(rule), known(*reps))
    assert place == pointer
    assert words in said


def test_a_grade_that_no_lead_has_is_pointed_out() -> None:
    times = {"sla_minutes": 5, "accept_minutes": 5}
    graded = document(sla_by_grade=[{"grade": "A", **times}, {"grade": "AA", **times}])
    ((place, said),) = cautions(graded, known(grades=("A", "B")))
    assert place == "/sla_by_grade/1/grade"
    assert said == "no recent lead has the grade AA; there are A, B"
    assert cautions(graded, known()) == []


def test_what_changes_is_said_in_words() -> None:
    names = {"ana": "Ana", "team:iberia": "Iberia"}
    before = document({"id": "a", "rep_ids": ["ana"]}, {"id": "b", "team_id": "iberia"})
    after = document(
        {"id": "b", "team_id": "iberia"},
        {"id": "a", "when": [GERMAN], "rep_ids": ["ana"], "by_language": True, "waits": False},
        sla_minutes=30, warn_at=None, fallback={"to": "nobody"},
    )  # fmt: skip
    found = {one.what: (one.before, one.after) for one in differences(before, after, names)}
    assert found == {
        "Minutes to a first answer": ("60", "30"),
        "Warned after this share of the time": ("0.75", "never"),
        "Rule a": (
            "every lead: Ana",
            'country is "DE": Ana (speaks the lead\'s language), else the fallback',
        ),
        "Order of the rules": ("a, b", "b, a"),
        "Leads of no rule": ("everybody", "nobody: the lead waits"),
    }
    assert differences(before, before, names) == []
    assert whom({"team_id": "iberia", "skills": ["x"]}, names) == "the team Iberia (x)"
    assert when({"when": []}) == "every lead"
