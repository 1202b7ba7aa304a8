"""The audit trail as a file, over HTTP and as a command; and what of it is asked for."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from monitor.audit import export
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from tests.conftest import SettableClock, urls
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving
from tests.stage import VARIABLES
from tests.usage.test_prices_cli import run

LOGS = "/api/v1/audit-logs"


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        for number in range(5):
            clock.advance(1)
            await client.post("/api/v1/workflows", json={"name": f"w{number}"})
        clock.advance(1)
        await client.delete("/api/v1/workflows/nowhere", headers={"User-Agent": "=cmd|'/c calc'!A0"})
        yield client


def read(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_all_of_it_comes_in_one_file_however_it_is_read(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = (await api.get(LOGS)).json()["items"]
    assert [entry["action"] for entry in listed] == ["DELETE /api/v1/workflows/{workflow}", *["workflow.created"] * 5]
    for portion in (1000, 6, 2, 1):
        monkeypatch.setattr(export, "PORTION", portion)
        answer = await api.get(f"{LOGS}/export")
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["content-disposition"] == 'attachment; filename="audit-logs.ndjson"'
        assert read(answer) == listed
    answer = await api.get(f"{LOGS}/export", params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["id"] for row in rows] == [entry["id"] for entry in listed]
    # No spreadsheet takes what a client calls itself for a formula.
    assert rows[0]["user_agent"] == "'=cmd|'/c calc'!A0"
    assert json.loads(rows[1]["new_values"]) == listed[1]["new_values"]


async def test_what_is_asked_for_comes(api: httpx.AsyncClient, tenant: TenantMade, clock: SettableClock) -> None:
    (failure,) = read(await api.get(f"{LOGS}/export", params={"status": "failure"}))
    assert failure["error_message"] == "there is no such workflow"
    assert (failure["resource_type"], failure["resource_id"]) == ("workflow", "nowhere")
    assert failure["metadata"] == {"status": 404, "code": "not_found"}
    fifth = read(await api.get(f"{LOGS}/export", params={"action": "workflow.created"}))[0]
    for wanted in (
        {"resource_id": fifth["resource_id"]},
        {"since": fifth["at"], "until": failure["at"]},
        {"actor": f"key:{tenant.key_id}", "resource_type": "workflow", "since": fifth["at"], "status": "success"},
    ):
        assert read(await api.get(f"{LOGS}/export", params=wanted)) == [fifth]
        assert (await api.get(LOGS, params=wanted)).json()["items"] == [fifth]
    assert read(await api.get(f"{LOGS}/export", params={"actor": "user:nobody"})) == []
    assert read(await api.get(f"{LOGS}/export", params={"user": str(tenant.user_id)})) == []
    assert (await api.get(f"{LOGS}/export", params={"since": "2026-01-01T00:00:00"})).status_code == 422


async def test_a_command_writes_it(
    api: httpx.AsyncClient, postgres: EmbeddedPostgres, database_name: str, tenant: TenantMade
) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    code, lines = await run(env, "audit", "export", tenant.slug)
    assert (code, [json.loads(line) for line in lines]) == (0, (await api.get(LOGS)).json()["items"])
    code, lines = await run(env, "audit", "export", tenant.slug, "--format", "csv", "--status", "failure")
    assert (code, len(lines)) == (0, 2)
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    assert await run(env, "audit", "export", tenant.slug, "--since", later) == (0, [])
    assert await run(env, "audit", "export", "nobody") == (1, ["agent-monitor: there is no tenant 'nobody'"])
