"""The first page with two thousand agents: filtered, sorted, grouped, by addresses that can be shared."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect
from sqlalchemy import insert

from monitor import clock
from monitor.agents.tables import Agent, AgentLive
from monitor.console.board import Board, read_board
from monitor.console.charts import read_charts
from monitor.console.fleet import A_PAGE
from monitor.db import Database
from monitor.ids import uuid7
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene
from tests.console.test_pages import ESCAPED, follow
from tests.factories import make_tenant

MANY = 2000


@pytest.fixture
async def many(db: Database, scene: Scene) -> None:
    """Two thousand more: each fourth is a reviewer, each tenth has failed, numbers say how long it took and ago."""
    now, ids = clock.now(), [uuid7(clock.now()) for _ in range(MANY)]
    agents = [
        {
            "tenant_id": scene.tenant.id, "id": one, "external_id": f"bot-{number:04}", "name": f"Bot {number}",
            "agent_type": "coder" if number % 4 else HOSTILE, "ping_token": str(one),
            "tags": {"team": f"t{number % 3}"},
        }
        for number, one in enumerate(ids)
    ]  # fmt: skip
    live = [
        {
            "tenant_id": scene.tenant.id, "agent_id": one, "last_seen_at": now - timedelta(seconds=number / 100),
            "last_active_at": now - timedelta(seconds=number / 100), "last_duration": number,
            "last_status": "success" if number % 10 else "error", "consecutive_failures": int(number % 10 == 0),
        }
        for number, one in enumerate(ids)
    ]  # fmt: skip
    async with db.tenant(scene.tenant.id) as connection:
        await connection.execute(insert(Agent), agents)
        await connection.execute(insert(AgentLive), live)


def names(page: str) -> list[str]:
    """Which of them a page lists."""
    return re.findall(r"<bdi>(bot-\d+)</bdi>", page)


@pytest.mark.usefixtures("many")
async def test_agents_are_filtered_sorted_and_paged_by_the_address(client: httpx.AsyncClient, scene: Scene) -> None:
    await follow(client, scene.link)

    async def page(**asked: str) -> str:
        answer = await client.get("/", params=asked)
        assert answer.status_code == 200
        assert HOSTILE not in answer.text
        assert names((await client.get("/console/board", params=asked)).text) == names(answer.text)
        return answer.text

    first = await page()
    # The one with an alert stands before all, then those that failed.
    assert first.index(ESCAPED) < first.index("bot-0000")
    assert names(first)[:2] == ["bot-0000", "bot-0010"]
    assert len(names(first)) == A_PAGE - 1
    assert "1 to 100" in first
    after = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = (await client.get(after)).text
    assert names(second)[0] == "bot-0990"
    assert set(names(first)).isdisjoint(names(second))
    assert names(await page(q="bOt-0123")) == ["bot-0123"]
    assert names(await page(q="team=t1", sort="name"))[:2] == ["bot-0001", "bot-0004"]
    assert names(await page(sort="took"))[1:3] == ["bot-1998", "bot-1997"]
    assert names(await page(sort="seen", type="coder"))[0] == "bot-0001"
    assert names(await page(sort="failures", type="coder"))[0] == "bot-0010"
    assert names(await page(state="error", page="2"))[0] == "bot-0990"
    assert names(await page(state="alerting")) == []
    assert "No agent passes these filters." in await page(q="nobody")
    for wrong in ({"state": "odd"}, {"sort": "odd"}, {"group": "odd"}, {"page": "0"}, {"page": "x"}):
        assert (await client.get("/", params=wrong)).status_code == 422


@pytest.mark.usefixtures("many")
async def test_groups_lead_to_their_agents(client: httpx.AsyncClient, scene: Scene) -> None:
    await follow(client, scene.link)
    page = (await client.get("/?group=type&q=bot")).text
    groups = re.findall(
        r'<th scope="row"><a href="(/\?[^"]*)"><bdi>([^<]*)</bdi></a></th><td class="num">([^<]*)', page
    )
    assert [(name, count) for _path, name, count in groups] == [
        ("coder", "1\N{NARROW NO-BREAK SPACE}500"), (groups[1][1], "500")
    ]  # fmt: skip
    assert ESCAPED.partition(";script")[0] in groups[1][1]
    shown = (await client.get(groups[1][0].replace("&amp;", "&"))).text
    assert names(shown)[:2] == ["bot-0000", "bot-0020"]
    assert "101 error" in (await client.get("/?group=state&type=coder")).text


@pytest.mark.usefixtures("many")
async def test_the_fleet_is_used_by_the_keyboard(page: Page, scene: Scene) -> None:
    await sign_in(page, scene.link)
    await page.keyboard.press("/")
    await expect(page.locator("[name=q]")).to_be_focused()
    await page.keyboard.type("bot-01/")
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?q=bot-01&**")
    links = page.locator(".agents .name")
    await expect(links).to_have_count(100)
    await links.first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(links.nth(1)).to_be_focused()
    # The page goes on being refreshed as it was asked for, and leaves the focus where it is.
    async with page.expect_response(lambda answer: "/console/board?q=bot-01" in answer.url):
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(links.nth(1)).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("bot-0100")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROWEST], ids=["wide", "phone"])
async def test_everybody_can_use_it(
    browser: Browser, address: str, scene: Scene, scheme: str, size: ViewportSize
) -> None:
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await sign_in(page, scene.link)
        for path in ("/?state=error", "/?group=type"):
            await page.goto(path)
            await page.locator("#latency .main-svg").first.wait_for()
            assert await overflow(page) <= 0, path
            await assert_accessible(page)


async def test_those_who_look_at_the_same_time_share_one_reading(
    client: httpx.AsyncClient, scene: Scene, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, read = await make_tenant(db), []

    async def counted(connection: Any, tenant_id: UUID, *given: Any, **more: Any) -> Board:
        read.append(tenant_id)
        return await read_board(connection, tenant_id, *given, **more)

    monkeypatch.setattr("monitor.console.routes.read_board", counted)
    asked = [client.get("/console/board", headers=scene.tenant.headers) for _ in range(30)]
    asked += [client.get("/console/board?q=nobody", headers=scene.tenant.headers)]
    *same, filtered, others = await asyncio.gather(*asked, client.get("/console/board", headers=other.headers))
    assert sorted(read) == sorted([scene.tenant.id, scene.tenant.id, other.id])
    assert {ESCAPED in answer.text for answer in same} == {True}
    assert f"<bdi>{ESCAPED}" not in filtered.text
    assert ESCAPED not in others.text
    await asyncio.sleep(1)
    assert (await client.get("/console/board", headers=scene.tenant.headers)).status_code == 200
    assert len(read) == 4


async def test_those_who_look_at_the_same_time_share_the_charts(
    client: httpx.AsyncClient, scene: Scene, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, read = await make_tenant(db), []

    async def counted(series: Any, tenant_id: UUID, now: Any, *, span: str) -> dict[str, Any]:
        read.append((tenant_id, span))
        return await read_charts(series, tenant_id, now, span=span)

    monkeypatch.setattr("monitor.console.routes.read_charts", counted)
    asked = [client.get("/console/chart.json", headers=scene.tenant.headers) for _ in range(20)]
    day = client.get("/console/chart.json?range=24h", headers=scene.tenant.headers)
    *same, _, _ = await asyncio.gather(*asked, day, client.get("/console/chart.json", headers=other.headers))
    assert len({answer.content for answer in same}) == 1
    assert same[0].json()["step"] == 60
    assert sorted(read) == sorted([(scene.tenant.id, "1h"), (scene.tenant.id, "24h"), (other.id, "1h")])
