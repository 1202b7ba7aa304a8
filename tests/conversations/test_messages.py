"""Messages over HTTP: posted one by one and in bulk, refused by name, told again, replied to, read back in pages."""

import json
from typing import Any

import httpx
import pytest

from monitor.db import Database
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.conversations.saying import SHORT, URL, history, rows, say
from tests.factories import TenantMade, make_agent, make_key, make_tenant


async def test_a_message_is_posted_and_read_back(api: httpx.AsyncClient, clock: SettableClock) -> None:
    asked = await say(api, id="m-1", user="ada", metadata={"client": "web"}, created_at=clock().isoformat())
    answered = await say(
        api, role="assistant", content="Two things.", agent="akira-001", agent_type="calendar", model="claude-opus-4-1",
        token_count=12, latency_ms=840, tool_calls=[{"name": "list_events"}], reply_to="m-1",
        attachments=["https://files.example/plan.pdf", "file-17", {"name": "a.png", "size": 7}],
    )  # fmt: skip
    assert asked == asked | {
        "external_id": "m-1", "conversation": "abc123", "sequence_number": 1, "role": "user", "user": "ada",
        "content": "What is due today?", "metadata": {"client": "web"}, "agent": None, "attachments": [],
        "edited_at": None,
    }  # fmt: skip
    assert answered == answered | {
        "external_id": None, "sequence_number": 2, "agent": "akira-001", "agent_type": "calendar", "token_count": 12,
        "latency_ms": 840, "tool_calls": [{"name": "list_events"}], "reply_to_id": asked["id"],
        "attachments": [
            {"url": "https://files.example/plan.pdf"}, {"id": "file-17"},
            {"name": "a.png", "size": 7},
        ],
    }  # fmt: skip
    assert await history(api) == [asked, answered]
    assert (await api.get(f"{URL}/{answered['id']}")).json() == answered
    assert (await api.get(f"{URL}/m-1", params={"conversation": "abc123"})).json() == asked
    assert (await api.get(f"{URL}/m-1")).status_code == 404
    assert (await api.get("/api/v1/agents/akira-001/status")).json()["last_seen_at"] is not None


async def test_every_name_that_the_documents_have_is_taken(api: httpx.AsyncClient) -> None:
    first = await say(api, user_id="ada", attachments=[])
    second = await api.post(
        URL,
        json={
            "session_id": "abc123", "message_type": "assistant", "content": "x", "agent_name": "yuki-002",
            "replied_to": first["id"], "timestamp": first["created_at"], "tokens": 3, "id": 17,
        },
    )  # fmt: skip
    assert second.status_code == 201, second.text
    made = second.json()
    assert (made["agent"], made["reply_to_id"], made["token_count"], made["external_id"], made["sequence_number"]) == (
        "yuki-002", first["id"], 3, "17", 2,
    )  # fmt: skip
    by_id = await api.post(
        URL,
        json={
            "conversation_id": first["conversation_id"],
            "role": "system",
            "content": "",
            "agent_id": made["agent_id"],
        },
    )
    assert (by_id.json()["sequence_number"], by_id.json()["agent"]) == (3, "yuki-002")


async def test_the_same_id_is_the_same_message(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    first = await say(api, id="m-1")
    assert await say(api, 200, id="m-1", content="something else") == first
    other = await say(api, id="m-1", conversation="xyz")
    assert (other["id"] != first["id"], other["sequence_number"]) == (True, 1)
    many = await api.post(URL, json=[SHORT | {"id": "m-2"}, SHORT | {"id": "m-2"}, SHORT | {"id": "m-1"}])
    assert many.status_code == 201
    assert [one["sequence_number"] for one in many.json()["items"]] == [2, 1]
    assert (await api.post(URL, json=[SHORT | {"id": "m-2"}])).status_code == 200
    assert len(await rows(db, tenant.id, "messages")) == 3


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({"conversation": None}, "conversation", "missing"),
        ({"conversation": "x" * 201}, "conversation", "1 to 200"),
        ({"conversation_id": "other"}, "conversation", "said more than once"),
        ({"role": "robot"}, "role", "one of user, assistant, system, tool"),
        ({"role": None}, "role", "one of"),
        ({"content": None}, "content", "text is expected"),
        ({"content": 7}, "content", "text is expected"),
        ({"token_count": -1}, "token_count", "negative"),
        ({"token_count": 1.5}, "token_count", "a whole number"),
        ({"latency_ms": -1}, "latency_ms", "negative"),
        ({"attachments": "x"}, "attachments", "an array"),
        ({"attachments": [{}]}, "attachments", "each is a URL"),
        ({"attachments": [{"data": "…"}]}, "attachments", "none of name"),
        ({"attachments": [{"url": "u", "size": -1}]}, "attachments", "size"),
        ({"attachments": ["x"] * 101}, "attachments", "at most 100"),
        ({"reply_to": "nobody"}, "reply_to", "no such message"),
        ({"metadata": []}, "metadata", "an object"),
        ({"created_at": "2026-01-01T00:00:00"}, "created_at", "no zone"),
        ({"created_at": 10}, "created_at", "older than what is kept"),
        ({"created_at": 99999999999}, "created_at", "future"),
        ({"surprise": 1}, "surprise", "none of the fields"),
        ({"id": ""}, "id", "1 to 200"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_and_leaves_nothing(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, body: dict[str, Any], path: str, words: str
) -> None:
    answer = await api.post(URL, json=SHORT | body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert answer.json()["path"] == path
    assert words in answer.json()["detail"]
    assert await rows(db, tenant.id, "conversations") == []


async def test_of_many_the_good_ones_are_kept_and_the_bad_ones_named(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    many: list[Any] = [
        SHORT | {"id": "a"},
        SHORT | {"role": "robot"},
        SHORT | {"reply_to": "a", "conversation": "xyz"},
        SHORT | {"reply_to": "a"},
        7,
        SHORT | {"reply_to": "later"},
        SHORT | {"id": "later"},
    ]
    answer = await api.post(URL, json=many)
    assert answer.status_code == 201, answer.text
    assert [one["sequence_number"] for one in answer.json()["items"]] == [1, 2, 3]
    assert [(one["index"], one["error"].partition(":")[0]) for one in answer.json()["rejected"]] == [
        (1, "role"), (2, "reply_to"), (4, "an object is expected"), (5, "reply_to"),
    ]  # fmt: skip
    # A conversation that was made for a row that is refused is not there.
    assert [row["external_id"] for row in await rows(db, tenant.id, "conversations")] == ["abc123"]
    lines = "\n".join(json.dumps(SHORT | {"content": str(n)}) for n in range(3)) + "\n{broken\n"
    answer = await api.post(URL, content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert (len(answer.json()["items"]), answer.json()["rejected"][0]["index"]) == (3, 3)
    none = await api.post(URL, json=[7, SHORT | {"role": "robot", "conversation": "nobody"}])
    assert (none.status_code, len(none.json()["rejected"])) == (422, 2)
    assert (await api.post(URL, json=[])).json() == {"items": [], "rejected": []}
    assert [row["external_id"] for row in await rows(db, tenant.id, "conversations")] == ["abc123"]


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"7", 400), (b"", 400), (b"[", 400)])
async def test_what_cannot_be_read(api: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await api.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert (await api.post(URL, content=body, headers={"Content-Type": "image/png"})).status_code == 415


async def test_ten_thousand_go_in_one_request_and_no_more(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    many = [{"conversation": f"c-{n % 7}", "role": "user", "content": "x", "id": n} for n in range(10_000)]
    answer = await api.post(URL, json=many)
    assert (answer.status_code, len(answer.json()["items"])) == (201, 10_000)
    for row in await rows(db, tenant.id, "conversations"):
        mine = [m for m in await rows(db, tenant.id, "messages", "id") if m["conversation_id"] == row["id"]]
        assert [message["sequence_number"] for message in mine] == list(range(1, row["last_sequence"] + 1))
        break
    assert (await api.post(URL, json=[*many, many[0]])).status_code == 413


async def test_a_key_is_answered_the_same_and_kept_once(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    headers = {"Idempotency-Key": "once"}
    many = [SHORT, SHORT | {"role": "robot"}]
    first = await api.post(URL, json=many, headers=headers)
    again = await api.post(URL, json=many, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert first.status_code == 201
    assert len(await rows(db, tenant.id, "messages")) == 1
    assert (await api.post(URL, json=SHORT, headers=headers)).status_code == 409
    one = [await api.post(URL, json=SHORT, headers={"Idempotency-Key": "two"}) for _ in range(2)]
    assert one[0].json() == one[1].json()
    assert (await api.post(URL, json=SHORT, headers={"Idempotency-Key": "x" * 201})).status_code == 422


async def test_pages_of_a_history_stay_while_messages_are_added(api: httpx.AsyncClient) -> None:
    await api.post(URL, json=[SHORT | {"content": str(n)} for n in range(1, 8)])
    url = "/api/v1/conversations/abc123/messages"
    first = (await api.get(url, params={"order": "desc", "limit": 3})).json()
    await say(api, content="8")
    second = (await api.get(url, params={"order": "desc", "limit": 3, "cursor": first["next"]})).json()
    last = (await api.get(url, params={"order": "desc", "limit": 3, "cursor": second["next"]})).json()
    assert [[one["content"] for one in page["items"]] for page in (first, second, last)] == [
        ["7", "6", "5"], ["4", "3", "2"], ["1"],
    ]  # fmt: skip
    assert last["next"] is None
    forward = (await api.get(url, params={"limit": 5})).json()
    rest = (await api.get(url, params={"limit": 5, "cursor": forward["next"]})).json()
    assert [one["sequence_number"] for one in forward["items"] + rest["items"]] == list(range(1, 9))
    assert (await api.get(url, params={"cursor": "WyJ4Il0"})).status_code == 400
    assert (await api.get("/api/v1/conversations/nobody/messages")).status_code == 404


async def test_messages_of_an_agent_over_all_conversations(api: httpx.AsyncClient, clock: SettableClock) -> None:
    for conversation in ("one", "two"):
        clock.advance(60)
        await say(api, conversation=conversation)
        for agent, kind in (("akira-001", "calendar"), ("yuki-002", "weather")):
            clock.advance(1)
            await say(api, conversation=conversation, role="assistant", agent=agent, agent_type=kind)

    async def found(**query: Any) -> list[tuple[str, str | None]]:
        items = (await api.get(URL, params=query)).json()["items"]
        return [(one["conversation"], one["agent"]) for one in items]

    assert await found(agent="akira-001") == [("two", "akira-001"), ("one", "akira-001")]
    assert await found(agent_type="weather", since="-30s") == [("two", "yuki-002")]
    assert await found(agent="nobody") == []
    assert await found(role="user", until="-30s") == [("one", None)]
    page = (await api.get(URL, params={"agent": "yuki-002", "limit": 1})).json()
    more = (await api.get(URL, params={"agent": "yuki-002", "limit": 1, "cursor": page["next"]})).json()
    assert [one["conversation"] for one in page["items"] + more["items"]] == ["two", "one"]
    assert [m["agent"] for m in await history(api, "one", agent_type="calendar")] == ["akira-001"]
    assert [m["agent"] for m in await history(api, "one", agent="yuki-002")] == ["yuki-002"]


async def test_replies_are_found_by_what_they_reply_to(api: httpx.AsyncClient) -> None:
    asked = await say(api, id="q")
    replies = [await say(api, reply_to=key) for key in ("q", asked["id"])]
    await say(api)
    for key in ("q", asked["id"]):
        assert await history(api, reply_to=key) == replies


async def test_what_is_redacted_for_the_tenant_is_redacted_here(api: httpx.AsyncClient) -> None:
    assert (await api.patch("/api/v1/tenant/privacy", json={"redact": ["emails"]})).status_code == 200
    made = await say(
        api, user="ada@example.com", content="write to ada@example.com", metadata={"cc": ["ada@example.com"]},
        tool_calls=[{"to": "ada@example.com"}], conversation="with ada@example.com",
    )  # fmt: skip
    assert "ada@example.com" not in json.dumps(made)
    assert made["user"].startswith("redacted-")
    again = await say(api, conversation="with ada@example.com")
    assert (again["conversation_id"], again["sequence_number"]) == (made["conversation_id"], 2)


async def test_a_bound_key_speaks_for_its_agent_only(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    agent_id = await make_agent(db, tenant.id)
    _key_id, key = await make_key(db, tenant.id, scopes=(Scope.INGEST,), agent_id=agent_id)
    headers = {"Authorization": f"Bearer {key}"}
    answer = await api.post(URL, json=SHORT | {"role": "assistant"}, headers=headers)
    assert (answer.status_code, answer.json()["agent"]) == (201, "akira-001")
    assert (await api.post(URL, json=SHORT, headers=headers)).json()["agent"] is None
    assert (await api.post(URL, json=SHORT | {"agent": "yuki-002"}, headers=headers)).status_code == 403
    _key_id, reader = await make_key(db, tenant.id, scopes=(Scope.READ,))
    assert (await api.post(URL, json=SHORT, headers={"Authorization": f"Bearer {reader}"})).status_code == 403


async def test_another_tenants_conversation_of_the_same_name_is_another(api: httpx.AsyncClient, db: Database) -> None:
    mine = await say(api, id="m-1")
    other = await make_tenant(db)
    theirs = await api.post(URL, json=SHORT | {"id": "m-1"}, headers=other.headers)
    assert (theirs.json()["sequence_number"], theirs.json()["id"] != mine["id"]) == (1, True)
    by_id = SHORT | {"conversation": mine["conversation_id"]}
    made = (await api.post(URL, json=by_id, headers=other.headers)).json()
    assert made["conversation_id"] != mine["conversation_id"]
    refused = await api.post(URL, json=SHORT | {"reply_to": mine["id"]}, headers=other.headers)
    assert refused.status_code == 422
    assert len(await history(api)) == 1
