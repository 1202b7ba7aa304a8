"""An agent's page: how it is, what it did and said, what it costs, how it is set up, what looks after it."""

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect
from sqlalchemy import insert

from monitor.agents.tables import AgentConfiguration
from monitor.console.agent import CELL, LOGS, Cell, cells, path_of, said_of
from monitor.db import Database
from monitor.errors import SeriesDown
from monitor.series.store import Line
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene
from tests.console.running import make_run
from tests.console.test_pages import ESCAPED, follow
from tests.core.strategies import START
from tests.factories import make_tenant

RULE = {"name": HOSTILE, "agent": HOSTILE, "conditions": {"status": "error", "consecutive_failures": 3}}


@pytest.fixture
async def here(client: httpx.AsyncClient, scene: Scene, db: Database) -> str:
    """The address of the page of an agent that has something of everything."""
    rows = [
        {"agent": HOSTILE, "status": "success", "message": f"all well {number}.", "duration": 100 * number}
        for number in range(1, 4)
    ]
    rows.append({"agent": HOSTILE, "status": "error", "message": HOSTILE, "details": {"note": HOSTILE}})
    assert (await client.post("/api/v1/logs", json=rows, headers=scene.tenant.headers)).status_code == 202
    answer = await client.post("/api/v1/alert-configs", json=RULE, headers=scene.tenant.headers)
    assert answer.status_code == 201, answer.text
    async with db.tenant(scene.tenant.id) as connection:
        value = {"tenant_id": scene.tenant.id, "agent_id": scene.agent_id, "key": "rate_limit", "value": HOSTILE}
        await connection.execute(insert(AgentConfiguration).values(value))
    await make_run(db, scene)
    return f"/agents/{scene.agent_id}"


async def test_it_says_all_of_its_agent_and_nothing_is_markup(
    client: httpx.AsyncClient, scene: Scene, db: Database, here: str
) -> None:
    await follow(client, scene.link)
    answer = await client.get(here)
    page = answer.text
    assert answer.status_code == 200
    assert ESCAPED in page
    assert HOSTILE not in page
    assert "<script>window" not in page
    for said in ("all well 1.", "rate_limit", "Review", f"/alerts/{scene.alert_id}", "4 runs in the last 24 hours"):
        assert said in page, said
    assert here in (await client.get("/")).text
    other = await make_tenant(db)
    assert (await client.get(here, headers=other.headers)).status_code == 404
    assert (await client.get(f"{here}/chart.json", headers=other.headers)).status_code == 404


async def test_its_logs_are_searched(client: httpx.AsyncClient, scene: Scene, here: str) -> None:
    await follow(client, scene.link)

    async def shown(**asked: str) -> list[str]:
        page = (await client.get(here, params=asked)).text
        return [said for said in ("all well 1.", "all well 3.", "note") if said in page]

    assert await shown(q="WELL 3") == ["all well 3."]
    assert await shown(status="error") == ["note"]
    assert await shown(kind="line") == []
    assert "No log passes these filters." in (await client.get(here, params={"q": "nowhere"})).text
    for wrong in ({"status": "odd"}, {"kind": "odd"}, {"within": "ever"}):
        assert (await client.get(here, params=wrong)).status_code == 422
    assert (await client.get(here, params={"cursor": "WyJ4Il0"})).status_code == 400


async def test_its_logs_come_in_pages(client: httpx.AsyncClient, scene: Scene) -> None:
    rows = [{"agent": "yuki-002", "status": "success", "message": f"number {one}."} for one in range(LOGS + 2)]
    assert (await client.post("/api/v1/logs", json=rows, headers=scene.tenant.headers)).status_code == 202
    await follow(client, scene.link)
    first = (await client.get("/agents/yuki-002?q=number")).text
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "q=number" in following
    second = (await client.get(f"/agents/yuki-002{following}")).text
    assert [f"number {one}." in second for one in (0, 1, 2)] == [True, True, False]
    assert ">Newest</a>" in second


async def test_its_charts_are_its_own(client: httpx.AsyncClient, scene: Scene, here: str) -> None:
    other = [{"agent": "yuki-002", "status": "error", "duration": 9000}]
    assert (await client.post("/api/v1/logs", json=other, headers=scene.tenant.headers)).status_code == 202
    await follow(client, scene.link)
    drawn = (await client.get(f"{here}/chart.json?range=1h")).json()
    assert sum(runs for _at, runs in drawn["good"]) == 3
    assert sum(runs for _at, runs in drawn["failed"]) == 1
    assert {value for _at, value in drawn["p99"]} == {300}
    fleet = (await client.get("/console/chart.json?range=1h")).json()
    assert sum(runs for _at, runs in fleet["failed"]) == 2
    assert (await client.get(f"{here}/chart.json?range=9y")).status_code == 422


async def test_it_stays_when_history_does_not_answer(
    client: httpx.AsyncClient, scene: Scene, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_asked: Any) -> list[Line]:
        raise SeriesDown("the history store does not answer")

    await follow(client, scene.link)
    monkeypatch.setattr("monitor.series.postgres.PostgresSeriesStore.query", down)
    answer = await client.get(here)
    assert answer.status_code == 200
    assert "History does not answer." in answer.text


def test_the_timeline_says_how_half_hours_went() -> None:
    at = [START + number * CELL for number in range(3)]
    made = cells([Line({}, list(zip(at, (4, 4, 1), strict=True)))], [Line({}, [(at[0], 4), (at[1], 3)])], START)
    assert [(cell.x, cell.tone) for cell in made] == [(0, "ok"), (1, "some"), (2, "bad")]
    assert said_of(made) == "9 runs in the last 24 hours; 2 of 3 half hours with failures."
    assert said_of([Cell(0, START, 1, 0.0, "ok")]) == "1 run in the last 24 hours; 0 of 1 half hour with failures."
    assert said_of([]) == "No runs in the last 24 hours."


@pytest.mark.parametrize(
    ("name", "path"),
    [("akira-001", "/agents/akira-001"), ("a b?#", "/agents/a%20b%3F%23"), ("a/b", "/agents/id"), ("..", "/agents/id")],
)
def test_a_name_that_no_address_can_hold_gives_way_to_the_id(name: str, path: str) -> None:
    assert path_of(name, "id") == path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROWEST], ids=["wide", "phone"])
async def test_everybody_can_use_it(
    browser: Browser, address: str, scene: Scene, here: str, scheme: str, size: ViewportSize
) -> None:
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await sign_in(page, scene.link)
        await page.goto(here)
        await page.locator("#latency .main-svg").first.wait_for()
        assert await overflow(page) <= 0
        await assert_accessible(page)
        for behind in await page.locator("details.behind summary").all():
            await behind.click()
        assert await overflow(page) <= 0
        await assert_accessible(page)


async def test_its_charts_follow_the_range_and_have_tables(page: Page, scene: Scene, here: str) -> None:
    await sign_in(page, scene.link)
    await page.locator(".agents .name").first.click()
    await page.wait_for_url(f"**{here}")
    rows = page.locator("#runs + details tbody tr")
    await expect(rows).to_have_count(1)
    await page.get_by_role("button", name="1 h").press("Enter")
    await expect(page.get_by_role("button", name="1 h")).to_have_attribute("aria-pressed", "true")
    await page.locator("#runs + details summary").press("Enter")
    await expect(rows.first).to_contain_text(re.compile(r"UTC\s*31$"))
    assert await page.evaluate("window.hacked === undefined")
