"""Rows given to the driver as they are: its errors are SQLAlchemy's, and quote no values."""

import pytest
from sqlalchemy import exc

from shared.db.bulk import BulkInsert
from tests.shared.toy.service import Toy, effects

EFFECTS = BulkInsert(effects, ("lead_id", "event_id", "number"))
JANE = "jane.roe@example.com"


@pytest.mark.parametrize(
    "row",
    [(None, "e", 1), (JANE, "e", object())],
    ids=["null", "no type of the driver's"],
)
async def test_the_drivers_errors_come_as_sqlalchemys(toy: Toy, row: tuple[object, ...]) -> None:
    with pytest.raises(exc.DBAPIError) as raised:
        async with toy.db.write() as conn:
            await EFFECTS.run(conn, [row])
    assert JANE not in str(raised.value)
    assert await toy.rows(effects) == []
