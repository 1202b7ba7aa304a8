"""The way to the first message: what is to be copied, a key that is shown once, and the page that turns green."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page, ViewportSize, expect

from monitor.console.watching import Watches
from monitor.db import Database
from monitor.errors import Unavailable
from monitor.settings import Settings
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene
from tests.console.test_pages import follow, token_in
from tests.console.test_roles import join
from tests.factories import make_tenant


async def test_a_key_is_shown_once_in_all_that_is_to_be_copied(
    client: httpx.AsyncClient, scene: Scene, settings: Settings
) -> None:
    await follow(client, scene.link)
    before = (await client.get("/start")).text
    assert before.count(settings.public_url) == 5
    assert "am_…" in before
    made = await client.post("/start", data={"csrf": token_in(before)})
    assert made.headers["cache-control"] == "no-store"
    key = made.text.partition('aria-labelledby="key-head">am_')[2].partition("<")[0]
    assert made.text.count(f"am_{key}") == 6
    assert "am_…" not in made.text
    assert f"am_{key}" not in (await client.get("/start")).text
    sent = {"agent": "akira-001", "status": "success", "message": "Hello"}
    headers = {"Authorization": f"Bearer am_{key}"}
    assert (await client.post("/api/v1/logs", json=sent, headers=headers)).status_code == 202
    client.cookies.clear()
    assert (await client.get("/api/v1/agents", headers=headers)).status_code == 403


async def test_who_may_make_no_key_is_offered_none(
    client: httpx.AsyncClient, scene: Scene, db: Database, settings: Settings
) -> None:
    await join(client, scene, db, settings, role="member")
    page = (await client.get("/start")).text
    assert "Make a key</button>" not in page
    assert (await client.post("/start", data={"csrf": token_in(page)})).status_code == 403


async def test_the_page_turns_green_when_a_message_arrives(page: Page, scene: Scene, client: httpx.AsyncClient) -> None:
    await sign_in(page, scene.link)
    await page.goto("/start")
    await page.get_by_role("button", name="Make a key").press("Enter")
    key = await page.locator("#key").text_content()
    arrival = page.locator("#arrival")
    await expect(arrival).to_have_text("Waiting for a message…")
    sent = {"agent": f"new {HOSTILE}", "status": "success"}
    answer = await client.post("/api/v1/logs", json=sent, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 202
    await expect(arrival).to_contain_text(f"A message has arrived, from new {HOSTILE}")
    await assert_accessible(page)
    await arrival.locator("a").click()
    await expect(page.locator("h1")).to_have_text(f"new {HOSTILE}")
    assert await page.evaluate("window.hacked === undefined")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROWEST], ids=["wide", "phone"])
async def test_everybody_can_use_it(
    browser: Browser, address: str, scene: Scene, scheme: str, size: ViewportSize
) -> None:
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await sign_in(page, scene.link)
        await page.goto("/start")
        await page.get_by_role("button", name="Make a key").click()
        await page.locator("#key").wait_for()
        assert await overflow(page) <= 0
        await assert_accessible(page)


async def take(watches: Watches, scene: Scene, at_least: int) -> list[dict[str, Any]]:
    """News of a stream until there are so many."""
    found: list[dict[str, Any]] = []
    async for event in watches.events(scene.tenant.id):
        if event.startswith(b"event: news"):
            found.append(json.loads(event.partition(b"data: ")[2]))
        if len(found) == at_least:
            break
    return found


async def test_one_look_serves_all_who_watch_and_ends_with_them(
    app: FastAPI, client: httpx.AsyncClient, scene: Scene, db: Database
) -> None:
    watches: Watches = app.state.watches
    tasks = [asyncio.create_task(take(watches, scene, 2)) for _ in range(20)]
    await asyncio.sleep(0.2)
    assert len(watches.watched(scene.tenant.id)) == 20
    looking = {task for task in asyncio.all_tasks() if task.get_name() == f"watch {scene.tenant.id}"}
    assert len(looking) == 1
    other = await make_tenant(db)
    rows = {"agent": "yuki-002", "status": "success"}
    for headers in (other.headers, scene.tenant.headers):
        assert (await client.post("/api/v1/logs", json=rows, headers=headers)).status_code == 202
    found = await asyncio.gather(*tasks)
    assert {news["agent"] for _first, news in found} == {"yuki-002"}
    assert {first["agent"] for first, _news in found} == {HOSTILE}
    await asyncio.wait(looking, timeout=5)
    assert watches.watched(scene.tenant.id) == set()


async def test_a_stream_says_that_it_lives_and_ends(client: httpx.AsyncClient, scene: Scene) -> None:
    answer = await client.get("/console/events?lasts=1", headers=scene.tenant.headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("retry: 2000\n\nevent: news\n")
    assert answer.text.endswith("event: beat\ndata:\n\n")
    assert (await client.get("/console/events")).status_code == 401


async def test_a_database_that_does_not_answer_ends_no_watch(
    app: FastAPI, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    watches: Watches = app.state.watches
    tenant, asked = watches._db.tenant, []

    def failing(tenant_id: Any) -> Any:
        asked.append(tenant_id)
        if len(asked) == 1:
            raise Unavailable("the database does not answer")
        return tenant(tenant_id)

    monkeypatch.setattr(watches._db, "tenant", failing)
    (news,) = await take(watches, scene, 1)
    assert news["agent"] == HOSTILE
    assert len(asked) == 2
