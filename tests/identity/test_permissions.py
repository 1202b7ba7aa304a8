"""What a role may do, verb by verb; what a member is granted beyond it, and how soon it is taken away."""

import asyncio
from itertools import count
from uuid import UUID

import httpx
import pytest

from monitor.db import Database
from tests.factories import TenantMade
from tests.identity.conftest import LOGIN, make_person, sign_in

_NUMBERS = count()


async def _read(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get("/api/v1/agents")


async def _respond(client: httpx.AsyncClient) -> httpx.Response:
    body = {"matchers": ["agent=a"], "ends_at": "2099-01-01T00:00:00Z", "comment": "c"}
    return await client.post("/api/v1/silences", json=body)


async def _write(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/v1/agents", json={"external_id": f"agent-{next(_NUMBERS)}"})


async def _write_elsewhere(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post(
        "/api/v1/channels", json={"name": f"channel-{next(_NUMBERS)}", "kind": "slack", "target": "#n"}
    )


async def _ingest(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/v1/logs", json={"agent": "a", "status": "success"})


async def _administer(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/v1/api-keys", json={"name": "k"})


DEEDS = {
    "read": _read, "respond": _respond, "write": _write, "write elsewhere": _write_elsewhere, "ingest": _ingest,
    "administer": _administer,
}  # fmt: skip
MAY = {
    "owner": set(DEEDS),
    "admin": set(DEEDS),
    "member": {"read", "respond", "write", "write elsewhere"},
    "on-call": {"read", "respond"},
    "viewer": {"read"},
}


async def _allowed(client: httpx.AsyncClient) -> set[str]:
    """What whoever is signed in may do, tried."""
    answers = {name: (await deed(client)).status_code for name, deed in DEEDS.items()}
    assert set(answers.values()) <= {200, 201, 202, 403}, answers
    return {name for name, status in answers.items() if status != 403}


@pytest.mark.parametrize("role", MAY)
async def test_a_role_may_do_this_and_no_more(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, hashed: str, role: str
) -> None:
    await make_person(db, tenant.id, "one@example.com", role=role, password_hash=hashed)
    assert (await sign_in(client, "one@example.com")).status_code == 200
    assert await _allowed(client) == MAY[role]


@pytest.mark.parametrize(
    ("granted", "lets"),
    [
        ("agents:write", {"read", "write"}),
        ("alerts:write", {"read", "write elsewhere"}),
        ("agents:execute", {"read"}),
        ("alerts", {"read", "respond"}),
        ("ingest", {"read", "ingest"}),
        ("write", {"read", "write", "write elsewhere"}),
    ],
)
async def test_a_grant_lets_that_through_and_is_gone_within_a_second(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, ann: UUID, granted: str, lets: set[str]
) -> None:
    address = f"/api/v1/members/{LOGIN}"

    async def grant(*grants: str) -> None:
        """Make her a viewer who has these, with the key of an administrator."""
        body = {"role": "viewer", "permissions": list(grants)}
        answer = await client.patch(address, json=body, headers=tenant.headers)
        assert (answer.status_code, answer.json()["permissions"]) == (200, list(grants)), answer.text
        await asyncio.sleep(1)

    await grant(granted)
    await sign_in(client)
    assert await _allowed(client) == lets
    await grant()
    assert await _allowed(client) == {"read"}
