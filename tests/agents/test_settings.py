"""What an agent is made of: settings and their bounds, versions, values by key, what was deleted, lost updates."""

from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.errors import InvalidInput
from monitor.principal import Scope
from tests.factories import TenantMade, make_agent, make_key

URL = "/api/v1/agents"
MADE = {
    "external_id": "akira-001", "role": "Lead developer", "backstory": "Ten years of compilers.", "emoji": "🦊",
    "model_provider": "anthropic", "model": "claude-opus-4-1", "temperature": 0.7, "max_tokens": 4096,
    "system_prompt": "You review code.", "tools": ["read_file"], "capabilities": ["review"], "timeout_seconds": 30.5,
    "max_iterations": 12, "memory_enabled": True,
}  # fmt: skip


async def make(api: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    answer = await api.post(URL, json=MADE | values)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def actions(db: Database, tenant: TenantMade) -> list[str]:
    query = text("SELECT action FROM audit_logs WHERE status = 'success' ORDER BY id")
    async with db.tenant(tenant.id) as connection:
        return list((await connection.execute(query)).scalars())


async def test_settings_are_made_read_and_changed(api: httpx.AsyncClient) -> None:
    made = await make(api)
    assert made == made | MADE | {"settings_version": 1}
    assert (await api.get(f"{URL}/akira-001")).json() == made
    (listed,) = (await api.get(URL)).json()["items"]
    # Lists leave the long ones out.
    assert listed == {name: value for name, value in made.items() if name not in ("backstory", "system_prompt")}
    bare = await api.post(URL, json={"external_id": "bare"})
    assert (bare.json()["temperature"], bare.json()["tools"], bare.json()["memory_enabled"]) == (None, [], False)
    changed = await api.patch(f"{URL}/akira-001", json={"temperature": None, "tools": []})
    assert (changed.json()["temperature"], changed.json()["tools"], changed.json()["model"]) == (
        None, [], "claude-opus-4-1",
    )  # fmt: skip


BOUNDS = [
    ("temperature", -0.1), ("temperature", 2.1), ("max_tokens", 0), ("max_tokens", -1), ("timeout_seconds", 0),
    ("max_iterations", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BOUNDS)
async def test_a_setting_out_of_its_bounds_is_refused_by_the_api(
    api: httpx.AsyncClient, name: str, value: float
) -> None:
    for answer in (
        await api.post(URL, json=MADE | {name: value}),
        await api.patch(f"{URL}/{(await make(api))['id']}", json={name: value}),
    ):
        assert answer.status_code == 422, answer.text
        assert [fault["path"] for fault in answer.json()["errors"]] == [name]


@pytest.mark.parametrize(("name", "value"), [*BOUNDS, ("temperature", float("nan")), ("settings_version", 0)])
async def test_a_setting_out_of_its_bounds_is_refused_by_the_database(
    db: Database, tenant: TenantMade, name: str, value: float
) -> None:
    await make_agent(db, tenant.id)
    with pytest.raises(InvalidInput, match=f"agents_{name}_check") as refused:
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text(f"UPDATE agents SET {name} = :value"), {"value": value})
    fault = refused.value.__cause__.orig  # type: ignore[union-attr]
    assert isinstance(fault, psycopg.errors.CheckViolation)
    assert fault.sqlstate == "23514"


@pytest.mark.parametrize(("name", "least", "most"), [("temperature", 0, 2), ("max_tokens", 1, 10**15)])
async def test_the_bounds_themselves_are_good(api: httpx.AsyncClient, name: str, least: float, most: float) -> None:
    made = await make(api, **{name: least})
    changed = await api.patch(f"{URL}/akira-001", json={name: most})
    assert (made[name], changed.json()[name]) == (least, most)


async def test_a_change_of_settings_is_a_version_that_can_be_restored(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    made = await make(api)
    url = f"{URL}/akira-001/versions"
    (first,) = (await api.get(url)).json()["items"]
    assert (first["version"], first["settings"]["system_prompt"]) == (1, "You review code.")
    changed = await api.patch(f"{URL}/akira-001", json={"system_prompt": "Be brief.", "temperature": 0})
    assert changed.json()["settings_version"] == 2
    # What runs no other way is no version; nor is a change that changes nothing.
    for other in ({"description": "x"}, {"temperature": 0}, {"emoji": "🐙"}):
        assert (await api.patch(f"{URL}/akira-001", json=other)).json()["settings_version"] == 2
    page = (await api.get(url, params={"limit": 1})).json()
    rest = (await api.get(url, params={"limit": 1, "cursor": page["next"]})).json()
    found = page["items"] + rest["items"]
    assert [(one["version"], one["settings"]["temperature"]) for one in found] == [(2, 0), (1, 0.7)]
    assert found[0]["changed_by"] == tenant.principal.actor
    back = await api.post(f"{url}/1/restore")
    assert back.status_code == 200, back.text
    settings = ("system_prompt", "temperature", "tools", "model", "capabilities", "max_tokens")
    assert [back.json()[name] for name in settings] == [made[name] for name in settings]
    assert (back.json()["settings_version"], back.json()["description"]) == (3, "x")
    assert (await api.post(f"{url}/7/restore")).status_code == 404
    assert "agent.settings_restored" in await actions(db, tenant)


async def test_an_agent_that_registered_itself_has_versions_from_its_first_change(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    await api.post("/api/v1/heartbeats", json={"agent": "yuki-002"})
    await api.patch(f"{URL}/yuki-002", json={"model": "claude-opus-4-1"})
    found = (await api.get(f"{URL}/yuki-002/versions")).json()["items"]
    assert [(one["version"], one["settings"]["model"], one["changed_by"]) for one in found] == [
        (2, "claude-opus-4-1", tenant.principal.actor), (1, None, "unknown"),
    ]  # fmt: skip


async def test_who_saw_another_state_overwrites_nothing(api: httpx.AsyncClient) -> None:
    await make(api)
    seen = (await api.get(f"{URL}/akira-001")).headers["etag"]
    # What the agent itself does is no change of what people set.
    await api.post("/api/v1/heartbeats", json={"agent": "akira-001"})
    assert (await api.get(f"{URL}/akira-001")).headers["etag"] == seen
    first = await api.patch(f"{URL}/akira-001", json={"model": "a"}, headers={"If-Match": seen})
    assert (first.status_code, first.headers["etag"] != seen) == (200, True)
    for late in (
        await api.patch(f"{URL}/akira-001", json={"model": "b"}, headers={"If-Match": seen}),
        await api.delete(f"{URL}/akira-001", headers={"If-Match": seen}),
        await api.post(f"{URL}/akira-001/versions/1/restore", headers={"If-Match": seen}),
    ):
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    again = await api.patch(f"{URL}/akira-001", json={"model": "b"}, headers={"If-Match": first.headers["etag"]})
    assert (again.json()["model"], again.json()["settings_version"]) == ("b", 3)


async def test_what_was_deleted_comes_back(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    made = await make(api)
    assert (await api.delete(f"{URL}/akira-001")).status_code == 200
    assert (await api.get(f"{URL}/akira-001")).status_code == 404
    assert (await api.get(URL)).json()["items"] == []
    assert [one["id"] for one in (await api.get(URL, params={"deleted": True})).json()["items"]] == [made["id"]]
    _key_id, reader = await make_key(db, tenant.id, scopes=(Scope.READ,))
    headers = {"Authorization": f"Bearer {reader}"}
    assert (await api.get(URL, params={"deleted": True}, headers=headers)).status_code == 403
    taken = await api.post(URL, json=MADE)
    assert (taken.status_code, f"{URL.removeprefix('/api/v1')}/{made['id']}/restore" in taken.json()["detail"]) == (
        409, True,
    )  # fmt: skip
    refused = await api.post("/api/v1/heartbeats", json={"agent": "akira-001"})
    assert refused.status_code == 422
    back = await api.post(f"{URL}/akira-001/restore")
    assert (back.status_code, back.json()["model"], back.json()["retired_at"]) == (200, "claude-opus-4-1", None)
    assert (await api.post(f"{URL}/akira-001/restore")).status_code == 404
    assert (await actions(db, tenant))[-2:] == ["agent.deleted", "agent.restored"]
    assert (await api.post(URL, json=MADE)).json()["detail"] == "an agent with this external_id exists already"


async def test_values_by_key(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    await make(api)
    url = f"{URL}/akira-001/configuration"
    first = await api.put(f"{url}/rate_limit", json={"value": "100"})
    assert (first.status_code, first.json()["value"], first.json()["active"]) == (200, "100", True)
    await api.put(f"{url}/llm_model", json={"value": "gpt-4", "active": False})
    again = await api.put(f"{url}/rate_limit", json={"value": "200"}, headers={"If-Match": first.headers["etag"]})
    assert again.json()["value"] == "200"
    late = await api.put(f"{url}/rate_limit", json={"value": "300"}, headers={"If-Match": first.headers["etag"]})
    assert late.status_code == 412
    found = (await api.get(url)).json()["items"]
    assert [(one["key"], one["value"], one["active"]) for one in found] == [
        ("llm_model", "gpt-4", False), ("rate_limit", "200", True),
    ]  # fmt: skip
    assert (await api.delete(f"{url}/llm_model")).status_code == 204
    assert (await api.delete(f"{url}/llm_model")).status_code == 404
    assert (await api.put(f"{url}/{'x' * 201}", json={"value": ""})).status_code == 422
    assert (await actions(db, tenant)).count("agent.configured") == 4


async def test_a_key_of_no_length_is_refused_by_the_database(db: Database, tenant: TenantMade) -> None:
    agent_id = await make_agent(db, tenant.id)
    with pytest.raises(InvalidInput, match="agent_configurations_key_check"):
        async with db.tenant(tenant.id) as connection:
            await connection.execute(
                text("INSERT INTO agent_configurations (tenant_id, agent_id, key, value) VALUES (:t, :a, '', 'x')"),
                {"t": tenant.id, "a": agent_id},
            )
