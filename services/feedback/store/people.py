"""What the leads are found by."""

from collections.abc import Sequence

from sqlalchemy import Connection

from services.feedback.domain.people import Person
from shared.db.statements import Statement, one_of

_PAIRS = {
    "sqlite": "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') "
    "FROM json_each(:pairs)",
    "postgresql": "SELECT value ->> 0, value ->> 1 "
    "FROM jsonb_array_elements(CAST(:pairs AS jsonb))",
}
_WORDS_OF = {"sqlite": "json_each(p.words)", "postgresql": "jsonb_array_elements_text(p.words)"}
_FORGET = Statement(
    lambda dialect: (
        "DELETE FROM people_words WHERE (word, lead_id) IN (SELECT w.value, p.lead_id "  # noqa: S608
        f"FROM people AS p, {_WORDS_OF[dialect]} AS w "
        f"WHERE {one_of('p.lead_id', 'leads', dialect)})"
    )
)
_REMEMBER = Statement(
    lambda dialect: (
        "INSERT INTO people_words (word, lead_id) "
        + _PAIRS[dialect]
        + " WHERE true ON CONFLICT DO NOTHING"
    )
)


def find_by(conn: Connection, people: Sequence[Person]) -> None:
    """Find these people by their words from now on, and by no others. To be called before their
    rows are written, which say what they were found by."""
    if not people:
        return
    _FORGET.run(conn, leads=[one.lead_id for one in people])
    pairs = sorted({(word, one.lead_id) for one in people for word in one.words})
    _REMEMBER.run(conn, pairs=pairs)
