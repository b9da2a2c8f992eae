"""Very many made-up leads, written straight into feedback's tables."""

import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg

from services.feedback.domain.people import Person, person_of
from services.feedback.store.tables import lead_stages, people, people_words
from shared.contracts.vocabulary import Stage
from shared.db.types import stored_time

FIRST: Final = (
    "Maria", "James", "Anna", "Robert", "Elena", "David", "Sofia", "Michael", "Julia", "Thomas",
    "Laura", "Daniel", "Katharina", "Peter", "Emma", "Andreas", "Lucía", "Martin", "Chloé",
    "Stefan", "Inês", "Paul", "Hannah", "Mark", "Nina", "Jürgen", "Olivia", "Simon", "Zoë",
    "Ahmed", "Fatima", "Wei", "Yuki", "Priya", "Arjun", "Ivan", "Olga", "Piotr", "Agnieszka",
    "Lars", "Ingrid", "Mateo", "Camille", "Hugo", "Léa", "Noah", "Mia", "Ben", "Clara", "Felix",
)  # fmt: skip
SYLLABLES: Final = (
    "ba", "der", "mann", "kow", "ski", "fel", "sen", "ro", "mar", "tin", "lo", "pez", "gar", "cia",
    "schu", "bert", "hol", "zer", "win",
)  # fmt: skip
KINDS: Final = ("GmbH", "Ltd", "SA", "Inc", "Lda", "BV")
SPAN: Final = timedelta(days=730)
NEWEST: Final = datetime(2026, 6, 1, tzinfo=UTC)
FREQUENT_CAMPAIGN: Final = "spring-webinar"
STAGES: Final = (
    (Stage.NURTURE, 60), (Stage.DISQUALIFIED, 8), (Stage.INQUIRY, 4), (Stage.ASSIGNED, 3),
    (Stage.ACCEPTED, 9), (Stage.SQL, 5), (Stage.WON, 4), (Stage.LOST, 4), (Stage.UNROUTED, 1),
    (Stage.RECYCLED, 2),
)  # fmt: skip
REPS: Final = 200
CHUNK: Final = 20_000


def crowd(number: int, seed: int = 1) -> Iterator[tuple[dict[str, Any], Person]]:
    """Leads in the order of their capture: a row of ``lead_stages``, and who it is. First names
    are as unequal as in life (the most frequent has one in ten), family names are mostly rare; one
    campaign brings a fifth, the many small ones some twenty leads each."""
    dice = random.Random(seed)
    kinds, weights = zip(*STAGES, strict=True)
    first_weights = [1 / (place + 3) for place in range(len(FIRST))]
    firsts = dice.choices(FIRST, first_weights, k=number)
    stages = dice.choices(kinds, weights, k=number)
    small = max(1, number // 50)
    for at in range(number):
        captured = NEWEST - SPAN + SPAN * (at / number)
        milliseconds = int(captured.timestamp() * 1000)
        lead_id = str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | dice.getrandbits(62)))
        last = "".join(dice.choices(SYLLABLES, k=dice.choice((2, 3, 3, 4)))).capitalize()
        house = "".join(dice.choices(SYLLABLES, k=3)).capitalize()
        chance = dice.random()
        campaign = FREQUENT_CAMPAIGN if chance < 0.2 else None
        if chance > 0.6:
            campaign = f"campaign-{dice.randrange(small)}"
        stage = stages[at]
        sales = stage not in (Stage.NURTURE, Stage.INQUIRY, Stage.UNROUTED)
        row = {
            "lead_id": lead_id,
            "stage": stage.value,
            "since": captured + timedelta(minutes=dice.expovariate(1 / 4000)),
            "place_cycle": 1,
            "place_phase": 1,
            "place_attempt": 0,
            "place_step": 0,
            "captured_at": captured,
            "source": dice.choice(("google", "newsletter", "linkedin", "fair")),
            "campaign": campaign,
            "form_id": dice.choice(("demo", "contact", "pricing")),
            "definition_version": 1,
            "score": int(dice.gauss(40, 20)),
            "criteria": "[]",
            "rep_id": f"rep-{dice.randrange(REPS)}" if sales else None,
        }
        yield row, person_of(lead_id, _contact(dice, firsts[at], last, house))


def _contact(dice: random.Random, first: str, last: str, house: str) -> dict[str, Any]:
    return {
        "first_name": first,
        "last_name": last,
        "company": f"{house} {dice.choice(KINDS)}",
        "email": f"{first}.{last}@{house}.example".lower(),
        "phone": f"+49{dice.randrange(10**9, 10**10)}",
    }


COLUMNS: Final = (
    "lead_id", "stage", "since", "place_cycle", "place_phase", "place_attempt", "place_step",
    "captured_at", "source", "campaign", "form_id", "definition_version", "score", "criteria",
    "rep_id",
)  # fmt: skip
PERSON: Final = ("lead_id", "name", "email", "phone", "company", "words")


def fill_sqlite(file: Path, number: int) -> int:
    """Write so many leads into feedback's file; returns the number of words they are found by."""
    with sqlite3.connect(file) as db:
        for setting in ("synchronous=OFF", "cache_size=-400000", "temp_store=FILE"):
            db.execute(f"PRAGMA {setting}")
        db.execute("CREATE TEMP TABLE told (word TEXT, lead_id TEXT)")
        leads = f"INSERT INTO {lead_stages.name} ({','.join(COLUMNS)}) VALUES ({_marks(COLUMNS)})"
        persons = f"INSERT INTO {people.name} ({','.join(PERSON)}) VALUES ({_marks(PERSON)})"
        for part in _chunks(number):
            db.executemany(leads, [[_plain(row[name]) for name in COLUMNS] for row, _ in part])
            db.executemany(persons, [_person(one) for _, one in part])
            db.executemany("INSERT INTO told VALUES (?, ?)", _words(part))
        words = f"INSERT INTO {people_words.name} SELECT word, lead_id FROM told ORDER BY 1, 2"
        return db.execute(words).rowcount


def fill_postgresql(url: str, number: int) -> int:
    """The same into feedback's schema, looked through as autovacuum would do by and by."""
    with psycopg.connect(url, options="-c search_path=feedback", autocommit=True) as db:
        db.execute("SET maintenance_work_mem = '512MB'")
        db.execute("ALTER TABLE people_words DROP CONSTRAINT people_words_pkey")
        cursor, count = db.cursor(), 0
        for part in _chunks(number):
            for table, names, rows in (
                (lead_stages, COLUMNS, [[row[name] for name in COLUMNS] for row, _ in part]),
                (people, PERSON, [_person(one) for _, one in part]),
                (people_words, ("word", "lead_id"), list(_words(part))),
            ):
                with cursor.copy(f"COPY {table.name} ({','.join(names)}) FROM STDIN") as copy:
                    copy.write("".join(map(_line, rows)))
            count += sum(len(one.words) for _, one in part)
        db.execute("ALTER TABLE people_words ADD PRIMARY KEY (word, lead_id)")
        db.execute("VACUUM ANALYZE")
    return count


def _chunks(number: int) -> Iterator[list[tuple[dict[str, Any], Person]]]:
    found = crowd(number)
    while part := list(islice(found, CHUNK)):
        yield part


def _marks(names: tuple[str, ...]) -> str:
    return ",".join("?" * len(names))


def _plain(value: Any) -> Any:
    return stored_time(value) if isinstance(value, datetime) else value


def _person(one: Person) -> tuple[Any, ...]:
    words = orjson.dumps(one.words).decode()
    return (one.lead_id, one.name, one.email, one.phone, one.company, words)


def _words(part: list[tuple[dict[str, Any], Person]]) -> Iterator[tuple[str, str]]:
    return ((word, one.lead_id) for _, one in part for word in one.words)


def _line(values: Any) -> str:
    return "\t".join("\\N" if one is None else str(one) for one in values) + "\n"
