"""Who fills in the form, and what a rep would think of them. Everybody is invented."""

import random
from dataclasses import dataclass
from typing import Any

FIRST = ("Ada", "Ben", "Chloe", "David", "Elif", "Farid", "Grace", "Hugo", "Ines", "Kira", "Liam")
LAST = ("Adler", "Brook", "Castro", "Dahl", "Evers", "Fisher", "Gomez", "Hansen", "Keller", "Meyer")
SENIOR = ("VP Marketing", "Head of Sales", "Chief Revenue Officer", "Director Demand Generation")
MIDDLE = ("Marketing Manager", "Sales Operations Manager", "Team Lead Growth")
OTHER = ("Analyst", "Marketing Specialist", "Consultant", "Coordinator")
SOURCES = ("google", "linkedin", "newsletter", "partner", "content-syndication")
CAMPAIGNS = ("autumn-launch", "benchmark-report", "webinar-series")
COUNTRIES = ("DE", "GB", "FR", "NL", "US", "SE", "BR", "IN")
INDUSTRIES = ("Software", "Manufacturing", "Logistics", "Health", "Retail")
SIZES, SIZE_WEIGHTS = (12, 80, 250, 900, 5000), (18, 27, 25, 15, 15)
CONSENT = {"purpose": "sales", "granted": True, "text": "Yes, call me.", "basis": "consent"}


@dataclass(frozen=True, slots=True)
class Person:
    """A form as filled in, and the truth about whether sales wants the lead."""

    form: dict[str, Any]
    chance: float
    """Probability that a rep accepts."""
    why_not: str
    """The reason if they don't."""
    webinar: bool


def person(rng: random.Random, run: str, number: int) -> Person:
    """Somebody. The starter definition is wrong about them in two ways that reps find out: it
    gives points for very large companies, which never buy, and few for leaving a phone number,
    which those do who mean it."""
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
        "page_url": "https://www.leadloop.example/contact",
        "form_id": "demo",
        "consent": {
            "purpose": "sales",
            "granted": True,
            "text": "Yes, call me.",
            "basis": "consent",
        },
    }
    mail = f"{first}.{last}.{run}.{number}".lower()
    if kind == "student":
        form |= {"email": f"{mail}@gmail.com", "job_title": "Student"}
        return Person(form, 0.05, "NOT_A_BUYER", webinar=False)
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
    phone = rng.random() < 0.5
    if phone:
        form |= {"phone": f"+49 30 5550{rng.randrange(1000, 9999)}"}
    if rng.random() < 0.4:
        form |= {"message": "We would like to see how this works for a team like ours."}
    chance = 0.42 + (0.38 if phone else 0.0) + (0.12 if title in SENIOR else 0.0)
    if employees >= 500:
        chance -= 0.4
    why_not = "NOT_A_BUYER" if phone else "BELOW_ACTIVITY"
    if employees >= 500:
        why_not = "OUTSIDE_ICP"
    return Person(form, min(0.95, max(0.03, chance)), why_not, webinar=rng.random() < 0.15)
