"""The first page in a real browser: signed in by a link, drawn, refreshed by itself, and safe from what agents send."""

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.console.browsing import NARROWEST, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene

DRAWN = "#latency .main-svg"


async def show(page: Page, scene: Scene) -> None:
    """Sign in and wait for the charts."""
    await sign_in(page, scene.link)
    await page.locator(DRAWN).first.wait_for()


async def test_a_link_shows_the_fleet_and_its_charts(page: Page, scene: Scene) -> None:
    await show(page, scene)
    await expect(page.locator("h1")).to_have_text("1 alert open")
    await expect(page.locator(".agents .name")).to_contain_text(HOSTILE)
    await expect(page.locator(".alerts .what")).to_contain_text(HOSTILE)
    assert await page.evaluate("window.hacked === undefined")


async def test_the_page_follows_what_happens(page: Page, scene: Scene, client: httpx.AsyncClient) -> None:
    await show(page, scene)
    await page.evaluate("window.marked = document.querySelector('.agents tbody tr')")
    answer = await client.post(
        "/api/v1/logs", json={"agent": "yuki-002", "status": "success"}, headers=scene.tenant.headers
    )
    assert answer.status_code == 202
    await expect(page.locator(".agents")).to_contain_text("yuki-002")
    answer = await client.post(f"/api/v1/alerts/{scene.alert_id}/resolve", headers=scene.tenant.headers)
    assert answer.status_code == 200
    await expect(page.locator("h1")).to_have_text("All quiet")
    # What did not change was left alone: focus and selections survive.
    assert await page.evaluate("window.marked.isConnected")


async def test_an_alert_is_acknowledged_with_two_clicks(page: Page, scene: Scene) -> None:
    await show(page, scene)
    await page.locator(".alerts .what").click()
    await page.wait_for_url("**/alerts/*")
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.locator(".facts").first).to_contain_text("acknowledged")
    await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/alerts/{alert}", "/docs"])
async def test_nothing_is_wider_than_a_phone(browser: Browser, address: str, scene: Scene, path: str) -> None:
    async with open_page(browser, address, size=NARROWEST) as page:
        await sign_in(page, scene.link)
        await page.goto(path.format(alert=scene.alert_id))
        assert await overflow(page) <= 0


async def test_every_table_and_region_has_a_name(page: Page, scene: Scene) -> None:
    await show(page, scene)
    nameless: list[str] = await page.evaluate("""() => {
        const heading = (one) => document.getElementById(one.getAttribute("aria-labelledby"))?.textContent.trim();
        const named = (one) => one.getAttribute("aria-label") || heading(one) || one.textContent.trim();
        const all = [...document.querySelectorAll("section, nav, button, a, svg[role=img]")];
        const bad = all.filter((one) => !named(one));
        const heads = [...document.querySelectorAll("th:not([scope])")];
        const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
        return [...bad, ...heads].map((one) => one.outerHTML).concat(ids.filter((id, i) => ids.indexOf(id) !== i));
    }""")
    assert nameless == []
    assert await page.locator("h1, main").count() == 2
