"""What the pages show and whom, and that nothing in them runs that an agent sent."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, text

from alerts.tables import Alert, Notification, NotificationGroup
from monitor import clock
from monitor.agents.tables import Agent, AgentLive
from monitor.console.board import SHOWN_ALERTS
from monitor.db import Database
from monitor.ids import uuid7
from tests.console.conftest import HOSTILE, Scene
from tests.factories import make_agent, make_tenant

ESCAPED = "&lt;script&gt;window.hacked=1&lt;/script&gt;"


async def sign_in(client: httpx.AsyncClient, scene: Scene) -> httpx.Response:
    """Follow the link and press its button; the client keeps the cookie."""
    return await follow(client, scene.link)


async def follow(client: httpx.AsyncClient, link: str) -> httpx.Response:
    """Press the button of the page that a sign-in link leads to."""
    found = re.search(r'name="form" value="([0-9a-f]{64})"', (await client.get(link)).text)
    assert found is not None
    return await client.post(link, data={"form": found[1]})


def token_in(page: str) -> str:
    """The token that the forms of a page carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


async def test_without_a_session_a_page_says_how_to_get_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "agent-monitor sign-in" in answer.text


async def test_a_link_begins_a_session_whose_cookie_scripts_cannot_read(
    client: httpx.AsyncClient, scene: Scene
) -> None:
    answer = await sign_in(client, scene)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("token", ["forged", "é"])
async def test_a_link_that_we_did_not_make_begins_nothing(client: httpx.AsyncClient, token: str) -> None:
    for answer in (
        await client.get("/sign-in", params={"token": token}),
        await follow(client, str(httpx.URL("/sign-in", params={"token": token}))),
    ):
        assert answer.status_code == 401
        assert "agent_monitor_session" not in answer.headers["set-cookie"]


async def test_a_link_that_a_program_opens_begins_nothing(
    client: httpx.AsyncClient, scene: Scene, db: Database
) -> None:
    shown = await client.get(scene.link)
    assert shown.status_code == 200
    assert "agent_monitor_session" not in shown.headers["set-cookie"]
    # Another site's form, and one that was asked for by another browser.
    assert (await client.post(scene.link, data={"form": "f" * 64})).status_code == 403
    foreign = await client.post(scene.link, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    async with db.owner() as owner:
        assert (await owner.execute(text("SELECT count(*) FROM user_sessions"))).scalar() == 0


async def test_a_token_of_a_session_is_no_link_and_the_other_way_round(client: httpx.AsyncClient, scene: Scene) -> None:
    client.cookies.set("agent_monitor_session", scene.token)
    assert (await client.get("/")).status_code == 401
    client.cookies.clear()
    await sign_in(client, scene)
    session = client.cookies["agent_monitor_session"]
    assert (await client.get("/sign-in", params={"token": session})).status_code == 401


@pytest.mark.parametrize("address", ["/", "/console/board", "/alerts/{alert}"])
async def test_what_agents_send_is_shown_and_never_markup(
    client: httpx.AsyncClient, scene: Scene, address: str
) -> None:
    await sign_in(client, scene)
    page = await client.get(address.format(alert=scene.alert_id))
    assert page.status_code == 200
    assert ESCAPED in page.text
    assert HOSTILE not in page.text
    assert "<script>window" not in page.text
    assert "<img src=x" not in page.text


@pytest.mark.parametrize("address", ["/", "/alerts/{alert}", "/docs", "/sign-in"])
async def test_pages_run_scripts_of_ours_only(client: httpx.AsyncClient, scene: Scene, address: str) -> None:
    await sign_in(client, scene)
    page = await client.get(address.format(alert=scene.alert_id))
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert ("'unsafe-inline'" in policy) == (address == "/")
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=\"", page.text) == []


async def test_another_tenants_alert_is_not_there(client: httpx.AsyncClient, scene: Scene, db: Database) -> None:
    other = await make_tenant(db)
    own = await client.get(f"/alerts/{scene.alert_id}", headers=scene.tenant.headers)
    others = await client.get(f"/alerts/{scene.alert_id}", headers=other.headers)
    assert (own.status_code, others.status_code) == (200, 404)
    assert others.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(("deed", "status"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
async def test_a_button_changes_the_alert(
    client: httpx.AsyncClient, scene: Scene, db: Database, deed: str, status: str
) -> None:
    await sign_in(client, scene)
    page = f"/alerts/{scene.alert_id}"
    token = token_in((await client.get(page)).text)
    answer = await client.post(f"{page}/{deed}", data={"csrf": token})
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    async with db.tenant(scene.tenant.id) as connection:
        assert (await connection.execute(select(Alert.status))).scalar_one() == status
    shown = (await client.get(page)).text
    assert f"<dd>{status}" in shown
    assert f"user:{scene.tenant.user_id}" in shown


async def test_an_alert_is_snoozed_with_a_comment_and_the_snooze_ended(client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(client, scene)
    page = f"/alerts/{scene.alert_id}"
    token = token_in((await client.get(page)).text)
    form = {"csrf": token, "for": "4 hours", "comment": "<b>known</b>, vendor is on it"}
    assert (await client.post(f"{page}/snooze", data=form)).status_code == 303
    shown = (await client.get(page)).text
    assert "<dt>Snoozed</dt>" in shown
    assert "&lt;b&gt;known&lt;/b&gt;, vendor is on it" in shown
    assert (await client.post(f"{page}/snooze", data=form | {"for": "ever"})).status_code == 422
    assert (await client.post(f"{page}/comment", data=form | {"comment": "x" * 2001})).status_code == 422
    assert (await client.post(f"{page}/comment", data=form | {"comment": "back at nine"})).status_code == 303
    assert (await client.post(f"{page}/snooze", data=form | {"end": "snooze"})).status_code == 303
    shown = (await client.get(page)).text
    assert "back at nine" in shown
    assert "<dt>Snoozed</dt>" not in shown


async def test_a_comment_may_be_as_long_in_any_script_and_a_larger_form_is_refused(
    client: httpx.AsyncClient, scene: Scene
) -> None:
    await sign_in(client, scene)
    page = f"/alerts/{scene.alert_id}"
    token = token_in((await client.get(page)).text)
    said = "\U0001f525" * 2000
    assert (await client.post(f"{page}/comment", data={"csrf": token, "comment": said})).status_code == 303
    assert said in (await client.get(page)).text
    assert (await client.post(f"{page}/comment", data={"csrf": token, "comment": "x" * 30_000})).status_code == 413


async def test_an_alerts_page_has_the_messages_about_it_and_no_others(
    client: httpx.AsyncClient, scene: Scene, db: Database
) -> None:
    other, group_id = uuid7(clock.now()), uuid7(clock.now())
    mine = {"tenant_id": scene.tenant.id, "channel": "slack", "target": "#both"}
    async with db.tenant(scene.tenant.id) as connection:
        # A group of two alerts: one of its messages is about this one, and one about the other.
        await connection.execute(
            insert(NotificationGroup).values(id=group_id, alert_ids=[scene.alert_id, other], **mine)
        )
        for reason, about in (("DIGEST", scene.alert_id), ("RESOLVED", other)):
            message = {"id": uuid7(clock.now()), "group_id": group_id, "reason": reason, "alert_ids": [about]}
            await connection.execute(insert(Notification).values(why=f"why {reason}", **message, **mine))
    await sign_in(client, scene)
    page = (await client.get(f"/alerts/{scene.alert_id}")).text
    assert "why DIGEST" in page
    assert ">Digest<" in page
    assert "why RESOLVED" not in page


async def test_the_headline_counts_what_the_page_does_not_show(
    client: httpx.AsyncClient, scene: Scene, db: Database
) -> None:
    second, now = await make_agent(db, scene.tenant.id, "second"), clock.now()
    more = {"tenant_id": scene.tenant.id, "fingerprint": ""}
    rows: list[dict[str, Any]] = [
        {"rule": f"fails {number}", "agent_id": scene.agent_id, "severity": "critical", "triggered_at": now}
        for number in range(SHOWN_ALERTS)
    ]
    rows.append({"rule": "old", "agent_id": second, "severity": "warning", "triggered_at": now - timedelta(days=3)})
    async with db.tenant(scene.tenant.id) as connection:
        await connection.execute(insert(Alert), [{**row, **more, "id": uuid7(now)} for row in rows])
    await sign_in(client, scene)
    page = (await client.get("/")).text
    assert "52 alerts open" in page
    assert "51 critical; the oldest for 3 d; 0 of 2 agents well." in page
    assert 'and 2 more in <a href="/alerts">' in page
    assert "51 alerts</span>" in page
    assert "1 alert</span>" in page


async def test_the_headline_says_of_which_agents_it_speaks(
    client: httpx.AsyncClient, scene: Scene, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.console.board.READ_AGENTS", 20)
    ids = [uuid7(clock.now()) for _ in range(20)]
    more = {"tenant_id": scene.tenant.id, "agent_type": "coder"}
    rows = [{"id": one, "external_id": f"a-{one}", "name": "", "ping_token": str(one), **more} for one in ids]
    async with db.tenant(scene.tenant.id) as connection:
        await connection.execute(insert(Agent), rows)
        await connection.execute(insert(AgentLive), [{"tenant_id": scene.tenant.id, "agent_id": one} for one in ids])
    await sign_in(client, scene)
    page = (await client.get("/")).text
    assert "19 of the first 20 agents well." in page
    assert "and more than this page reads, at /api/v1/agents" in page


@pytest.mark.parametrize("address", ["/alerts/{alert}/acknowledge", "/alerts/{alert}/resolve", "/sign-out"])
@pytest.mark.parametrize("form", [{}, {"csrf": "0" * 64}, {"csrf": "é"}])
async def test_a_form_without_its_token_does_nothing(
    client: httpx.AsyncClient, scene: Scene, db: Database, address: str, form: dict[str, str]
) -> None:
    await sign_in(client, scene)
    answer = await client.post(address.format(alert=scene.alert_id), data=form)
    assert answer.status_code == 403
    async with db.tenant(scene.tenant.id) as connection:
        assert (await connection.execute(select(Alert.status))).scalar_one() == "open"
    assert (await client.get("/")).status_code == 200


async def test_signing_out_ends_the_session(client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(client, scene)
    token = token_in((await client.get("/")).text)
    assert (await client.post("/sign-out", data={"csrf": token})).status_code == 303
    assert (await client.get("/")).status_code == 401


async def test_the_charts_data_is_refused_for_an_unknown_range(client: httpx.AsyncClient, scene: Scene) -> None:
    await sign_in(client, scene)
    assert (await client.get("/console/chart.json?range=1h")).json()["p50"] == []
    assert (await client.get("/console/chart.json?range=9y")).status_code == 422


async def test_the_api_page_lists_every_route_of_the_description(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert "/api/v1/logs" in paths
    assert [path for path in paths if f"<code>{path}</code>" not in page] == []


@pytest.mark.parametrize("name", ["console.css", "board.js", "icon.svg", "plotly.min.js"])
async def test_files_come_packed_and_may_be_kept(client: httpx.AsyncClient, name: str) -> None:
    packed = await client.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"})
    plain = await client.get(f"/static/{name}", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert "max-age" in packed.headers["cache-control"]


@pytest.mark.parametrize("name", ["nothing.css", "..%2frender.py", "%2e%2e%2frender.py", ".."])
async def test_there_are_no_other_files(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/static/{name}")).status_code in {404, 401}
