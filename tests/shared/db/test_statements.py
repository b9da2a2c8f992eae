"""Statements of hot paths: constant text, whatever they are about, and any value they carry."""

import ast
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, exc, select

from shared.contracts.ids import new_id
from shared.db import dead_letters, inbox, outbox
from shared.db.statements import Statement, as_json, one_of
from tests.shared.toy.service import NOW, Toy, captured, effects

ROOT = Path(__file__).parents[3]


def _texts(toy: Toy, work: Any) -> list[str]:
    """The statements that a transaction sends."""
    seen: list[str] = []

    def look(_conn: Any, _cursor: Any, text: str, *_: Any) -> None:
        seen.append(text)

    event.listen(toy.db._writer, "before_cursor_execute", look)
    try:
        with toy.db.begin() as conn:
            work(conn)
    finally:
        event.remove(toy.db._writer, "before_cursor_execute", look)
    return [text for text in seen if not text.startswith("BEGIN")]


async def test_no_statement_of_the_runtime_says_how_much_it_is_about(toy: Toy) -> None:
    """A text for each size would be prepared again for each size."""

    def work(count: int) -> Any:
        def run(conn: Connection) -> None:
            places = [("lead.captured", 100 * count + n) for n in range(count)]
            inbox.positions(conn, "g", places)
            inbox.advance(conn, "g", dict.fromkeys(places, (-1, 7)))
            inbox.fresh(conn, "g", [new_id() for _ in range(count)])
            dead_letters.blocked(conn, "g", {f"key-{n}" for n in range(count)})
            events = [captured(f"lead-{n}", n) for n in range(count)]
            outbox.add(conn, "qualify", events, NOW)
            rows = outbox.take(conn, count)
            outbox.read(conn, "lead.captured", 1, count)
            outbox.remove(conn, [row.seq for row in rows])

        return run

    few, more, many = (_texts(toy, work(count)) for count in (1, 2, 1500))
    assert few == more == many
    assert len(few) == 8 + (toy.db.dialect == "sqlite") + 1, few


async def test_a_batch_is_the_same_statements_whatever_its_size(toy: Toy) -> None:
    """The whole transaction of a consumer with one aggregate, from positions to outbox."""
    from tests.shared.toy.service import Log

    log, consumer = Log(), toy.consumer()
    texts = []
    for count in (2, 3, 400):
        batch = log.deliver(*(captured(f"lead-{count}-{n}", n) for n in range(count)))
        await consumer._load(sorted({m.place for m in batch}))
        texts.append(_texts(toy, lambda _, batch=batch: None))  # what an empty one sends
        seen: list[str] = []

        def look(_conn: Any, _cursor: Any, text: str, *_: Any, seen: list[str] = seen) -> None:
            seen.append(text)

        event.listen(toy.db._writer, "before_cursor_execute", look)
        await consumer.process(batch)
        event.remove(toy.db._writer, "before_cursor_execute", look)
        texts[-1] = seen
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) <= 8


VALUES = (
    "plain",
    "",
    "ü — 東京 '\"\\ %s %(x)s :name ? \U0001f98a",
    0,
    -1,
    2**31,
    2**63 - 1,
    0.1,
    True,
    None,
    b"\x00\xff",
)


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_a_value_goes_as_it_is(toy: Toy, value: Any) -> None:
    kind = {str: "text", bool: "boolean", int: "bigint", float: "float", bytes: "bytea"}
    cast = f"::{kind.get(type(value), 'text')}" if toy.db.dialect == "postgresql" else ""
    with toy.db.connect() as conn:
        found = Statement("SELECT :value" + cast.replace(":", "\\:")).run(conn, value=value)
        assert found.scalar_one() == value


async def test_a_parameter_may_come_twice_and_percent_and_colon_are_text(toy: Toy) -> None:
    statement = Statement(
        "SELECT lead_id FROM effects WHERE (lead_id = :one OR event_id = :one) "
        "AND lead_id LIKE '%ü%' AND event_id <> 'a\\:b' AND number < :two"
    )
    with toy.db.begin() as conn:
        conn.execute(
            effects.insert(),
            [
                {"effect_id": "1", "lead_id": "für", "event_id": "e", "number": 1},
                {"effect_id": "2", "lead_id": "e", "event_id": "für", "number": 1},
                {"effect_id": "3", "lead_id": "für", "event_id": "a:b", "number": 1},
            ],
        )
        assert statement.run(conn, two=5, one="für").scalars() == ["für"]


async def test_times_are_stored_as_columns_store_them(toy: Toy) -> None:
    find = Statement("SELECT number FROM effects WHERE happened_at <= :before ORDER BY number")
    east = timezone(timedelta(hours=5, minutes=45))
    times = [NOW, NOW + timedelta(microseconds=1), NOW.astimezone(east) - timedelta(hours=1)]
    with toy.db.begin() as conn:
        for number, at in enumerate(times):
            row = {"effect_id": "x", "lead_id": "l", "event_id": "e", "number": number}
            conn.execute(effects.insert(), [{**row, "happened_at": at}])
        assert find.run(conn, before=NOW).scalars() == [0, 2]
        assert find.run(conn, before=NOW.astimezone(east)).scalars() == [0, 2]


async def test_an_expression_is_compiled_with_its_constants(toy: Toy) -> None:
    with toy.db.begin() as conn:
        conn.execute(
            effects.insert(),
            [{"effect_id": "x", "lead_id": str(n), "event_id": "e", "number": n} for n in range(9)],
        )
        built = 0

        def build(_: str) -> Any:
            nonlocal built
            built += 1
            return select(effects.c.number).where(effects.c.number > 6).order_by(effects.c.number)

        statement = Statement(build)
        assert statement.run(conn).scalars() == [7, 8]
        assert statement.run(conn).scalars() == [7, 8]
        assert built == 1


async def test_the_list_of_keys_may_hold_anything(toy: Toy) -> None:
    keys = ["", "ü", "a'b", 'a"b', "a\\b", "a,b", "{}", "null", "%s", ":x", "\u2028"]
    with toy.db.begin() as conn:
        conn.execute(
            effects.insert(),
            [{"effect_id": "x", "lead_id": key, "event_id": "e", "number": 1} for key in keys],
        )
        find = Statement(
            lambda dialect: f"SELECT lead_id FROM effects WHERE {one_of('lead_id', 'k', dialect)}"
        )
        assert sorted(find.run(conn, k=keys).scalars()) == sorted(keys)
        assert find.run(conn, k=["nobody"]).all() == []
        assert find.run(conn, k=[]).all() == []


async def test_the_drivers_errors_come_as_sqlalchemys(toy: Toy) -> None:
    secret = "jane.roe@example.com"
    with pytest.raises(exc.DBAPIError) as raised, toy.db.begin() as conn:
        Statement("SELECT :email FROM nowhere").run(conn, email=secret)
    assert secret not in str(raised.value)


def test_json_is_what_both_databases_read() -> None:
    assert as_json({"at": datetime(2026, 1, 1, tzinfo=UTC)}) == '{"at":"2026-01-01T00:00:00+00:00"}'
    assert as_json([b"\x00\xff", frozenset({"b", "a"})]) == '["\\\\x00ff",["a","b"]]'
    with pytest.raises(TypeError):
        as_json([object()])


@pytest.mark.parametrize("package", ["services", "shared"])
def test_no_statement_is_made_where_it_is_run(package: str) -> None:
    """A ``Statement`` is made once, at import; one made for each call is compiled each time."""
    made = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                made += [
                    f"{path.relative_to(ROOT)}:{call.lineno}"
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id == "Statement"
                ]
    # ``Aggregate.statement`` keeps what it makes.
    assert [one for one in made if not re.match(r"shared/db/aggregates\.py", one)] == []
