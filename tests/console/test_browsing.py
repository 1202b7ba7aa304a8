"""The tools of the browser tests find what they are for: each fails of a page that is bad in its way."""

import pytest
from playwright.async_api import Browser, Page

from tests.console.browsing import PHONE, assert_accessible, open_page, overflow

WRONG = (
    "console.error('x')",
    "setTimeout(() => { throw new Error('x') })",
    "document.head.append(Object.assign(document.createElement('script'), {text: '1'}))",
)


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_goes_wrong_in_a_page_fails_its_test(browser: Browser, address: str, wrong: str) -> None:
    async def visit() -> None:
        async with open_page(browser, address) as page:
            await page.goto("/docs")
            await page.evaluate(f"() => {{ {wrong} }}")
            await page.evaluate("new Promise((done) => setTimeout(done, 50))")

    with pytest.raises(AssertionError):
        await visit()


async def test_a_field_without_a_name_is_a_violation(page: Page) -> None:
    await page.goto("/docs")
    await page.evaluate("document.querySelector('main').append(document.createElement('input'))")
    with pytest.raises(AssertionError, match="label: <input"):
        await assert_accessible(page)


async def test_what_is_too_wide_is_measured(browser: Browser, address: str) -> None:
    async with open_page(browser, address, size=PHONE) as page:
        await page.goto("/docs")
        await page.evaluate("document.querySelector('main').style.width = '1000px'")
        assert await overflow(page) > 500
