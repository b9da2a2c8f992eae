"""Reps as a table: there and back, all or nothing, and warnings where they have too much."""

import csv
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from playwright.async_api import Browser, expect

from services.routing.rep_table import COLUMNS
from services.routing.spreadsheet import read_sheet, write_sheet
from shared.access import Role
from tests.services.routing.desk import Desk, mql
from tests.services.routing.test_inbox import base, browser, page_of

__all__ = ["base", "browser"]

FULL = """rep_id;name;email;status;weight;capacity;time_zone;holidays;hours;leave;open_limit;\
window_limit;window_hours;skills;languages;territories
;Ana Almeida;ana@acme.example;available;2;5;Europe/Lisbon;PT;"mon-thu 9-12 13-17:30\nfri 9-12";\
"2026-12-24 2027-01-02 Christmas";40;10;24;crm, erp;pt, en;PT, ES

ben;Ben;;paused;1;9;UTC;;;;;;;;;
"""


@given(st.lists(st.text(st.characters(exclude_categories=["C"])).map(str.strip), min_size=2))
@example(["=1+1", "'=1+1", "''", "'t Hooft", "a\n b", '"'])
def test_a_table_says_what_it_said(cells: list[str]) -> None:
    names = [f"c{number}" for number in range(len(cells))]
    found = read_sheet(write_sheet(names, [cells]).encode(), names, names)
    blank = not any(cells)
    assert list(found.rows) == ([] if blank else [(2, dict(zip(names, cells, strict=True)))])
    assert found.unknown == []


async def put(client: httpx.AsyncClient, table: str) -> httpx.Response:
    return await client.put("/routing/v1/reps.csv", content=table.encode())


async def reps(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    items = (await client.get("/routing/v1/reps")).json()["items"]
    return {one["rep_id"]: one for one in items}


async def test_a_table_goes_in_comes_out_and_goes_in_again(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    done = await put(admin, FULL)
    assert done.json() == {"reps": 2, "warnings": []}
    ana = (await reps(admin))["rep-ana-almeida"]
    assert (ana["weight"], ana["capacity"], ana["time_zone"]) == (2, 5, "Europe/Lisbon")
    assert (ana["open_limit"], ana["window_limit"], ana["window_hours"]) == (40, 10, 24)
    assert ana["hours"]["thu"] == [["09:00", "12:00"], ["13:00", "17:30"]]
    assert ana["leave"] == [{"first": "2026-12-24", "last": "2027-01-02", "note": "Christmas"}]
    assert (ana["skills"], ana["languages"]) == (["crm", "erp"], ["pt", "en"])
    before = await reps(admin)
    assert before["ben"]["status"] == "paused"
    table = await admin.get("/routing/v1/reps.csv")
    assert tuple(next(csv.reader(io.StringIO(table.text)))) == COLUMNS
    assert (await put(admin, table.text)).json() == {"reps": 2, "warnings": []}
    assert await reps(admin) == before
    assert (await admin.get("/routing/v1/reps.csv")).text == table.text
    for role, rep_id in ((Role.REP, "ben"), (Role.SERVICE, None)):
        other = await desk.client(role, rep_id)
        assert (await other.get("/routing/v1/reps.csv")).status_code == 403
        assert (await put(other, FULL)).status_code == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_columns_that_are_missing_and_cells_that_are_blank(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await put(admin, FULL)
    before = (await reps(admin))["rep-ana-almeida"]
    table = "rep_id,weight,skills,holidays,capcity\nrep-ana-almeida,,,,7\n"
    done = (await put(admin, table)).json()
    assert done["warnings"] == ["The column capcity means nothing here: it was left out."]
    after = (await reps(admin))["rep-ana-almeida"]
    assert after == {**before, "skills": [], "holidays": None}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_row_that_can_not_be_is_named_and_nothing_is_done(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await put(admin, FULL)
    before = await reps(admin)
    unreadable = (
        ("name,weight\nX,-1\nY,many\nZ,2\n", {"/2/weight": "greater", "/3/weight": "integer"}),
        ("name,hours\nX,someday\n", {"/2/hours": "mon-fri 9-12"}),
        ("name,leave\nX,tomorrow\n", {"/2/leave": "first day, last day"}),
        ("name,status\nX,asleep\n", {"/2/status": "available"}),
        ("name,email\nX,nowhere\n", {"/2/email": "match"}),
    )
    impossible = (
        (
            'name,hours\nOk,\nX,"mon 9-13 12-17"\nY,mon 17-9\n',
            {"/3/hours/mon/1": "overlaps", "/4/hours/mon/0": "ends before it begins"},
        ),
        ("name,time_zone\nX,Europe/Lisbona\n", {"/2/time_zone": "Europe/Lisbon"}),
        ("name,holidays\nX,XX\n", {"/2/holidays": "no country"}),
        ("name,leave\nX,2026-05-02 2026-05-01\n", {"/2/leave/0/last": "before the first"}),
        ("name,window_limit\nX,3\n", {"/2/window_hours": "needs both"}),
        ("name,team_id\nX,ghosts\n", {"/2/team_id": "no such team"}),
        ("rep_id,weight\nnew,3\n", {"/2/name": "needs a name"}),
        ("rep_id,weight\nben,3\nben,4\n", {"/3/rep_id": "twice"}),
        ("name,email\nAna,ANA@acme.example\n", {"/2/rep_id": "rep-ana-almeida has this"}),
        ("name,email\nX,x@a.example\nY,x@a.example\n", {"/3/rep_id": "row 2 has this"}),
    )
    for table, expected in unreadable + impossible:
        answer = await put(admin, table + "")
        assert answer.status_code == 422, table
        errors = {one["pointer"]: one["detail"] for one in answer.json()["errors"]}
        assert errors.keys() == expected.keys(), table
        for pointer, words in expected.items():
            assert words in errors[pointer]
        assert "Nothing was changed. Row " in answer.json()["detail"]
    for raw in (b'name\n"open\n', "name\nCaf\u00e9\n".encode("latin-1")):
        assert (await admin.put("/routing/v1/reps.csv", content=raw)).status_code == 400
    assert await reps(admin) == before


async def test_less_room_than_they_have_is_taken_with_a_warning(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    await desk.happen(mql(), mql())
    admin = await desk.client(Role.ADMIN)
    fine = await admin.patch("/routing/v1/reps/ana", json={"capacity": 2, "open_limit": 2})
    assert fine.json()["warnings"] == []
    less = await admin.patch("/routing/v1/reps/ana", json={"capacity": 1})
    [told] = less.json()["warnings"]
    assert "2 leads wait for an answer of ana, more than the capacity of 1" in told
    table = "rep_id,open_limit\nana,1\n"
    warnings = (await put(admin, table)).json()["warnings"]
    assert len(warnings) == 2
    assert "ana has 2 open leads, more than the limit of 1" in warnings[1]
    assert (await reps(admin))["ana"]["open_limit"] == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("width", [390, 1280])
async def test_a_table_on_the_page(
    desk: Desk, browser: Browser, base: str, tmp_path: Path, width: int
) -> None:
    await desk.add_reps(("ana", 1, 9))
    await desk.happen(mql(), mql())
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/")
        await page.get_by_text("Many at once, by a table").click()
        form = page.get_by_role("form", name="Upload reps")
        async with page.expect_download() as started:
            await page.request.get(f"{base}/routing/v1/reps.csv")
            await form.get_by_role("link", name="Download the table").click()
        path = tmp_path / "reps.csv"
        await (await started.value).save_as(path)
        table = path.read_text()
        path.write_text(table.replace(",9,", ",-9,"))
        await form.get_by_label("Table").set_input_files(path)
        await form.get_by_role("button", name="Upload").click()
        problem = page.get_by_role("form", name="Upload reps").get_by_role("alert")
        await expect(problem).to_contain_text("Row 2, capacity: Input should be greater than")
        path.write_text(table.replace(",9,", ",1,").replace("skills", "skill"))
        form = page.get_by_role("form", name="Upload reps")
        await form.get_by_label("Table").set_input_files(path)
        await form.get_by_role("button", name="Upload").click()
        told = page.get_by_role("status").filter(has_text="Saved, and worth knowing")
        await expect(told).to_contain_text("2 leads wait for an answer of ana")
        await expect(told).to_contain_text("The column skill means nothing here")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
