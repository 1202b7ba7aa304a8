"""Rules: listed, switched, and edited as a form or as JSON, tried before they are saved."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from monitor.db import Database
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow, sign_in
from tests.console.conftest import HOSTILE, Scene
from tests.console.test_pages import ESCAPED, follow, token_in
from tests.factories import make_key

FAILS = {"name": "Akira fails", "conditions": {"status": "error", "consecutive_failures": 3}}


async def _made(client: httpx.AsyncClient, scene: Scene, **more: Any) -> UUID:
    answer = await client.post("/api/v1/alert-configs", json=FAILS | more, headers=scene.tenant.headers)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def _form(client: httpx.AsyncClient, path: str) -> dict[str, str]:
    """What a browser would send back of the editor, untouched."""
    page = (await client.get(path)).text
    match = page.partition('name="match" value="')[2].partition('"')[0].replace("&#34;", '"')
    return {"csrf": token_in(page), "match": match}


async def test_rules_are_listed_and_switched(client: httpx.AsyncClient, scene: Scene) -> None:
    rule = await _made(client, scene, name=f"Fails {HOSTILE}", channels={"email": "a@example.com"})
    await _made(client, scene, name="Switched off", enabled=False)
    await follow(client, scene.link)
    page = (await client.get("/rules")).text
    assert f"<bdi>Fails {ESCAPED}" in page
    assert HOSTILE not in page
    assert "email <bdi>a@example.com</bdi>" in page
    assert "Switched off</bdi>" not in (await client.get("/rules?enabled=yes")).text
    assert "There is no such rule." in (await client.get("/rules?agent=nobody")).text
    assert (await client.get("/rules?enabled=odd")).status_code == 422
    token = {"csrf": token_in(page)}
    off = await client.post(f"/rules/{rule}/enabled", data=token | {"enabled": "no"})
    assert off.headers["location"] == "/rules"
    assert "Fails" not in (await client.get("/rules?enabled=yes")).text


async def test_a_rule_is_made_changed_restored_and_deleted(client: httpx.AsyncClient, scene: Scene) -> None:
    await follow(client, scene.link)
    form = await _form(client, "/rules/new")
    made = await client.post("/rules/new", data=form | {"rule": json.dumps(FAILS)})
    path = made.headers["location"].partition("?")[0]
    assert "The rule is made." in (await client.get(made.headers["location"])).text
    was = json.dumps(FAILS)
    edited = {"rule": was, "was": was, "name": "Akira fails much", "severity": "critical", "for": "2m"}
    form = await _form(client, path)
    assert (await client.post(path, data=form | edited)).headers["location"] == f"{path}?done=saved"
    stored = (await client.get(f"/api/v1/alert-configs{path.removeprefix('/rules')}")).json()
    assert (stored["name"], stored["severity"], stored["for"]) == ("Akira fails much", "critical", "2m")
    # Whoever began before this is told so.
    late = await client.post(path, data=form | {"rule": was})
    assert late.status_code == 422
    assert "Somebody else changed it since" in late.text
    form = await _form(client, path)
    assert (await client.post(f"{path}/restore", data=form | {"version": "99"})).status_code == 404
    assert (await client.post(f"{path}/restore", data=form | {"version": "1"})).status_code == 303
    assert (await client.get(f"/api/v1/alert-configs{path.removeprefix('/rules')}")).json()["name"] == "Akira fails"
    form = await _form(client, path)
    assert (await client.post(f"{path}/delete", data=form)).headers["location"] == "/rules"
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{no", 'id="rule-rule-wrong"'),
        (json.dumps(FAILS | {"for": "soon"}), 'id="rule-for-wrong"'),
        (json.dumps(FAILS | {"severity": "odd"}), 'id="rule-severity-wrong"'),
        (json.dumps(FAILS | {"conditions": 3}), "onditions:"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_kept(
    client: httpx.AsyncClient, scene: Scene, rule: str, said: str
) -> None:
    await follow(client, scene.link)
    for path in ("/rules/new", "/rules/preview"):
        answer = await client.post(path, data=await _form(client, "/rules/new") | {"rule": rule})
        assert answer.status_code == 422
        assert said in answer.text
        assert rule.replace('"', "&#34;") in answer.text


async def test_a_rule_is_tried_before_it_is_saved(client: httpx.AsyncClient, scene: Scene) -> None:
    await follow(client, scene.link)
    form = await _form(client, "/rules/new") | {"rule": json.dumps(FAILS), "since": "-1d", "time_zone": "Europe/Berlin"}
    tried = await client.post("/rules/preview", data=form)
    assert tried.status_code == 200
    assert "In the last day it <strong>would" in tried.text
    assert ESCAPED in tried.text.partition('id="preview"')[2]
    assert "data-drawn" in tried.text
    assert (await client.post("/rules/preview", data=form | {"time_zone": "Nowhere"})).status_code == 422
    assert (await client.get("/rules")).text.count("/enabled") == 0


async def test_a_viewer_may_look_and_try(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    rule = await _made(client, scene)
    _, key = await make_key(db, scene.tenant.id, scopes=("read",))
    for path in ("/rules", "/rules/new", f"/rules/{rule}"):
        page = await client.get(path, headers={"Authorization": f"Bearer {key}"})
        assert page.status_code == 200
        for offered in ("Switch off", "<button>Save</button>", "Delete", "Send a test", 'href="/rules/new"'):
            assert offered not in page.text, (path, offered)


async def test_form_and_json_follow_each_other(page: Page, client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(page, scene.link)
    await page.goto("/rules/new")
    await page.locator("#rule-name").fill("Akira fails")
    json_field = page.locator("#rule-rule")
    assert json.loads(await json_field.input_value())["name"] == "Akira fails"
    await json_field.fill(json.dumps(FAILS | {"name": "By hand", "severity": "critical"}))
    await expect(page.locator("#rule-name")).to_have_value("By hand")
    await expect(page.locator("#rule-severity")).to_have_value("critical")
    await page.get_by_role("button", name="Try it").press("Enter")
    await expect(page.locator("#preview-head ~ p").first).to_contain_text("In the last 7 days it would")
    await expect(page.locator("#backtest .main-svg").first).to_be_visible()
    await page.get_by_role("button", name="Save").press("Enter")
    await expect(page.locator(".came")).to_have_text("The rule is made.")
    await expect(page.locator("h1")).to_have_text("By hand")


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", NARROWEST)], ids=["light", "dark phone"])
async def test_everybody_can_use_them(
    browser: Browser, address: str, client: httpx.AsyncClient, scene: Scene, scheme: str, size: ViewportSize
) -> None:
    rule = await _made(client, scene, name=f"Fails {HOSTILE}", agent=HOSTILE)
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await sign_in(page, scene.link)
        for path in ("/rules", "/rules?agent=nobody", "/rules/new", f"/rules/{rule}"):
            await page.goto(path)
            assert await overflow(page) <= 0, path
            await assert_accessible(page)
        await page.get_by_role("button", name="Try it").press("Enter")
        await expect(page.locator("#backtest .main-svg").first).to_be_visible()
        assert await overflow(page) <= 0
        await assert_accessible(page)
        assert await page.evaluate("window.hacked === undefined")
