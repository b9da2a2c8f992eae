"""Small worlds with a planted truth: leads, the facts that drive them, and reps who answer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from services.feedback.learning.data import Sample
from shared.scorecard.scoring import Activity

START = datetime(2026, 1, 5, tzinfo=UTC)
INDUSTRIES = ("Software", "Logistics", "Retail", "Health", "Finance", "Energy", "Media", "Food")
COUNTRIES = ("DE", "US", "FR", "GB", "AT", "CH", "IN", "BR", "ES", "IT", "NL", "PL")
SENIORITY = ("Head of", "VP", "Director of", "Junior", "Assistant", "Lead")
WORK = ("Marketing", "Sales", "Finance", "IT", "Operations", "Student Affairs")

STARTER: Mapping[str, Any] = {
    "name": "Starter",
    "threshold": 50,
    "criteria": [
        {"id": "business", "group": "fit", "field": "email_type", "operator": "equals",
         "value": "business", "points": 25},
        {"id": "large", "group": "fit", "field": "employees", "operator": "at_least",
         "value": 200, "points": 25},
        {"id": "home", "group": "fit", "field": "country", "operator": "in",
         "value": ["DE", "AT", "CH"], "points": 25},
        {"id": "phone", "group": "fit", "field": "has_phone", "operator": "is_true",
         "points": 10},
    ],
    "grades": [{"grade": "A", "min_score": 75}, {"grade": "B", "min_score": 50}],
    "cool_off_days": 30,
    "exploration_rate": 0.02,
}  # fmt: skip
"""What a marketer might start with: plausible, and mostly beside the point."""


@dataclass(frozen=True)
class World:
    """How leads come to be accepted. ``strength`` scales what drives them (0: nothing does),
    ``rate`` is the log-odds of an average lead, ``until`` the days all leads spread over."""

    leads: int = 2000
    strength: float = 1.0
    rate: float = -1.0
    days: float = 180.0
    useless: int = 0
    reps: int = 5
    cruel_rep: bool = False
    leak: bool = False
    drift_to: float | None = None
    """Log-odds of an average lead at the end: they move there in a straight line."""
    turn: bool = False
    """Half way the drivers change places: what spoke for a lead now speaks against it."""
    interaction: float = 0.0
    answered: float = 1.0


def samples(world: World, seed: int) -> list[Sample]:
    """The leads of a world, in time order."""
    random = Random(seed)
    return [_lead(world, random, index) for index in range(world.leads)]


def truth(facts: Mapping[str, Any], activities: Mapping[str, Activity], at: datetime) -> float:
    """What drives acceptance, in log-odds: size (a hump), industry, seniority, budget and its
    absence, and a recent webinar."""
    total = {"Software": 1.2, "Finance": 0.8, "Retail": -0.8, "Food": -1.2}.get(
        str(facts["industry"]), 0.0
    )
    employees = facts["employees"]
    total += 1.0 if 50 <= employees < 1000 else -0.6 if employees < 50 else 0.0
    title = str(facts["job_title"])
    total += 0.9 if title.startswith(("Head", "VP")) else 0.0
    total -= 1.0 if "Student" in title else 0.0
    budget = facts.get("fields.budget")
    total += -0.7 if budget is None else 0.8 if budget >= 20_000 else 0.0
    webinar = activities.get("webinar_attended")
    if webinar is not None and (at - webinar.last_at).days < 30:
        total += 0.9
    return total


def _lead(world: World, random: Random, index: int) -> Sample:
    at = START + timedelta(days=world.days * index / world.leads)
    facts = _facts(world, random)
    activities = _activities(random, at)
    drive = truth(facts, activities, at)
    if world.interaction:
        both = facts["utm_medium"] == "cpc" and facts["email_type"] == "free"
        drive += world.interaction * (1.0 if both else 0.0)
    done = index / world.leads
    if world.turn and done >= 0.5:
        drive = -drive
    rate = world.rate
    if world.drift_to is not None:
        rate += (world.drift_to - world.rate) * done
    chance = 1 / (1 + math.exp(-(rate + world.strength * drive)))
    rep = index % world.reps
    label = int(random.random() < chance)
    if world.cruel_rep and rep == 0:
        label = 0
    if world.leak:
        facts["fields.contract_number"] = f"C-{index}" if label else None
        facts["fields.outcome_code"] = label * 7 + random.choice((0, 1))
    answered = random.random() < world.answered
    return Sample(
        lead_id=f"lead-{index:06d}",
        at=at,
        facts={name: value for name, value in facts.items() if value is not None},
        attribution={"utm_source": random.choice(("google", "bing", "linkedin", "mail"))},
        activities=activities,
        label=label if answered else None,
        answered_at=at + timedelta(days=1) if answered else None,
        rep_id=f"rep-{rep}",
        mql=answered,
        definition_version=1,
    )


def _facts(world: World, random: Random) -> dict[str, Any]:
    employees = int(math.exp(random.gauss(4.6, 1.5))) + 1
    rich = random.random() < 0.4
    facts: dict[str, Any] = {
        "employees": employees,
        "industry": random.choice(INDUSTRIES),
        "country": random.choices(COUNTRIES, [1 / (rank + 1) for rank in range(12)])[0],
        "job_title": f"{random.choice(SENIORITY)} {random.choice(WORK)}",
        "email_type": random.choice(("business", "free")),
        "has_phone": random.random() < 0.5,
        "utm_medium": random.choice(("cpc", "organic", "social")),
        # Not known where there is none to tell of: missing is a level of its own.
        "fields.budget": None if random.random() < 0.3 else random.randint(0, 20) * (
            3000 if rich else 1000
        ),
        # Goes along with size and says nothing by itself.
        "fields.offices": max(1, int(math.log(employees) * 2 + random.gauss(0, 1.5))),
        "company": f"Company {random.randint(1, 3000)}",
    }  # fmt: skip
    for number in range(world.useless):
        facts[f"fields.useless_{number}"] = random.randint(0, 9)
    return facts


def _activities(random: Random, at: datetime) -> dict[str, Activity]:
    activities = {}
    for kind, often in (("webinar_attended", 0.35), ("email_clicked", 0.6)):
        if random.random() < often:
            moments = sorted(
                at - timedelta(days=random.uniform(0, 90)) for _ in range(random.randint(1, 4))
            )
            activities[kind] = Activity(len(moments), moments[-1], tuple(moments))
    return activities
