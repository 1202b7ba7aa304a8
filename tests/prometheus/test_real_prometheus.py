"""A real Prometheus, unchanged: it scrapes us and writes what it scraped back to us; both have the same samples."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor import clock
from monitor.db import Database
from monitor.ids import microseconds
from tests.factories import TenantMade, make_tenant
from tests.prometheus.server import Prometheus, running

Sample = tuple[int, float]
Samples = dict[tuple[tuple[str, str], ...], list[Sample]]
"""Milliseconds and values by labels."""

SENT = "SELECT s.metric, s.tags, a.external_id AS agent, x.at, x.value FROM samples x " \
    "JOIN series s ON s.tenant_id = x.tenant_id AND s.id = x.series_id " \
    "JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id"  # fmt: skip


@pytest.fixture
async def fleet(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def mirror(db: Database) -> TenantMade:
    """Whom Prometheus writes to: were it the tenant that it scrapes, it would scrape what it wrote."""
    return await make_tenant(db)


def configuration(url: str, fleet: TenantMade, mirror: TenantMade) -> dict[str, Any]:
    """What an operator writes."""
    target = [{"targets": [url.removeprefix("http://")]}]
    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": "monitor", "static_configs": target},
            {
                "job_name": "fleet", "static_configs": target, "metrics_path": "/api/v1/metrics/latest",
                "authorization": {"credentials": fleet.key},
            },
        ],
        "remote_write": [
            {
                "url": f"{url}/api/v1/write", "authorization": {"credentials": mirror.key}, "send_exemplars": True,
                "queue_config": {"batch_send_deadline": "1s"},
            }
        ],
    }  # fmt: skip


async def test_it_scrapes_us_and_writes_to_us(
    db: Database, url: str, fleet: TenantMade, mirror: TenantMade, tmp_path: Path
) -> None:
    rows = [
        {"agent": "akira", "metric": "gen_ai.tokens", "value": 12.5, "tags": {"model": 'm"1', "where to": "é"}},
        {"agent": "akira", "metric": "runs", "value": 7, "kind": "counter"},
        {"agent": "kaneda", "metric": "runs", "value": 8, "kind": "counter"},
    ]
    async with httpx.AsyncClient() as client:
        assert (await client.post(f"{url}/api/v1/metrics", json=rows, headers=fleet.headers)).status_code == 202
    async with running(tmp_path, configuration(url, fleet, mirror)) as prometheus:
        (tokens,) = await until(lambda: prometheus.ask("gen_ai_tokens"))
        labels = {name: tokens["metric"][name] for name in ("agent", "model", "where_to", "job")}
        assert labels == {"agent": "akira", "model": 'm"1', "where_to": "é", "job": "fleet"}
        assert tokens["value"][1] == "12.5"
        runs = {one["metric"]["agent"]: one["value"][1] for one in await prometheus.ask("runs_total")}
        assert runs == {"akira": "7", "kaneda": "8"}
        assert (await until(lambda: prometheus.ask('agent_monitor_commit_requests_count{job="monitor"}')))[0]

        await asyncio.sleep(5)
        cutoff = microseconds(clock.now()) // 1000 - 1500
        theirs = await _theirs(prometheus, cutoff)
        await until(lambda: _equal(db, mirror, cutoff, theirs))
        # Our own figures, the fleet's, and what Prometheus adds to each scrape.
        assert len(theirs) > 50
        assert sum(map(len, theirs.values())) > 200
        for name in ("failed", "dropped", "retried"):
            assert await prometheus.figure(f"prometheus_remote_storage_samples_{name}_total") == 0


async def _theirs(prometheus: Prometheus, cutoff: int) -> Samples:
    """Every sample that Prometheus has stored up to a time."""
    found = await prometheus.ask('{__name__!=""}[1h]', time=cutoff / 1000)
    return {
        tuple(sorted(one["metric"].items())): [(round(at * 1000), float(value)) for at, value in one["values"]]
        for one in found
    }


async def _equal(db: Database, tenant: TenantMade, cutoff: int, theirs: Samples) -> bool:
    """Whether what we have of them is the same, to the sample."""
    return await _ours(db, tenant, cutoff) == theirs


async def _ours(db: Database, tenant: TenantMade, cutoff: int) -> Samples:
    made: Samples = {}
    async with db.tenant(tenant.id) as connection:
        for row in await connection.execute(text(SENT)):
            labels = {"__name__": row.metric, **row.tags}
            if row.agent != labels["job"]:
                labels["agent"] = row.agent
            at_ms = microseconds(row.at) // 1000
            if at_ms <= cutoff:
                made.setdefault(tuple(sorted(labels.items())), []).append((at_ms, row.value))
    return {labels: sorted(samples) for labels, samples in made.items()}


async def until(found: Callable[[], Awaitable[Any]]) -> Any:
    """What is found, as soon as it is something."""
    for _ in range(300):
        if answer := await found():
            return answer
        await asyncio.sleep(0.2)
    raise TimeoutError
