"""`GET /api/v1/query`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from monitor.audit.store import Recorder
from monitor.clock import Clock
from monitor.http import problems
from monitor.http.deps import Deps
from monitor.identity.keys import Authenticator
from monitor.series import routes
from monitor.series.store import Kind
from monitor.settings import Settings
from tests.factories import TenantMade, make_agent, make_tenant
from tests.series.conftest import History, point

HOUR = timedelta(hours=1)


@pytest.fixture
async def tenant(history: History) -> TenantMade:
    """A tenant with a key."""
    return await make_tenant(history.db)


@pytest.fixture
async def client(history: History, clock: Clock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    """The route, asked with the tenant's key."""
    app = FastAPI()
    app.state.deps = Deps(
        settings=Settings(),
        db=history.db,
        series=history.store,
        authenticator=Authenticator(history.db, clock, secret_keys=("a key for tests only",)),
        audit=Recorder(clock),
        clock=clock,
        registry=CollectorRegistry(),
    )
    problems.install(app)
    app.include_router(routes.router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=tenant.headers) as made:
        yield made


async def ask(client: httpx.AsyncClient, **parameters: Any) -> list[Any]:
    """The lines of a good answer."""
    answer = await client.get("/api/v1/query", params={"metric": "latency_ms", **parameters})
    assert answer.status_code == 200, answer.text
    lines: list[Any] = answer.json()["series"]
    return lines


@pytest.fixture
async def agents(history: History, tenant: TenantMade, day: datetime) -> list[UUID]:
    """Two agents with latencies of two models."""
    made = [await make_agent(history.db, tenant.id, name) for name in ("akira-001", "akira-002")]
    points = [
        point(one, day + n * HOUR, 100.0 * i + n, metric="latency_ms", tags=(("env", "prod"), ("model", model)))
        for i, one in enumerate(made)
        for model in ("opus", "haiku")
        for n in range(3)
    ]
    await history.write(tenant.id, points)
    return made


async def test_lines_by_agent_and_model(client: httpx.AsyncClient, agents: list[UUID], day: datetime) -> None:
    start = day.timestamp()
    lines = await ask(
        client, reduce="max", step="2h", start=start, end=start + 10800, by="agent,model", where="env:prod"
    )
    assert [line["labels"] for line in lines] == [
        {"agent": agent, "model": model} for agent in ("akira-001", "akira-002") for model in ("haiku", "opus")
    ]
    assert lines[-1]["points"] == [[start, 101.0], [start + 7200, 102.0]]
    assert await ask(client, reduce="max", start=start, end=start + 10800, where="env:dev") == []


async def test_one_agent_by_either_name(client: httpx.AsyncClient, agents: list[UUID], day: datetime) -> None:
    span = {"start": day.isoformat(), "end": (day + 3 * HOUR).isoformat(), "reduce": "sum"}
    expected = [{"labels": {}, "points": [[day.timestamp(), 2 * (100.0 + 101.0 + 102.0)]]}]
    assert await ask(client, agent="akira-002", **span) == expected
    assert await ask(client, agent=str(agents[1]), **span) == expected
    assert await ask(client, agent="unknown", **span) == []


async def test_two_filters_hold_together(client: httpx.AsyncClient, agents: list[UUID], day: datetime) -> None:
    span = {"start": day.timestamp(), "end": (day + 3 * HOUR).timestamp(), "reduce": "count"}
    (line,) = await ask(client, where=["env:prod", "model:opus"], **span)
    assert line["points"][0][1] == 6


async def test_times_relative_to_now(
    client: httpx.AsyncClient, history: History, tenant: TenantMade, clock: Clock
) -> None:
    agent_id = await make_agent(history.db, tenant.id, "a")
    await history.write(tenant.id, [point(agent_id, clock() - 10 * HOUR, 5.0, metric="latency_ms")])
    (line,) = await ask(client, reduce="last", start="-24h")
    assert line["points"] == [[pytest.approx((clock() - 24 * HOUR).timestamp()), 5.0]]
    assert await ask(client, reduce="last", start="-24h", end="-11h") == []


async def test_a_value_past_all_doubles_is_null(
    client: httpx.AsyncClient, history: History, tenant: TenantMade, day: datetime
) -> None:
    agent_id = await make_agent(history.db, tenant.id, "a")
    huge = [point(agent_id, day + n * HOUR, 1.7e308, metric="latency_ms") for n in range(3)]
    await history.write(tenant.id, huge)
    for _ in range(2):
        for reduce in ("sum", "mean", "stddev"):
            (line,) = await ask(client, reduce=reduce, start=day.timestamp())
            assert line["points"][0][1] is None
        (line,) = await ask(client, reduce="max", start=day.timestamp())
        assert line["points"][0][1] == 1.7e308
        await history.settle(day + 30 * HOUR)


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"start": "yesterday"}, "start"),
        ({"start": "2026-03-01T12:00:00"}, "start"),
        ({"start": "-5x"}, "start"),
        ({"end": "9" * 30}, "end"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "start"),
        ({"start": "0001-01-01T00:00:00Z", "end": "9999-12-31T00:00:00Z"}, "start"),
        ({"step": "soon"}, "step"),
        ({"step": "0s"}, "step"),
        ({"step": "1s", "start": "-24h"}, "step"),
        ({"where": "prod"}, "where"),
        ({"where": ["env:prod", "env:dev"]}, "where"),
        ({"reduce": "rate"}, "reduce"),
    ],
)
async def test_faults_are_named(
    client: httpx.AsyncClient, history: History, tenant: TenantMade, parameters: dict[str, Any], path: str
) -> None:
    agent_id = await make_agent(history.db, tenant.id, "a")
    await history.write(tenant.id, [point(agent_id, datetime.now(UTC), 1.0, metric="m", kind=Kind.GAUGE)])
    answer = await client.get("/api/v1/query", params={"metric": "m", **parameters})
    assert answer.status_code == 422, answer.text
    assert answer.json()["path"] == path


async def test_an_unknown_reducer_and_no_key(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/query", params={"metric": "m", "reduce": "median"})
    assert answer.status_code == 422
    assert "reduce" in answer.text
    del client.headers["Authorization"]
    assert (await client.get("/api/v1/query", params={"metric": "m"})).status_code == 401
