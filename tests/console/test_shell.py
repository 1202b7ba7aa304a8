"""What stands around every page: the way to the others, colours, times in the zone of the one who looks."""

import re
from datetime import timedelta

import httpx
import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect
from sqlalchemy import update

from monitor import clock
from monitor.console.shell import SECTIONS, Section
from monitor.db import Database
from monitor.identity.tables import Tenant
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene
from tests.console.test_pages import follow

PAGES = ["/", "/alerts/{alert}", "/docs", "/sign-in"]


async def open_menu(page: Page) -> None:
    """The menu at the right end of the head."""
    await page.locator(".menu summary").click()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.label)
async def test_every_section_is_there_and_says_whose_it_is(
    client: httpx.AsyncClient, scene: Scene, section: Section
) -> None:
    await follow(client, scene.link)
    answer = await client.get(section.path, follow_redirects=True)
    assert answer.status_code == 200
    for one in SECTIONS:
        assert f'<a href="{one.path}"' in answer.text
    assert re.findall(r'href="([^"]*)" aria-current="page">', answer.text)[0] == section.path
    assert "Sign out</button>" in answer.text


def test_a_section_holds_the_pages_beside_it() -> None:
    fleet = Section("Fleet", "/", beside=("/agents",))
    assert [fleet.holds(path) for path in ("/", "/agents/x", "/agentsx", "/alerts")] == [True, True, False, False]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROWEST], ids=["wide", "phone"])
async def test_everybody_can_use_the_pages(
    browser: Browser, address: str, scene: Scene, db: Database, scheme: str, size: ViewportSize
) -> None:
    async with db.owner() as owner:
        await owner.execute(update(Tenant).where(Tenant.id == scene.tenant.id).values(name=f"{HOSTILE} {'x' * 900}"))
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await sign_in(page, scene.link)
        for path in PAGES:
            await page.goto(path.format(alert=scene.alert_id))
            await open_menu(page)
            assert await overflow(page) <= 0, path
            await assert_accessible(page)


async def test_colours_follow_the_system_until_they_are_chosen(browser: Browser, address: str) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    async with open_page(browser, address, scheme="dark") as page:
        await page.goto("/docs")
        dark = await page.evaluate(ground)
        await open_menu(page)
        await page.get_by_label("Colours").select_option("light")
        light = await page.evaluate(ground)
        assert light != dark
        await page.reload()
        assert await page.evaluate(ground) == light
        await open_menu(page)
        await page.get_by_label("Colours").select_option("as the system")
        assert await page.evaluate(ground) == dark


async def test_times_are_those_of_whoever_looks(browser: Browser, address: str, scene: Scene) -> None:
    async with open_page(browser, address, zone="Asia/Tokyo") as page:
        await sign_in(page, scene.link)
        since = page.locator(".alerts .since time").first
        seen = page.locator(".agents .seen time").first
        await expect(since).to_have_text(re.compile(r"^for \d"))
        there = clock.now() + timedelta(hours=9)
        await expect(since).to_have_attribute("title", re.compile(rf"^{there:%Y-%m-%d} \d\d:\d\d:\d\d GMT\+9$"))
        await expect(seen).to_have_text(re.compile(r"^(just now|\d+ s ago)$"))
        await open_menu(page)
        await page.get_by_label("Times").select_option("date and time")
        await expect(seen).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\+9$"))
        # Still so on another page, and after the script of the first page has fetched it anew.
        await page.wait_for_event("response", lambda answer: answer.url.endswith("/console/board"))
        await expect(seen).to_have_text(re.compile(r"GMT\+9$"))
        await page.goto(f"/alerts/{scene.alert_id}")
        await expect(page.locator(".facts time").first).to_have_text(re.compile(r"GMT\+9$"))
        await expect(page.locator(".timeline time").first).to_have_text(re.compile(rf"^{there:%H}:\d\d:\d\d$"))


async def test_the_keyboard_reaches_the_content_and_leaves_the_menu(page: Page) -> None:
    await page.goto("/docs")
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.locator(".menu summary").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Colours")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Colours")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Colours")).to_be_hidden()
    await expect(page.locator(".menu summary")).to_be_focused()


async def test_signing_out_is_two_clicks_away(browser: Browser, address: str, scene: Scene) -> None:
    async with open_page(browser, address, quiet=False) as page:
        await sign_in(page, scene.link)
        await open_menu(page)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.locator("h1")).to_have_text("Sign in")
        assert await page.locator(".sections").count() == 0
