"""The pages of whoever is on call: what they list, what their forms do, and whom they obey."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect
from sqlalchemy import insert, select

from alerts.muting_tables import Silence
from alerts.tables import Alert
from monitor import clock
from monitor.db import Database
from monitor.ids import uuid7
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene
from tests.console.test_pages import ESCAPED, follow, token_in
from tests.factories import make_agent, make_key


async def _alerts(db: Database, scene: Scene, *given: dict[str, Any]) -> list[Any]:
    """More alerts of the scene's tenant, each an hour older than the one before."""
    now, ids = clock.now(), []
    async with db.tenant(scene.tenant.id) as connection:
        for number, one in enumerate(given):
            fired = now - timedelta(hours=number + 1)
            ids.append(uuid7(fired))
            row = {"severity": "warning", "triggered_at": fired, "fingerprint": "", "details": {}, **one}
            await connection.execute(insert(Alert).values(tenant_id=scene.tenant.id, id=ids[-1], **row))
    return ids


async def test_alerts_are_filtered_by_the_address(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    other = await make_agent(db, scene.tenant.id, "bob-002")
    now = clock.now()
    over = {"status": "resolved", "resolved_at": now, "reason": "recovered"}
    await _alerts(
        db,
        scene,
        {"rule": "Slow answers", "agent_id": other, "details": {"summary": "p95 9100 ms"}},
        {"rule": "Quiet", "agent_id": other, **over},
        {"rule": "Dear", "severity": "info"},
    )
    await follow(client, scene.link)

    async def shown(**query: str) -> set[str]:
        page = (await client.get("/alerts", params=query)).text
        return {
            rule for rule in ("Slow answers", "Quiet", "Dear", ESCAPED) if f"<bdi>{rule}" in page.replace("Fails ", "")
        }

    assert await shown() == {"Slow answers", "Dear", ESCAPED}
    assert await shown(status="resolved") == {"Quiet"}
    assert "Quiet" in await shown(status="all")
    assert await shown(severity="critical") == {ESCAPED}
    assert await shown(agent="bob-002", status="all") == {"Slow answers", "Quiet"}
    assert await shown(rule="slow") == {"Slow answers"}
    assert await shown(q="9100") == {"Slow answers"}
    assert await shown(since="-90m", severity="warning") == {"Slow answers"}
    assert await shown(until="-150m") == {"Dear"}
    assert (await client.get("/alerts", params={"status": "odd"})).status_code == 422
    assert HOSTILE not in (await client.get("/alerts", params={"q": HOSTILE})).text


async def test_alerts_come_in_pages(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    await _alerts(db, scene, *({"rule": f"rule {number}.", "agent_id": scene.agent_id} for number in range(60)))
    await follow(client, scene.link)
    first = (await client.get("/alerts?severity=warning")).text
    assert "rule 49." in first
    assert "rule 50." not in first
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = (await client.get(following)).text
    assert "rule 50." in second
    assert "rule 49." not in second
    assert 'rel="next"' not in second


async def test_many_are_answered_at_once_and_one_that_ended_keeps_no_other(
    client: httpx.AsyncClient, scene: Scene, db: Database
) -> None:
    ended = {"status": "resolved", "resolved_at": clock.now()}
    ids = await _alerts(db, scene, {"rule": "a", "agent_id": scene.agent_id}, {"rule": "b", **ended}, {"rule": "c"})
    await follow(client, scene.link)
    token = token_in((await client.get("/alerts")).text)
    picked = {f"alert-{one}": "on" for one in (*ids[:2], uuid7(clock.now()))} | {
        "csrf": token,
        "back": "/alerts?severity=warning",
    }
    answer = await client.post("/alerts", data=picked | {"deed": "acknowledge"})
    assert answer.headers["location"] == "/alerts?severity=warning&deed=acknowledge&done=1&over=1&unknown=1"
    assert "1 acknowledged; 1 had ended already; 1 not found." in (await client.get(answer.headers["location"])).text
    snoozed = await client.post("/alerts", data=picked | {"deed": "snooze", "for": "4 hours", "back": "//evil"})
    assert snoozed.headers["location"].startswith("/alerts?deed=snooze&done=1")
    async with db.tenant(scene.tenant.id) as connection:
        rows = await connection.execute(select(Alert.rule, Alert.status, Alert.snoozed_until))
        found = {row.rule: (row.status, row.snoozed_until is not None) for row in rows}
    assert found["a"] == ("acknowledged", True)
    assert found["c"] == ("open", False)
    assert (await client.post("/alerts", data=picked | {"deed": "delete"})).status_code == 422
    assert (await client.post("/alerts", data={"deed": "acknowledge"})).status_code == 403


@pytest.mark.parametrize("at", ["", "now"])
async def test_why_says_so_where_no_rule_judges(client: httpx.AsyncClient, scene: Scene, at: str) -> None:
    await follow(client, scene.link)
    page = await client.get(f"/alerts/{scene.alert_id}/why", params={"at": at})
    assert page.status_code == 200
    assert "No rule of yours judges this" in page.text


async def test_a_silence_is_tried_made_and_ended(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    await follow(client, scene.link)
    prefilled = (
        (await client.get(f"/alerts/{scene.alert_id}")).text.partition('href="/silences/new')[2].partition('"')[0]
    )
    form_page = (await client.get(f"/silences/new{prefilled.replace('&amp;', '&')}")).text
    assert "rule=&#34;Fails &lt;script&gt;" in form_page
    form = {
        "csrf": token_in(form_page),
        "matchers": 'severity="critical"\n',
        "ends_at": "+2h",
        "comment": f"known {HOSTILE}",
    }
    tried = (await client.post("/silences/preview", data=form)).text
    assert "1 open alert;" in tried
    assert f"/alerts/{scene.alert_id}" in tried
    made = await client.post("/silences", data=form)
    assert made.headers["location"] == "/silences?state=active"
    page = (await client.get("/silences")).text
    assert "severity=&#34;critical&#34;" in page
    assert f"known {ESCAPED}" in page
    assert "known" not in (await client.get("/silences?state=pending")).text
    ending = page.partition('action="/silences/')[2].partition('"')[0]
    assert (await client.post(f"/silences/{ending}", data=form)).status_code == 303
    assert "None is active." in (await client.get("/silences")).text
    assert "ended by" in (await client.get("/silences?state=expired")).text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("matchers", "nonsense"),
        ("ends_at", "soon"),
        ("ends_at", "-1h"),
        ("comment", " "),
    ],
)
async def test_what_is_wrong_with_a_silence_is_said_and_what_was_typed_kept(
    client: httpx.AsyncClient, scene: Scene, field: str, value: str
) -> None:
    await follow(client, scene.link)
    token = token_in((await client.get("/silences/new")).text)
    form = {"csrf": token, "matchers": "rule=a", "ends_at": "+2h", "comment": "typed words", field: value}
    answer = await client.post("/silences", data=form)
    assert answer.status_code == 422
    assert f'id="silence-{field}-wrong"' in answer.text
    assert ("typed words" in answer.text) is (field != "comment")
    assert 'aria-invalid="true"' in answer.text


async def test_a_viewer_is_offered_nothing_to_do(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    _, key = await make_key(db, scene.tenant.id, scopes=("read",))
    for path in ("/alerts", f"/alerts/{scene.alert_id}", "/silences", "/silences/new"):
        page = await client.get(path, headers={"Authorization": f"Bearer {key}"})
        assert page.status_code == 200
        for offered in ("Acknowledge</button>", 'href="/silences/new"', "<button>Silence</button>"):
            assert offered not in page.text, path


async def test_alerts_are_answered_by_the_keyboard(page: Page, scene: Scene, db: Database) -> None:
    await _alerts(db, scene, {"rule": "Slow answers", "agent_id": scene.agent_id})
    await sign_in(page, scene.link)
    await page.goto("/alerts")
    await page.locator(".many .all input").focus()
    await page.keyboard.press("Space")
    await expect(page.locator(".picked input:checked")).to_have_count(2)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".came")).to_have_text("2 acknowledged.")
    await page.locator(".picked .what").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/alerts/{scene.alert_id}")
    await expect(page.locator("[data-fetch]")).to_contain_text("No rule of yours judges this")
    await page.get_by_role("link", name="Silence this").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="What would it withhold?").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#preview")).to_contain_text("1 open alert")
    assert "/silences/new" in page.url
    await page.get_by_label("Why").fill("known")
    await page.get_by_role("button", name="Silence", exact=True).focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/silences?state=active")
    await page.get_by_role("button", name="End now").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/silences?state=expired")
    assert await page.evaluate("window.hacked === undefined")


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", NARROWEST)], ids=["light", "dark phone"])
async def test_everybody_can_use_them(
    browser: Browser, address: str, scene: Scene, db: Database, scheme: str, size: ViewportSize
) -> None:
    await _alerts(db, scene, {"rule": "Slow " * 30, "agent_id": scene.agent_id, "severity": "info"})
    async with db.tenant(scene.tenant.id) as connection:
        now = clock.now()
        values = {"tenant_id": scene.tenant.id, "id": uuid7(now), "matchers": ['agent="akira-001"'], "comment": HOSTILE}
        until = now + timedelta(hours=1)
        await connection.execute(insert(Silence).values(**values, starts_at=now, ends_at=until, created_by="user:anna"))
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await sign_in(page, scene.link)
        alert = f"/alerts/{scene.alert_id}"
        for path in ("/alerts", "/alerts?status=resolved", alert, f"{alert}/why", "/silences", "/silences/new"):
            await page.goto(path)
            assert await overflow(page) <= 0, path
            await assert_accessible(page)
