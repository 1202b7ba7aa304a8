"""Whoever changes something is in the audit trail, and whoever tried and was refused: on every route that changes."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from monitor.app import create_app
from monitor.audit.store import BURST
from monitor.compose import make_deps
from monitor.db import Database
from monitor.ingest import Ingest
from monitor.principal import Scope
from monitor.settings import Settings
from tests.factories import make_key
from tests.http.furnished import furnish
from tests.http.furnished.made import Furnished
from tests.http.probes import PROBES, requests

TELLING = re.compile(
    r"\w+ /(?:api/v1/(?:logs|metrics|heartbeats|write|tasks|workflow-executions|tool-executions|interactions|feedback"
    r"|deployments|bounces|usage|messages|budgets/reservations|conversations)(?:/.*)?|api/v2/.*|write|v1/.*)"
)
"""What agents and other systems tell of: stored as such, nobody's change."""
LOOKING = re.compile(r".*/(?:preview|search|verdict)")
"""What changes nothing, although it takes a body."""
PEOPLES = {
    "DELETE /api/v1/bounces/{address}",
    "DELETE /api/v1/conversations/{conversation}",
    "POST /api/v1/conversations/{conversation}/restore",
    "DELETE /api/v1/conversations/{conversation}/states/{agent_type}",
}
"""Changes that people make of what was told."""
CHANGING = sorted(
    route
    for route in PROBES
    if not route.startswith("GET ") and (route in PEOPLES or not (TELLING.fullmatch(route) or LOOKING.fullmatch(route)))
)


@pytest.fixture
async def client(db: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the collector as it is served, without a key."""
    deps = make_deps(Settings(data_dir=tmp_path, disk_reserve=0, secret_keys=("a key for these tests",)), db)
    app = create_app(deps, Ingest(deps))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://collector") as made,
    ):
        yield made


@pytest.fixture
async def one(db: Database) -> Furnished:
    """Whose key is used."""
    return await furnish(db, "apple")


@pytest.fixture
async def two(db: Database) -> Furnished:
    """Whose belongings are to be changed."""
    return await furnish(db, "walnut")


async def trail(db: Database, whose: Furnished, status: str) -> list[dict[str, Any]]:
    async with db.tenant(whose.tenant.id) as connection:
        query = text("SELECT * FROM audit_logs WHERE status = :status AND id <> :made ORDER BY id")
        rows = await connection.execute(query, {"status": status, "made": whose.ids["audit"]})
        return [dict(row) for row in rows.mappings()]


def check(failure: dict[str, Any], route: str, *, actor: UUID, status: int) -> None:
    """A row that says who tried what, and why nothing came of it."""
    assert (failure["action"], failure["actor"]) == (route, f"key:{actor}")
    assert failure["metadata"]["status"] == status
    assert failure["error_message"]
    assert str(failure["ip_address"]) == "127.0.0.1"


@pytest.mark.parametrize("route", CHANGING)
async def test_who_changes_is_told_of_and_who_is_refused_too(
    db: Database, client: httpx.AsyncClient, one: Furnished, two: Furnished, route: str
) -> None:
    probe = PROBES[route]
    if probe.after is not None:
        method, address, given = next(requests(probe.after, two))
        await client.request(method, address, headers=two.tenant.headers, **given)
    method, address, given = next(requests(route, two))
    before = len(await trail(db, two, "success"))
    # Somebody else tries: their own trail has it, and the owner's has nothing of it.
    refused = await client.request(method, address, headers=one.tenant.headers, **given)
    failures = await trail(db, one, "failure")
    if refused.status_code >= 400:
        check(failures.pop(), route, actor=one.tenant.key_id, status=refused.status_code)
    assert failures == []
    assert await trail(db, two, "failure") == []
    # Who may only read tries.
    reader_id, reader = await make_key(db, two.tenant.id, scopes=(Scope.READ,))
    refused = await client.request(method, address, headers={"X-API-Key": reader}, **given)
    assert refused.status_code == 403
    (failure,) = await trail(db, two, "failure")
    check(failure, route, actor=reader_id, status=403)
    assert len(await trail(db, two, "success")) == before
    # The owner does it.
    done = await client.request(method, address, headers=two.tenant.headers, **given)
    if done.status_code < 400:
        new = (await trail(db, two, "success"))[before:]
        assert new, "nothing tells of it"
        assert {row["actor"] for row in new} == {f"key:{two.tenant.key_id}"}


async def test_who_tries_again_and_again_does_not_fill_the_trail(
    db: Database, client: httpx.AsyncClient, one: Furnished
) -> None:
    for _ in range(BURST + 30):
        refused = await client.delete("/api/v1/agents/nobody", headers=one.tenant.headers)
        assert refused.status_code == 404
    kept = await trail(db, one, "failure")
    assert BURST <= len(kept) < BURST + 30
    # What comes after a pause says how many were left out.
    await asyncio.sleep(1.1)
    await client.delete("/api/v1/agents/nobody", headers=one.tenant.headers)
    told = sum(row["metadata"].get("left_out", 0) for row in await trail(db, one, "failure"))
    assert told + len(kept) == BURST + 30
