"""The first page in a real browser: signed in by a link, drawn, refreshed by itself, and safe from what agents send."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By

from tests.console.conftest import HOSTILE, Scene

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
DRAWN = "#latency .main-svg"


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Fail unless it comes true in time. What is not there, or is of a page just left, is not yet."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(NoSuchElementException, StaleElementReferenceException):
            if holds():
                return
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.1)


def click(browser: webdriver.Chrome, by: str, value: str) -> None:
    """Click what is there, or as soon as it is: the page renews itself."""

    def clicked() -> bool:
        browser.find_element(by, value).click()
        return True

    wait_until(clicked, value)


def text_of(browser: webdriver.Chrome, selector: str) -> str:
    """What a person reads there."""
    return str(browser.find_element(By.CSS_SELECTOR, selector).text)


def follow(browser: webdriver.Chrome, address: str, scene: Scene) -> None:
    """Sign in by the link: its page has one button."""
    browser.get(address + scene.link)
    browser.find_element(By.CSS_SELECTOR, "form.ask button").click()


def show(browser: webdriver.Chrome, address: str, scene: Scene) -> None:
    """Sign in and wait for the charts."""
    follow(browser, address, scene)
    wait_until(lambda: bool(browser.find_elements(By.CSS_SELECTOR, DRAWN)), "a chart")


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What the browser found wrong."""
    log: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in log if entry["level"] != "INFO"]


async def test_a_link_shows_the_fleet_and_its_charts(browser: webdriver.Chrome, address: str, scene: Scene) -> None:
    await asyncio.to_thread(show, browser, address, scene)
    assert await asyncio.to_thread(text_of, browser, "h1") == "1 alert open"
    assert HOSTILE in await asyncio.to_thread(text_of, browser, ".agents .name")
    assert HOSTILE in await asyncio.to_thread(text_of, browser, ".alerts .what")
    assert await asyncio.to_thread(browser.execute_script, "return window.hacked === undefined")
    assert await asyncio.to_thread(complaints, browser) == []


async def test_the_page_follows_what_happens(
    browser: webdriver.Chrome, address: str, scene: Scene, client: httpx.AsyncClient
) -> None:
    await asyncio.to_thread(show, browser, address, scene)
    await asyncio.to_thread(browser.execute_script, "window.marked = document.querySelector('.agents tbody tr')")
    answer = await client.post(
        "/api/v1/logs", json={"agent": "yuki-002", "status": "success"}, headers=scene.tenant.headers
    )
    assert answer.status_code == 202
    await asyncio.to_thread(wait_until, lambda: "yuki-002" in text_of(browser, ".agents"), "the new agent")
    answer = await client.post(f"/api/v1/alerts/{scene.alert_id}/resolve", headers=scene.tenant.headers)
    assert answer.status_code == 200
    await asyncio.to_thread(wait_until, lambda: text_of(browser, "h1") == "All quiet", "the alert's end")
    # What did not change was left alone: focus and selections survive.
    assert await asyncio.to_thread(browser.execute_script, "return window.marked.isConnected")
    assert await asyncio.to_thread(complaints, browser) == []


async def test_an_alert_is_acknowledged_with_two_clicks(browser: webdriver.Chrome, address: str, scene: Scene) -> None:
    def acknowledge() -> None:
        click(browser, By.CSS_SELECTOR, ".alerts .what")
        wait_until(lambda: "/alerts/" in browser.current_url, "the alert's page")
        click(browser, By.XPATH, "//button[text()='Acknowledge']")
        wait_until(lambda: "acknowledged" in text_of(browser, ".facts"), "the acknowledgement")

    await asyncio.to_thread(show, browser, address, scene)
    await asyncio.to_thread(acknowledge)
    assert browser.find_elements(By.XPATH, "//button[text()='Acknowledge']") == []


@pytest.mark.parametrize("page", ["/", "/alerts/{alert}", "/docs"])
async def test_nothing_is_wider_than_a_phone(browser: webdriver.Chrome, address: str, scene: Scene, page: str) -> None:
    def overflow() -> int:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        follow(browser, address, scene)
        browser.get(address + page.format(alert=scene.alert_id))
        width: int = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        return width

    assert await asyncio.to_thread(overflow) <= 0


async def test_every_table_and_region_has_a_name(browser: webdriver.Chrome, address: str, scene: Scene) -> None:
    def nameless() -> list[str]:
        found: list[str] = browser.execute_script("""
            const heading = (one) => document.getElementById(one.getAttribute("aria-labelledby"))?.textContent.trim();
            const named = (one) => one.getAttribute("aria-label") || heading(one) || one.textContent.trim();
            const all = [...document.querySelectorAll("section, nav, button, a, svg[role=img]")];
            const bad = all.filter((one) => !named(one));
            const heads = [...document.querySelectorAll("th:not([scope])")];
            const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
            return [...bad, ...heads].map((one) => one.outerHTML).concat(ids.filter((id, i) => ids.indexOf(id) !== i));
        """)
        return found

    await asyncio.to_thread(show, browser, address, scene)
    assert await asyncio.to_thread(nameless) == []
    assert await asyncio.to_thread(browser.execute_script, "return document.querySelectorAll('h1, main').length") == 2
