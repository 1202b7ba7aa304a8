"""The settings: by the same functions as the API, refused as the API refuses, and what was typed stays."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, ViewportSize, expect
from sqlalchemy import text

from monitor.db import Database
from monitor.identity.links import Links, Purpose
from monitor.identity.store import insert_member
from monitor.settings import Settings
from tests.console.browsing import NARROWEST, WIDE, assert_accessible, open_page, overflow
from tests.console.browsing import sign_in as enter
from tests.console.conftest import HOSTILE, Scene
from tests.console.test_pages import follow, sign_in, token_in
from tests.stage import until

PAGES = ("members", "keys", "channels", "retention", "prices", "names", "audit")


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Post a form as its page would."""
    token = token_in((await client.get("/settings/members")).text)
    return await client.post(f"/settings/{path}", data={"csrf": token, **fields})


async def is_refused(ask: Callable[..., Awaitable[httpx.Response]], path: str, **given: Any) -> bool:
    """Whether a key is good for nothing any more, which it is within a second of its end."""
    return (await ask(path, **given)).status_code == 401


async def trail(db: Database, scene: Scene) -> list[str]:
    """What the trail tells of, the latest last."""
    async with db.tenant(scene.tenant.id) as connection:
        query = text(
            "SELECT action FROM audit_logs WHERE status = 'success' AND action NOT LIKE 'session.%' ORDER BY id"
        )
        return list((await connection.execute(query)).scalars())


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_is_there(client: httpx.AsyncClient, scene: Scene, page: str) -> None:
    await sign_in(client, scene)
    answer = await client.get(f"/settings/{page}")
    assert answer.status_code == 200
    assert f'<a href="/settings/{page}" aria-current="page">' in answer.text
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("role", "hidden"), [("viewer", {"keys", "audit"}), ("member", {"keys", "audit"}), ("admin", set())]
)
async def test_a_role_sees_what_it_may(
    client: httpx.AsyncClient, scene: Scene, db: Database, settings: Settings, role: str, hidden: set[str]
) -> None:
    async with db.owner() as owner:
        user = await insert_member(owner, scene.tenant.id, email="x@example.com", role=role, now=datetime.now(UTC))
    await follow(client, f"/sign-in?token={Links(settings.secret_keys).make(Purpose.SIGN_IN, scene.tenant.id, user)}")
    for page in PAGES:
        answer = await client.get(f"/settings/{page}")
        assert answer.status_code == (403 if page in hidden else 200), page
        if page not in hidden:
            assert {one for one in PAGES if f'href="/settings/{one}"' not in answer.text} == hidden
    channels = (await client.get("/settings/channels")).text
    assert ("Save the channel" in channels) is (role != "viewer")
    made = await send(client, "channels", name="n", kind="slack", target="#n")
    assert made.status_code == (403 if role == "viewer" else 303)
    assert ("Invite</button>" in (await client.get("/settings/members")).text) is (role == "admin")


async def test_a_key_is_shown_once_replaced_and_revoked(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    await sign_in(client, scene)
    made = await send(client, "keys", name="robot", scope_read="on", lasts="30 days")
    assert made.status_code == 200
    key = made.text.partition('<pre id="made" tabindex="0">')[2].partition("<")[0]
    assert key.startswith("am_")
    assert key not in (await client.get("/settings/keys")).text
    headers = {"Authorization": f"Bearer {key}"}
    listed = (await client.get("/api/v1/api-keys", headers=scene.tenant.headers)).json()["items"]
    (stored,) = [one for one in listed if one["name"] == "robot"]
    assert stored["scopes"] == ["read"]
    assert stored["expires_at"] is not None
    client.cookies, signed_in = httpx.Cookies(), client.cookies
    assert (await client.get("/api/v1/members", headers=headers)).status_code == 200
    client.cookies = signed_in
    replaced = await send(client, f"keys/{stored['id']}/rotate", ends="after 1 hour")
    assert "shown this once" in replaced.text
    assert (await send(client, f"keys/{stored['id']}/revoke")).status_code == 303
    client.cookies = httpx.Cookies()
    await until(partial(is_refused, client.get, "/api/v1/members", headers=headers), seconds=5)
    assert (await trail(db, scene))[-3:] == ["api_key.created", "api_key.rotated", "api_key.revoked"]


async def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    client: httpx.AsyncClient, scene: Scene, db: Database
) -> None:
    await sign_in(client, scene)
    for path, fields, kept in (
        ("keys", {"name": "no scope"}, "no scope"),
        ("members", {"email": "nobody", "role": "viewer"}, "nobody"),
        ("channels", {"name": "<b>", "kind": "webhook", "target": "not a url"}, "&lt;b&gt;"),
        ("retention/logs", {"keep_days": "0"}, 'value="0"'),
        ("prices", {"model": "m", "input": "-1", "output": "2"}, 'value="-1"'),
    ):
        answer = await send(client, path, **fields)
        assert answer.status_code == 422, path
        assert 'aria-invalid="true"' in answer.text, path
        assert kept in answer.text, path
    assert await trail(db, scene) == []
    async with db.tenant(scene.tenant.id) as connection:
        refused = await connection.execute(text("SELECT count(*) FROM audit_logs WHERE status = 'failure'"))
        assert refused.scalar() == 5


async def test_a_form_without_its_token_changes_nothing(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    await sign_in(client, scene)
    for path in ("keys", "members", "channels", "channels/fallback", "retention/logs", "prices"):
        assert (await client.post(f"/settings/{path}", data={"csrf": "f" * 64})).status_code == 403
    assert await trail(db, scene) == []


async def test_a_channel_is_made_tested_changed_and_deleted(client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(client, scene)
    assert (await send(client, "channels", name="ops", kind="email", target="ops@example.com")).status_code == 303
    (channel,) = (await client.get("/api/v1/channels", headers=scene.tenant.headers)).json()["items"]
    assert (await send(client, f"channels/{channel['id']}/test")).status_code == 303
    page = (await client.get("/settings/channels")).text
    assert "email to <bdi>ops@example.com</bdi>" in page
    assert 'data-renew="2000"' in page
    assert (await send(client, "channels/fallback", kind="channel", target="ops")).status_code == 303
    refused = await send(client, f"channels/{channel['id']}/delete")
    assert refused.status_code == 409
    assert 'role="alert"' in refused.text
    assert (await send(client, "channels/fallback", kind="slack", target="#lost")).status_code == 303
    assert (await send(client, f"channels/{channel['id']}", name="night", target="n@example.com")).status_code == 303
    assert "<bdi>night</bdi>" in (await client.get("/settings/channels")).text
    assert (await send(client, f"channels/{channel['id']}/delete")).status_code == 303
    assert "No channel has a name" in (await client.get("/settings/channels")).text


async def test_members_come_change_and_go(client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(client, scene)
    assert (await send(client, "members", email="new@example.com", role="viewer")).status_code == 303
    members = (await client.get("/api/v1/members", headers=scene.tenant.headers)).json()["items"]
    ids = {one["email"]: one["id"] for one in members}
    assert (await send(client, f"members/{ids['new@example.com']}", role="admin")).status_code == 303
    path = f"/api/v1/members/{ids['new@example.com']}"
    assert (await client.get(path, headers=scene.tenant.headers)).json()["role"] == "admin"
    last = await send(client, f"members/{scene.tenant.user_id}/remove")
    assert last.status_code == 409
    assert 'role="alert"' in last.text
    assert (await send(client, f"members/{ids['new@example.com']}/remove")).status_code == 303
    assert "new@example.com" not in (await client.get("/settings/members")).text


async def test_retention_is_set_previewed_and_taken_back(client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(client, scene)
    assert (await send(client, "retention/logs", keep_days="9", enabled="on")).status_code == 303
    page = (await client.get("/settings/retention?preview=1")).text
    assert "9 days" in page
    assert '<th scope="row">logs</th>' in page
    assert (await send(client, "retention/logs/remove")).status_code == 303
    assert "9 days" not in (await client.get("/settings/retention")).text


async def test_a_price_is_added_found_and_ended(client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(client, scene)
    fields = {"model": "house-model", "input": "1.5", "output": "2"}
    assert (await send(client, "prices", **fields)).status_code == 303
    page = (await client.get("/settings/prices?q=house")).text
    assert "<bdi>house-model</bdi>" in page
    assert '<td class="num">1.5</td>' in page
    (price,) = (await client.get("/api/v1/prices?q=house", headers=scene.tenant.headers)).json()["items"]
    assert (await send(client, f"prices/{price['id']}/remove")).status_code == 303
    assert "No price of such a model" in (await client.get("/settings/prices?q=house")).text
    assert 'value="new one"' in (await client.get("/settings/prices?model=new+one")).text


async def test_the_trail_is_filtered_and_paged_and_shows_before_and_after(
    client: httpx.AsyncClient, scene: Scene
) -> None:
    await sign_in(client, scene)
    for number in range(55):
        sent = {"keep_days": number + 1}
        await client.put("/api/v1/retention-policies/logs", json=sent, headers=scene.tenant.headers)
    await send(client, "channels", name="ops", kind="slack", target="#ops")
    first = (await client.get("/settings/audit?action=retention_policy.updated")).text
    assert "channel.created" not in first
    assert first.count("<code>retention_policy.updated</code>") == 50
    assert "<td><code>54</code></td><td><code>55</code></td>" in first
    older = first.partition('<p class="more"><a href="')[2].partition('"')[0].replace("&amp;", "&")
    second = (await client.get(f"/settings/audit{older}")).text
    assert second.count("<code>retention_policy.updated</code>") == 4
    export = first.partition('href="/api/v1/audit-logs/export?')[2].partition('"')[0].replace("&amp;", "&")
    exported = (await client.get(f"/api/v1/audit-logs/export?{export}")).text
    assert exported.count("retention_policy.updated") == 54
    assert (await client.get("/settings/audit?since=yesterday")).status_code == 422
    assert "Nothing of the kind" in (await client.get("/settings/audit?until=2001-01-01")).text


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", WIDE), ("dark", NARROWEST)], ids=["wide and light", "phone and dark"]
)
async def test_everybody_can_use_them(
    browser: Browser, address: str, client: httpx.AsyncClient, scene: Scene, scheme: str, size: ViewportSize
) -> None:
    sent = {"name": f"ops {HOSTILE}"[:200], "kind": "email", "target": "ops@example.com"}
    assert (await client.post("/api/v1/channels", json=sent, headers=scene.tenant.headers)).status_code == 201
    async with open_page(browser, address, scheme=scheme, size=size) as page:  # type: ignore[arg-type]
        await enter(page, scene.link)
        for path in (*PAGES, "retention?preview=1", "audit?action=nothing", "prices?q=nothing"):
            await page.goto(f"/settings/{path}")
            assert await overflow(page) <= 0, path
            await assert_accessible(page)
        assert await page.evaluate("window.hacked === undefined")


async def test_a_key_is_made_used_and_revoked_by_the_keyboard(
    browser: Browser, address: str, client: httpx.AsyncClient, scene: Scene
) -> None:
    async with open_page(browser, address) as page:
        await enter(page, scene.link)
        await page.get_by_role("link", name="Settings").press("Enter")
        await page.get_by_role("link", name="API keys").press("Enter")
        await page.get_by_label("Name", exact=True).focus()
        await page.keyboard.type("night shift")
        await page.get_by_role("button", name="Make the key").press("Enter")
        key = await page.locator("#made").text_content()
        await assert_accessible(page)
        headers = {"Authorization": f"Bearer {key}"}
        sent = {"agent": "akira-001", "status": "success"}
        assert (await client.post("/api/v1/logs", json=sent, headers=headers)).status_code == 202
        await page.get_by_role("link", name="I have it").press("Enter")
        await page.wait_for_url("**/settings/keys")
        assert str(key) not in await page.content()
        row = page.get_by_role("row", name="night shift")
        await row.get_by_role("button", name="Revoke").press("Enter")
        await expect(row).to_contain_text("revoked")
        await until(partial(is_refused, client.post, "/api/v1/logs", json=sent, headers=headers), seconds=5)


async def test_a_channels_test_is_followed_to_its_end(
    browser: Browser, address: str, client: httpx.AsyncClient, scene: Scene, db: Database
) -> None:
    sent = {"name": "ops", "kind": "email", "target": "ops@example.com"}
    assert (await client.post("/api/v1/channels", json=sent, headers=scene.tenant.headers)).status_code == 201
    async with open_page(browser, address) as page:
        await enter(page, scene.link)
        await page.goto("/settings/channels")
        await page.get_by_role("button", name="Send a test to ops").press("Enter")
        latest = page.locator("#tests-part")
        await expect(latest).to_contain_text("ops@example.com")
        async with db.tenant(scene.tenant.id) as connection:
            done = "UPDATE notifications SET status = 'sent', sent_at = now() WHERE reason = 'TEST'"
            await connection.execute(text(done))
        await expect(latest).to_contain_text("sent ")
