"""Who fills in the form, and what a rep would think of them. Everybody is invented."""

import random
from dataclasses import dataclass
from typing import Any

FIRST = ("Ada", "Ben", "Chloe", "David", "Elif", "Farid", "Grace", "Hugo", "Ines", "Kira", "Liam")
LAST = ("Adler", "Brook", "Castro", "Dahl", "Evers", "Fisher", "Gomez", "Hansen", "Keller", "Meyer")
SENIOR = ("VP Marketing", "Head of Sales", "Chief Revenue Officer", "Director Demand Generation")
MIDDLE = ("Marketing Manager", "Sales Operations Manager", "Team Lead Growth")
OTHER = ("Analyst", "Marketing Specialist", "Consultant", "Coordinator")
STUDENT = "Student"
LARGE = 500
"""Employees from which on a company never buys."""
SOURCES = ("google", "linkedin", "newsletter", "partner", "content-syndication")
CAMPAIGNS = ("autumn-launch", "benchmark-report", "webinar-series")
COUNTRIES = ("DE", "GB", "FR", "NL", "US", "SE", "BR", "IN")
INDUSTRIES = ("Software", "Manufacturing", "Logistics", "Health", "Retail")
SIZES, SIZE_WEIGHTS = (12, 80, 250, 900, 5000), (18, 27, 25, 15, 15)
CONSENT = {"purpose": "sales", "granted": True, "text": "Yes, call me.", "basis": "consent"}
PAGE = "https://www.leadloop.example/contact"
"""Where all of them filled in the form."""


@dataclass(frozen=True, slots=True)
class Person:
    """A form as filled in."""

    form: dict[str, Any]
    webinar: bool


@dataclass(frozen=True, slots=True)
class Opinion:
    """The truth about whether sales wants a lead: the probability that a rep accepts it, and the
    reason if they don't."""

    chance: float
    why_not: str


def opinion(title: str, employees: int, phone: bool) -> Opinion:
    """What reps think of somebody. The starter definition is wrong about them in two ways that reps
    find out: it gives points for very large companies, which never buy, and few for leaving a phone
    number, which those do who mean it."""
    if title == STUDENT:
        return Opinion(0.05, "NOT_A_BUYER")
    chance = 0.42 + (0.38 if phone else 0.0) + (0.12 if title in SENIOR else 0.0)
    if employees >= LARGE:
        return Opinion(max(0.03, chance - 0.4), "OUTSIDE_ICP")
    return Opinion(min(0.95, chance), "NOT_A_BUYER" if phone else "BELOW_ACTIVITY")


def person(rng: random.Random, run: str, number: int) -> Person:
    """Somebody."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    kind = rng.choices(("buyer", "student", "excluded"), (0.84, 0.13, 0.03))[0]
    country = rng.choice(COUNTRIES)
    form: dict[str, Any] = {
        "first_name": first,
        "last_name": last,
        "country": country,
        "utm_source": rng.choices(SOURCES, (30, 25, 15, 10, 20))[0],
        "utm_medium": "web",
        "utm_campaign": rng.choice(CAMPAIGNS),
        "page_url": PAGE,
        "form_id": "demo",
        "consent": CONSENT,
    }
    mail = f"{first}.{last}.{run}.{number}".lower()
    if kind == "student":
        form |= {"email": f"{mail}@gmail.com", "job_title": STUDENT}
        return Person(form, webinar=False)
    title = rng.choice(rng.choices((SENIOR, MIDDLE, OTHER), (45, 35, 20))[0])
    employees = int(rng.choices(SIZES, SIZE_WEIGHTS)[0] * rng.uniform(0.8, 1.2))
    industry = "Gambling" if kind == "excluded" else rng.choice(INDUSTRIES)
    form |= {
        "email": f"{mail}@{last.lower()}-works{number}.example",
        "company": f"{last} Works",
        "job_title": title,
        "employees": employees,
        "industry": industry,
    }
    if rng.random() < 0.5:
        form |= {"phone": f"+49 30 5550{rng.randrange(1000, 9999)}"}
    if rng.random() < 0.4:
        form |= {"message": "We would like to see how this works for a team like ours."}
    return Person(form, webinar=rng.random() < 0.15)
