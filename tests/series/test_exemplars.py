"""Exemplars: stored once, read back by metric, time and tags, of the tenant alone."""

from typing import Any

import httpx
import pytest

from monitor.db import Database
from monitor.ids import microseconds
from monitor.series import exemplars
from monitor.series.exemplars import Exemplar
from tests.conftest import SettableClock
from tests.factories import make_agent, make_tenant
from tests.http.application import serving

MINUTE = 60_000_000


@pytest.mark.parametrize("again", [1, 3])
async def test_an_exemplar_is_read_back_however_often_it_came(db: Database, clock: SettableClock, again: int) -> None:
    tenant, other = await make_tenant(db), await make_tenant(db)
    agent_id = await make_agent(db, tenant.id, "akira")
    now_us = microseconds(clock())
    tags = (("model", "m"),)
    made = [
        Exemplar(agent_id, "latency", tags, now_us - 2 * MINUTE, 812.0, "a" * 32, "b" * 16, b'{"user":"u"}'),
        Exemplar(agent_id, "latency", (), now_us - MINUTE, 7.5, "c" * 32, None, b"{}"),
        Exemplar(agent_id, "latency", (), now_us - 120 * MINUTE, 1.0, "d" * 32, None, b"{}"),
        Exemplar(agent_id, "other", (), now_us - MINUTE, 7.5, "c" * 32, None, b"{}"),
    ]
    for _ in range(again):
        await exemplars.store(db, tenant.id, made + made)

    async with serving(db, clock) as client:
        found = await _ask(client, tenant.headers)
        assert [one["value"] for one in found] == [7.5, 812.0]
        assert found[1] | {"at": None} == {
            "agent": "akira", "metric": "latency", "tags": {"model": "m"}, "at": None, "value": 812.0,
            "trace_id": "a" * 32, "span_id": "b" * 16, "attributes": {"user": "u"},
        }  # fmt: skip
        assert [one["value"] for one in await _ask(client, tenant.headers, where="model:m")] == [812.0]
        assert [one["value"] for one in await _ask(client, tenant.headers, where="agent:akira", limit=1)] == [7.5]
        assert len(await _ask(client, tenant.headers, start="-3h")) == 3
        assert await _ask(client, tenant.headers, end="-30m") == []
        assert await _ask(client, other.headers) == []


async def _ask(client: httpx.AsyncClient, headers: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/exemplars", params={"metric": "latency", **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items
