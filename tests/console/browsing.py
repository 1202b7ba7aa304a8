"""A real Chromium, driven by Playwright on the test's own event loop, and what every page must bear."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, WebError, async_playwright

from tests.parts import program

WIDE = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)
NARROWEST = ViewportSize(width=360, height=740)
_FLAGS = ("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage")
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_SECONDS = 15


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Debian's Chromium without a window. The test is left out where there is none."""
    path = program("chromium")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS), chromium_sandbox=False)
        try:
            yield made
        finally:
            await made.close()


@asynccontextmanager
async def open_page(
    browser: Browser,
    address: str,
    *,
    size: ViewportSize = WIDE,
    scheme: Literal["light", "dark"] = "light",
    zone: str = "UTC",
    quiet: bool = True,
) -> AsyncIterator[Page]:
    """A page of a browser of its own, where `/…` is of the address. What stays signed in ends with it.

    Fails in the end if the browser found anything wrong on the way (errors, warnings, what the policy of the page
    forbids), unless `quiet` is false: a page that answers with an error is such a complaint.
    """
    phone = size["width"] < 600
    context = await browser.new_context(
        base_url=address, viewport=size, color_scheme=scheme, timezone_id=zone, is_mobile=phone, has_touch=phone
    )
    context.set_default_timeout(_SECONDS * 1000)
    complaints: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            complaints.append(said.text)

    def catch(fault: WebError) -> None:
        complaints.append(str(fault.error))

    context.on("console", hear)
    context.on("weberror", catch)
    try:
        yield await context.new_page()
        if quiet:
            assert complaints == []
    finally:
        await context.close()


async def sign_in(page: Page, link: str) -> None:
    """Follow a sign-in link and press its page's one button: the first page is there."""
    await page.goto(link)
    await page.locator("form.ask button").click()
    await page.wait_for_url("**/")


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    found: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


async def assert_accessible(page: Page) -> None:
    """No violation of WCAG 2.2 AA, nor of what axe-core holds for good practice, on the page as it is now."""
    result = await Axe().run(
        page, options={"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": _RULES}}
    )
    found = [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in result.response["violations"]
        for node in one["nodes"]
    ]
    assert found == [], f"{page.url}:\n" + "\n".join(found)
