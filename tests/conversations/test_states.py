"""States of agents: one for each conversation and type, with a version that guards against lost updates."""

import asyncio

import httpx

from monitor.db import Database
from tests.conversations.saying import rows, say
from tests.factories import TenantMade

URL = "/api/v1/conversations/abc123/states"


async def test_a_state_is_kept_replaced_and_read(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    """Before anybody told of its conversation, and afterwards by that one's id too."""
    assert (await api.get(f"{URL}/calendar")).status_code == 404
    first = await api.put(f"{URL}/calendar", json={"state": {"step": 1}, "agent": "akira-001"})
    assert (first.status_code, first.json()["version"], first.headers["etag"]) == (201, 1, '"1"')
    second = await api.put(f"{URL}/calendar", json={"state": {"step": 2}})
    assert (second.status_code, second.json()["version"]) == (200, 2)
    assert (second.json()["state"], second.json()["agent"]) == ({"step": 2}, "akira-001")
    await api.put(f"{URL}/weather", json={"state": {}})
    made = await say(api)
    by_id = f"/api/v1/conversations/{made['conversation_id']}/states"
    assert (await api.get(f"{by_id}/calendar")).json() == second.json()
    for url in (URL, by_id):
        assert [one["agent_type"] for one in (await api.get(url)).json()["items"]] == ["calendar", "weather"]
    assert len(await rows(db, tenant.id, "agent_states")) == 2


async def test_who_saw_another_version_overwrites_nothing(api: httpx.AsyncClient) -> None:
    await api.put(f"{URL}/calendar", json={"state": {"n": 0}})
    kept = await api.put(f"{URL}/calendar", json={"state": {"n": 1}}, headers={"If-Match": '"1"'})
    assert (kept.status_code, kept.headers["etag"]) == (200, '"2"')
    for match in ('"1"', "nonsense"):
        late = await api.put(f"{URL}/calendar", json={"state": {"n": 9}}, headers={"If-Match": match})
        assert late.status_code == 412
        assert (await api.delete(f"{URL}/calendar", headers={"If-Match": match})).status_code == 412
    assert (await api.get(f"{URL}/calendar")).json()["state"] == {"n": 1}
    missing = await api.put(f"{URL}/other", json={"state": {}}, headers={"If-Match": '"1"'})
    assert missing.status_code == 412
    assert (await api.delete(f"{URL}/calendar", headers={"If-Match": '"2"'})).status_code == 204
    assert (await api.delete(f"{URL}/calendar")).status_code == 404


async def test_of_many_who_saw_the_same_version_one_is_kept(api: httpx.AsyncClient) -> None:
    """And of many who saw none there is one row, which counted them all."""
    answers = await asyncio.gather(*(api.put(f"{URL}/calendar", json={"state": {"n": n}}) for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert (await api.get(f"{URL}/calendar")).json()["version"] == 12
    answers = await asyncio.gather(
        *(api.put(f"{URL}/calendar", json={"state": {"n": n}}, headers={"If-Match": '"12"'}) for n in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 11


async def test_what_cannot_be_a_state(api: httpx.AsyncClient) -> None:
    for body, status in (
        (b'{"state": []}', 422),
        (b'{"state": {}, "surprise": 1}', 422),
        (b'{"state": {"a": "\\u0000"}}', 422),
        (b"{}", 422),
        (b"{", 400),
        (b'{"state": {"a": "%s"}}' % (b"x" * (1 << 20)), 413),
    ):
        assert (await api.put(f"{URL}/calendar", content=body)).status_code == status
    assert (await api.put(f"{URL}/{'x' * 201}", json={"state": {}})).status_code == 422


async def test_states_are_redacted_as_everything_is(api: httpx.AsyncClient) -> None:
    await api.patch("/api/v1/tenant/privacy", json={"redact": ["emails"]})
    kept = await api.put(f"{URL}/calendar", json={"state": {"to": ["ada@example.com"]}})
    assert "ada@example.com" not in kept.text
