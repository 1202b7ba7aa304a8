"""Runs: found by filters that stand in the address, and one of them read as a waterfall."""

import httpx
import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from monitor.console.trace import A_PAGE
from monitor.db import Database
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene
from tests.console.running import RUNNING, make_quick, make_run
from tests.console.test_pages import ESCAPED, follow
from tests.factories import make_tenant


async def test_runs_are_found_by_what_is_asked(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    await make_run(db, scene)
    await make_quick(db, scene, "quick one")
    await make_quick(db, scene, "still going", **RUNNING)
    await follow(client, scene.link)

    async def found(**asked: str) -> set[str]:
        page = await client.get("/traces", params=asked)
        assert page.status_code == 200
        assert HOSTILE not in page.text
        return {said for said in ("Review", "quick one", "still going") if f"<bdi>{said}" in page.text}

    assert await found() == {"Review", "quick one", "still going"}
    assert await found(agent=HOSTILE) == {"Review", "quick one", "still going"}
    assert await found(agent="nobody") == set()
    assert await found(status="running") == {"still going"}
    assert await found(errors="on") == {"Review"}
    assert await found(longer="1 s", status="completed") == {"Review", "quick one"}
    assert await found(q="QUICK") == {"quick one"}
    assert await found(model="gpt-5") == {"Review"}
    assert await found(within="1 hour", q="nothing") == set()
    assert (await client.get("/traces", params={"status": "odd"})).status_code == 422
    assert (await client.get("/traces", params={"cursor": "odd"})).status_code == 400
    assert "There is no such agent." in (await client.get("/traces?agent=nobody")).text


async def test_runs_come_in_pages_that_keep_the_filters(
    client: httpx.AsyncClient, scene: Scene, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.console.trace_pages._LISTED", 2)
    for number in range(3):
        await make_quick(db, scene, f"run {number}", seconds=number)
    await follow(client, scene.link)
    first = (await client.get("/traces?status=completed")).text
    assert "run 2" in first
    assert "run 0" not in first
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "status=completed" in following
    second = (await client.get(following)).text
    assert "run 0" in second
    assert 'rel="next"' not in second
    assert ">Newest</a>" in second


async def test_a_run_is_shown_with_all_that_it_holds(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    one = await make_run(db, scene)
    await follow(client, scene.link)
    answer = await client.get(f"/traces/{one.upper()}")
    page = answer.text
    assert answer.status_code == 200
    assert ESCAPED in page
    assert HOSTILE not in page
    # Six steps, and the task and the tool that were told beside them.
    assert '<span class="count">8</span>' in page
    assert page.count("</tr>") == 9
    for said in ("no such file", "to <bdi>yuki-002</bdi>", "$0.5", "loop a", "loop b", "sub"):
        assert said in page, said
    chosen = (await client.get(f"/traces/{one}?step={1:016x}")).text
    assert '<bdi>input tokens</bdi></dt><dd><bdi class="said">90</bdi>' in chosen
    assert "{&#34;note&#34;: &#34;kept&#34;}" in chosen
    assert (await client.get(f"/traces/{'0' * 32}")).status_code == 404
    other = await make_tenant(db)
    assert (await client.get(f"/traces/{one}", headers=other.headers)).status_code == 404


async def test_a_long_run_comes_in_parts(
    client: httpx.AsyncClient, scene: Scene, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert A_PAGE >= 100
    one = await make_run(db, scene)
    monkeypatch.setattr("monitor.console.trace_pages.A_PAGE", 3)
    await follow(client, scene.link)
    first = (await client.get(f"/traces/{one}")).text
    assert "1 to 3 of 8" in first
    assert "start=3#steps" in first
    last = (await client.get(f"/traces/{one}?start=6")).text
    assert "7 to 8 of 8" in last
    assert "start=3#steps" in last
    assert (await client.get(f"/traces/{one}?start=-9")).status_code == 200
    assert (await client.get(f"/traces/{one}?start=999")).status_code == 200


async def test_a_run_is_read_by_the_keyboard(page: Page, scene: Scene, db: Database) -> None:
    one = await make_run(db, scene)
    await sign_in(page, scene.link)
    await page.goto("/traces")
    await page.locator("tbody a").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/traces/{one}")
    links = page.locator(".fall a")
    await page.locator(".fall").focus()
    await page.keyboard.press("ArrowDown")
    await expect(links.first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(links.nth(1)).to_be_focused()
    await page.keyboard.press("End")
    await expect(links.last).to_be_focused()
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowUp")
    await expect(links.first).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#step-head")).to_contain_text(HOSTILE)
    assert await page.evaluate("window.hacked === undefined")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROWEST], ids=["wide", "phone"])
async def test_everybody_can_use_them(
    browser: Browser, address: str, scene: Scene, db: Database, scheme: str, size: ViewportSize
) -> None:
    one = await make_run(db, scene)
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await sign_in(page, scene.link)
        for path in ("/traces", "/traces?q=nothing", f"/traces/{one}", f"/traces/{one}?step={2:016x}"):
            await page.goto(path)
            assert await overflow(page) <= 0, path
            await assert_accessible(page)
