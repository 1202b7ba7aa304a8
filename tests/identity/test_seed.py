"""The tenant to develop against: what is printed works, and is printed once."""

import re

import httpx
from sqlalchemy import text

from monitor import seeding
from monitor.db import Database
from tests.conftest import SettableClock
from tests.identity.conftest import sign_in


async def test_what_is_printed_works_and_is_stored_nowhere(
    client: httpx.AsyncClient, db: Database, clock: SettableClock
) -> None:
    said = "\n".join(await seeding.fill(db, clock))
    found = re.search(rf"{re.escape(seeding.EMAIL)}\s+(\S+)", said)
    assert found is not None
    password = found[1]
    keys = re.findall(r"am_\S+", said)
    assert len(keys) == 3
    assert (await sign_in(client, seeding.EMAIL, password)).status_code == 200
    listed = (await client.get("/api/v1/agents")).json()["items"]
    assert {one["external_id"]: one["agent_type"] for one in listed} == {
        external_id: kind for external_id, (_name, kind, _tags) in seeding.AGENTS.items()
    }
    listed = (await client.get("/api/v1/mcp-servers")).json()["items"]
    assert {one["slug"]: one["server_type"] for one in listed} == {"files": "stdio", "issues": "http"}
    answers = [
        (
            (await client.get("/api/v1/agents", headers={"X-API-Key": key})).status_code,
            (await client.get("/api/v1/api-keys", headers={"X-API-Key": key})).status_code,
        )
        for key in keys
    ]
    assert answers == [(200, 200), (403, 403), (200, 403)]
    async with db.owner() as owner:
        for table in ("users", "api_keys"):
            stored = " ".join((await owner.execute(text(f"SELECT x::text FROM {table} x"))).scalars())
            assert not any(secret in stored for secret in (password, *keys))
    assert await seeding.fill(db, clock) == ["the tenant 'development' is there already"]
