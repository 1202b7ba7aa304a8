"""Conversations over HTTP: told of, changed, listed, idle, hidden and brought back; edits of what was said in them."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.errors import InvalidInput
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.conversations.saying import SHORT, history, rows, say
from tests.conversations.saying import URL as MESSAGES
from tests.factories import TenantMade, make_agent, make_key

URL = "/api/v1/conversations"


async def tell(api: httpx.AsyncClient, answers: int = 201, **values: Any) -> dict[str, Any]:
    answer = await api.post(URL, json=values)
    assert answer.status_code == answers, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_conversation_is_told_of_and_changed(
    api: httpx.AsyncClient, clock: SettableClock, tenant: TenantMade
) -> None:
    made = await tell(
        api, id="abc123", session_type="support", title="Plans", summary="", agent="akira-001",
        participants=["ada", "bob", "ada"], context={"room": 7}, settings={"tone": "dry"}, metadata={"k": "v"},
        user_id=str(tenant.user_id),
    )  # fmt: skip
    assert made == made | {
        "external_id": "abc123", "conversation_type": "support", "title": "Plans", "agent": "akira-001",
        "participants": ["ada", "bob"], "context": {"room": 7}, "settings": {"tone": "dry"}, "metadata": {"k": "v"},
        "user": str(tenant.user_id), "user_id": str(tenant.user_id), "status": "active", "last_sequence": 0,
        "completed_at": None,
    }  # fmt: skip
    assert await tell(api, 200, id="abc123") == made
    for key in ("abc123", made["id"]):
        assert (await api.get(f"{URL}/{key}")).json() == made
    clock.advance(5)
    ended = (await api.patch(f"{URL}/abc123", json={"status": "ended", "conversation_summary": "All done."})).json()
    assert (ended["status"], ended["summary"], ended["completed_at"] is not None, ended["title"]) == (
        "completed", "All done.", True, "Plans",
    )  # fmt: skip
    again = (await api.patch(f"{URL}/abc123", json={"status": "active", "user": None})).json()
    assert (again["status"], again["completed_at"], again["user"], again["user_id"]) == ("active", None, None, None)
    unnamed = await tell(api)
    assert (await api.get(f"{URL}/{unnamed['external_id']}")).json() == unnamed
    assert (await api.patch(f"{URL}/nobody", json={})).status_code == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"status": "idle"}, "status"),
        ({"id": "x" * 201}, "id"),
        ({"participants": "ada"}, "participants"),
        ({"participants": ["ada", None]}, "participants.1"),
        ({"context": []}, "context"),
        ({"started_at": 10}, "started_at: older"),
        ({"completed_at": "2026-01-01T00:00:00"}, "completed_at: the time has no zone"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, body: dict[str, Any], words: str
) -> None:
    answer = await api.post(URL, json={"id": "abc123"} | body)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
    assert await rows(db, tenant.id, "conversations") == []


async def test_the_end_is_not_before_the_start(api: httpx.AsyncClient, clock: SettableClock) -> None:
    now = clock().timestamp()
    answer = await api.post(URL, json={"started_at": now, "completed_at": now - 1})
    assert (answer.status_code, answer.json()["path"]) == (422, "completed_at")


@pytest.mark.parametrize(
    ("table", "change", "check"),
    [
        ("conversations", "status = 'idle'", "conversations_status_check"),
        ("conversations", "external_id = ''", "conversations_external_id_check"),
        ("conversations", "completed_at = started_at - interval '1 s'", "conversations_order_check"),
        ("conversations", "last_sequence = -1", "conversations_last_sequence_check"),
        ("messages", "role = 'robot'", "messages_role_check"),
        ("messages", "token_count = -1", "messages_amounts_check"),
        ("messages", "latency_ms = -1", "messages_amounts_check"),
        ("messages", "sequence_number = 0", "messages_amounts_check"),
    ],
)
async def test_the_database_refuses_it_too(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, table: str, change: str, check: str
) -> None:
    await say(api)
    with pytest.raises(InvalidInput, match=check):
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text(f"UPDATE {table} SET {change}"))


async def test_one_in_which_nothing_happens_is_idle(
    api: httpx.AsyncClient, clock: SettableClock, db: Database, tenant: TenantMade
) -> None:
    await say(api, conversation="old")
    clock.advance(20 * 60)
    await say(api, conversation="new")
    clock.advance(15 * 60)

    async def found(**query: Any) -> list[tuple[str, str]]:
        items = (await api.get(URL, params=query)).json()["items"]
        return [(one["external_id"], one["status"]) for one in items]

    assert await found() == [("new", "active"), ("old", "idle")]
    assert await found(status="idle") == [("old", "idle")]
    assert await found(status="active") == [("new", "active")]
    async with db.owner() as owner:
        given = {"id": tenant.id, "settings": '{"conversations": {"idle_after": "10m"}}'}
        await owner.execute(text("UPDATE tenants SET settings = CAST(:settings AS jsonb) WHERE id = :id"), given)
    assert await found(status="idle", sort="last_activity_at") == [("new", "idle"), ("old", "idle")]
    await say(api, conversation="old")
    assert await found(sort="last_activity_at") == [("old", "active"), ("new", "idle")]


async def test_conversations_are_found_by_what_they_are(api: httpx.AsyncClient, clock: SettableClock) -> None:
    for number in range(5):
        clock.advance(60)
        await tell(
            api, id=f"c-{number}", agent=f"agent-{number % 2}", user=f"user-{number % 2}", title=f"About {number}",
            participants=[f"p-{number % 2}"], type="group" if number else "support",
        )  # fmt: skip

    async def found(**query: Any) -> list[str]:
        return [one["external_id"] for one in (await api.get(URL, params=query)).json()["items"]]

    assert await found(agent="agent-1") == ["c-3", "c-1"]
    assert await found(user="user-0") == ["c-4", "c-2", "c-0"]
    assert await found(participant="p-1") == ["c-3", "c-1"]
    assert await found(type="support") == ["c-0"]
    assert await found(q="about 2") == ["c-2"]
    assert await found(since="-90s") == ["c-4", "c-3"]
    assert await found(agent="nobody") == []
    for sort in ("started_at", "last_activity_at"):
        pages, cursor = list[str](), None
        while True:
            query = {"limit": "2", "sort": sort} | ({"cursor": cursor} if cursor else {})
            page = (await api.get(URL, params=query)).json()
            pages += [one["external_id"] for one in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert pages == ["c-4", "c-3", "c-2", "c-1", "c-0"]
    first = (await api.get(URL, params={"limit": 1})).json()["next"]
    assert (await api.get(URL, params={"sort": "last_activity_at", "cursor": first})).status_code == 400


async def test_what_was_deleted_is_hidden_and_comes_back(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    made = await say(api, agent="akira-001")
    assert (await api.delete(f"{URL}/abc123")).status_code == 204
    for url in (f"{URL}/abc123", f"{URL}/abc123/messages", f"{MESSAGES}/{made['id']}"):
        assert (await api.get(url)).status_code == 404
    assert (await api.get(MESSAGES, params={"agent": "akira-001"})).json()["items"] == []
    for answer in (
        await api.post(MESSAGES, json=SHORT),
        await api.post(URL, json={"id": "abc123"}),
        await api.patch(f"{URL}/abc123", json={"title": "x"}),
        await api.patch(f"{MESSAGES}/{made['id']}", json={"content": "x"}),
        await api.delete(f"{URL}/abc123"),
    ):
        assert answer.status_code in (404, 409)
    (gone,) = (await api.get(URL, params={"deleted": True})).json()["items"]
    assert gone["external_id"] == "abc123"
    _key_id, reader = await make_key(db, tenant.id, scopes=(Scope.READ,))
    headers = {"Authorization": f"Bearer {reader}"}
    assert (await api.get(URL, params={"deleted": True}, headers=headers)).status_code == 403
    assert (await api.post(f"{URL}/abc123/restore")).json()["last_sequence"] == 1
    assert (await api.post(f"{URL}/abc123/restore")).status_code == 404
    assert await history(api) == [made]
    done = [row for row in await rows(db, tenant.id, "audit_logs", "id") if row["status"] == "success"]
    assert [row["action"] for row in done[-2:]] == ["conversation.deleted", "conversation.restored"]


async def test_an_edit_keeps_what_was_said_before(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    made = await say(api, id="m-1", content="one")
    url = f"{MESSAGES}/{made['id']}"
    assert (await api.get(f"{url}/edits")).json() == {"items": []}
    first = await api.patch(url, json={"content": "two", "metadata": {"why": "typo"}})
    assert (first.status_code, first.json()["content"], first.json()["edited_at"] is not None) == (200, "two", True)
    second = await api.patch(f"{MESSAGES}/m-1", params={"conversation": "abc123"}, json={"content": "three"})
    assert (second.json()["content"], second.json()["metadata"], second.json()["sequence_number"]) == (
        "three", {"why": "typo"}, 1,
    )  # fmt: skip
    # What changes nothing is no edit.
    assert (await api.patch(url, json={"content": "three"})).json() == second.json()
    found = (await api.get(f"{url}/edits")).json()["items"]
    assert [(one["version"], one["content"], one["edited_by"]) for one in found] == [
        (1, "one", tenant.principal.actor), (2, "two", tenant.principal.actor),
    ]  # fmt: skip
    late = await api.patch(url, json={"content": "x"}, headers={"If-Match": first.headers["etag"]})
    assert late.status_code == 412
    seen = (await api.get(url)).headers["etag"]
    assert (await api.patch(url, json={"content": "four"}, headers={"If-Match": seen})).status_code == 200
    assert (await api.patch(url, json={"role": "system"})).status_code == 422
    trail = [row for row in await rows(db, tenant.id, "audit_logs", "id") if row["action"] == "message.edited"]
    assert len(trail) == 3
    assert "two" not in str(trail)


async def test_who_saw_another_state_overwrites_nothing(api: httpx.AsyncClient) -> None:
    await tell(api, id="abc123")
    seen = (await api.get(f"{URL}/abc123")).headers["etag"]
    first = await api.patch(f"{URL}/abc123", json={"title": "a"}, headers={"If-Match": seen})
    assert first.status_code == 200
    assert (await api.patch(f"{URL}/abc123", json={"title": "b"}, headers={"If-Match": seen})).status_code == 412
    assert (await api.delete(f"{URL}/abc123", headers={"If-Match": seen})).status_code == 412
    kept = {"If-Match": first.headers["etag"]}
    assert (await api.delete(f"{URL}/abc123", headers=kept)).status_code == 204


async def test_a_bound_key_changes_no_other_agents(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    await tell(api, id="theirs", agent="yuki-002")
    said = await say(api, conversation="theirs", agent="yuki-002", role="assistant")
    agent_id = await make_agent(db, tenant.id)
    _key_id, key = await make_key(db, tenant.id, scopes=(Scope.INGEST,), agent_id=agent_id)
    headers = {"Authorization": f"Bearer {key}"}
    assert (await api.post(URL, json={"id": "mine", "agent": "akira-001"}, headers=headers)).status_code == 201
    for answer in (
        await api.post(URL, json={"id": "x", "agent": "yuki-002"}, headers=headers),
        await api.patch(f"{URL}/theirs", json={"title": "x"}, headers=headers),
        await api.patch(f"{MESSAGES}/{said['id']}", json={"content": "x"}, headers=headers),
    ):
        assert answer.status_code == 403
