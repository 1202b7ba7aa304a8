"""Who signs in may do what their role says, as long as they are members."""

from datetime import UTC, datetime

import httpx
import pytest

from monitor.db import Database
from monitor.identity.links import Links, Purpose
from monitor.identity.store import insert_member, remove_member
from monitor.settings import Settings
from tests.console.conftest import Scene
from tests.console.test_pages import follow, token_in


async def join(client: httpx.AsyncClient, scene: Scene, db: Database, settings: Settings, *, role: str) -> None:
    """Become a member and sign in."""
    async with db.owner() as owner:
        user = await insert_member(owner, scene.tenant.id, email="x@example.com", role=role, now=datetime.now(UTC))
    token = Links(settings.secret_keys).make(Purpose.SIGN_IN, scene.tenant.id, user)
    assert (await follow(client, f"/sign-in?token={token}")).status_code == 303


@pytest.mark.parametrize(
    ("role", "may"),
    [("owner", True), ("admin", True), ("member", True), ("on-call", True), ("viewer", False)],
)
async def test_a_role_says_who_may_respond(
    client: httpx.AsyncClient, scene: Scene, db: Database, settings: Settings, role: str, may: bool
) -> None:
    await join(client, scene, db, settings, role=role)
    page = f"/alerts/{scene.alert_id}"
    shown = await client.get(page)
    assert shown.status_code == 200
    assert ("Acknowledge</button>" in shown.text) is may
    token = token_in(shown.text)
    for deed in ("comment", "snooze", "acknowledge", "resolve"):
        answer = await client.post(f"{page}/{deed}", data={"csrf": token, "for": "1 hour", "comment": "c"})
        assert answer.status_code == (303 if may else 403), deed
    silence = {"matchers": ["agent=a"], "ends_at": "2099-01-01T00:00:00Z", "comment": "c"}
    assert (await client.post("/api/v1/silences", json=silence)).status_code == (201 if may else 403)
    writes = (await client.post("/api/v1/channels", json={"name": "n", "kind": "slack", "target": "#n"})).status_code
    assert writes == (201 if role in ("owner", "admin", "member") else 403)


async def test_whoever_is_no_member_any_more_is_signed_out(
    client: httpx.AsyncClient, scene: Scene, db: Database, settings: Settings
) -> None:
    await join(client, scene, db, settings, role="admin")
    assert (await client.get("/")).status_code == 200
    async with db.owner() as owner:
        await remove_member(owner, scene.tenant.id, "x@example.com")
    answer = await client.get("/")
    assert answer.status_code == 401
    assert "not valid any more" in answer.text
