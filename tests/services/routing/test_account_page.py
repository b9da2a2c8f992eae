"""Accounts on a page: found, added, changed, removed, by form and by table; without a script."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from services.routing.web.account_pages import ON_A_PAGE
from shared.access import Role
from tests.services.routing.desk import Desk, mql
from tests.services.routing.test_inbox import base, browser, page_of

__all__ = ["base", "browser"]


async def accounts(desk: Desk, search: str = "") -> dict[str, dict[str, object]]:
    admin = await desk.client(Role.ADMIN)
    found = await admin.get("/routing/v1/accounts", params={"search": search, "limit": 500})
    return {one["account_id"]: one for one in found.json()["items"]}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("width", [390, 1280])
async def test_an_admin_looks_after_accounts(
    desk: Desk, browser: Browser, base: str, width: int
) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    admin = await desk.client(Role.ADMIN)
    table = "name,domains\n" + "".join(f"Firm {n:03},f{n}.example\n" for n in range(ON_A_PAGE + 5))
    await admin.put("/routing/v1/accounts.csv", content=table.encode())
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/")
        await page.get_by_role("link", name="Accounts").click()
        await expect(page.locator("article.account")).to_have_count(ON_A_PAGE)
        await page.get_by_role("link", name="Show more").click()
        await expect(page.locator("article.account")).to_have_count(5)
        await expect(page.get_by_role("link", name="Show more")).to_have_count(0)

        await page.get_by_text("Add one", exact=True).click()
        form = page.get_by_role("form", name="Add an account")
        await form.get_by_label("Company").fill("Acme & Söhne <b>")
        await form.get_by_label("Domains").fill("acme.example\nf3.example")
        await form.get_by_label("Looked after by").select_option("ana")
        await form.get_by_label("Stand-in").select_option("ana")
        await form.get_by_role("button", name="Add this account").click()
        form = page.get_by_role("form", name="Add an account")
        problem = form.get_by_role("alert")
        await expect(problem).to_contain_text("f3.example belongs to the account firm-003")
        await expect(problem).to_contain_text("Stand-in: somebody else has to stand in")
        await expect(form.get_by_label("Domains")).to_have_value("acme.example\nf3.example")
        await form.get_by_label("Domains").fill("acme.example www.acme.test")
        await form.get_by_label("Stand-in").select_option("ben")
        await form.get_by_role("button", name="Add this account").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        card = page.get_by_role("article", name="Acme & Söhne <b>")
        await expect(card).to_contain_text("acme.example, acme.test")
        await expect(card).to_contain_text("ana, else ben")

        search = page.get_by_role("search")
        await search.get_by_label("Company or domain").fill("ACME.TEST")
        await search.get_by_role("button", name="Find").click()
        await expect(page.locator("article.account")).to_have_count(1)
        await card.get_by_text("Change", exact=True).click()
        form = page.get_by_role("form", name="Change Acme")
        await form.get_by_label("Looked after by").select_option("ben")
        await form.get_by_label("Stand-in").select_option("")
        await form.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        await expect(search.get_by_label("Company or domain")).to_have_value("ACME.TEST")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert (await accounts(desk))["acme-sohne-b"]["owner_id"] == "ben"
        await card.get_by_text("Change", exact=True).click()
        await page.get_by_role("form", name="Change Acme").get_by_role("button", name="Rem").click()
        await expect(page.get_by_text("Nothing found")).to_be_visible()
        assert "acme-sohne-b" not in await accounts(desk)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_accounts_go_out_and_in_as_a_table(
    desk: Desk, browser: Browser, base: str, tmp_path: Path
) -> None:
    await desk.add_reps(("ana", 1, 9))
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.set_viewport_size({"width": 390, "height": 900})
        await page.goto(f"{base}/routing/accounts")
        await expect(page.get_by_text("No accounts yet")).to_be_visible()
        file = tmp_path / "accounts.csv"
        for table, words in (
            ("name,domains\n,x.example\nAcme,\n,\n", "Row 2, name: a name has 1 to 200"),
            ("name,domains\nAcme,a.example\nBolt,no_domain\n", "Row 3, domains/0: no domain"),
            ("name,owner_id\nAcme,ghost\n", "Row 2, owner_id: no such rep"),
        ):
            file.write_text(table)
            form = page.get_by_role("form", name="Upload accounts")
            if not await form.get_by_label("Table").is_visible():
                await page.get_by_text("Many at once, by a table").click()
            await form.get_by_label("Table").set_input_files(file)
            await form.get_by_role("button", name="Upload").click()
            alert = page.get_by_role("form", name="Upload accounts").get_by_role("alert")
            await expect(alert).to_contain_text(words)
        assert await accounts(desk) == {}
        file.write_text("name,domains,owner_id\nAcme,a.example,ana\n=1+1,,\n")
        await page.get_by_label("Table").set_input_files(file)
        await page.get_by_role("button", name="Upload").click()
        await expect(page.get_by_text("Saved: 2 of the table.")).to_be_visible()
        await page.get_by_text("Many at once, by a table").click()
        async with page.expect_download() as started:
            await page.get_by_role("link", name="Download the table").click()
        kept = Path(await (await started.value).path()).read_text()
        assert "acme,Acme,a.example,ana,\n" in kept
        assert "'=1+1" in kept
        context = await browser.new_context()
        stranger = await context.new_page()
        await stranger.goto(f"{base}/routing/accounts")
        await expect(stranger).to_have_url(f"{base}/login?next=/routing/accounts")
        await context.close()
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        answer = await page.goto(f"{base}/routing/accounts")
        assert answer is not None
        assert answer.status == 403
        await expect(page.get_by_role("link", name="Accounts")).to_have_count(0)


async def test_what_is_removed_counts_no_longer_even_where_it_was_known(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await desk.add_reps(("ana", 0, 9), ("ben", 1, 9))
    table = "name,domains,owner_id\nAcme,acme.example,ana\nBolt,bolt.example,ana\n"
    await admin.put("/routing/v1/accounts.csv", content=table.encode())
    await admin.patch("/routing/v1/accounts/bolt", json={"owner_id": "ana"})  # the newest by far
    owners = []
    for _ in range(2):
        lead = mql(company_domain="acme.example")
        await desk.happen(lead)
        owners.append((await desk.history(lead.lead_id))[0].rep_id)
        removed = await admin.delete("/routing/v1/accounts/acme")
    assert owners == ["ana", "ben"]
    assert removed.status_code == 404
    assert (await admin.delete("/routing/v1/accounts/bolt")).status_code == 204
    assert await accounts(desk) == {}
    again = await admin.post(
        "/routing/v1/accounts", json={"name": "Acme", "domains": ["acme.example"]}
    )
    assert again.status_code == 201


async def test_search_is_by_name_and_domain_and_means_what_is_typed(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    table = "name,domains\nAcme 100%,acme.example\nGlobex_1,globex.example\nAcme East,east.test\n"
    await admin.put("/routing/v1/accounts.csv", content=table.encode())
    for search, found in {
        "acme": {"acme-100", "acme-east"},
        "GLOBEX.ex": {"globex-1"},
        "%": {"acme-100"},
        "_": {"globex-1"},
        "example": {"acme-100", "globex-1"},
        "'": set(),
    }.items():
        assert (await accounts(desk, search)).keys() == found, search
    rep = await desk.client(Role.REP, "ana")
    assert (await rep.delete("/routing/v1/accounts/acme-east")).status_code == 403
