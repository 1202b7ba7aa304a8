"""OpenTelemetry's metrics and logs from the request to the table and back: points, exemplars, lines."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from monitor.db import Database
from monitor.ids import microseconds
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving

NAME, AGENT = "gen_ai.client.operation.duration", "akira-001"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        yield client


def texts(**said: str) -> list[dict[str, Any]]:
    return [{"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in said.items()]


def histogram(at_us: int, start_us: int, counts: list[int]) -> dict[str, Any]:
    """A cumulative one, as an SDK sends it every minute."""
    point = {
        "attributes": texts(gen_ai__agent__name=AGENT, gen_ai__request__model="m"),
        "startTimeUnixNano": str(start_us * 1000), "timeUnixNano": str(at_us * 1000), "count": str(sum(counts)),
        "sum": 2.5 * sum(counts), "explicitBounds": [1, 2, 4], "bucketCounts": [str(count) for count in counts],
        "exemplars": [{"timeUnixNano": str(at_us * 1000), "asDouble": 3.5, "traceId": TRACE, "spanId": SPAN}],
    }  # fmt: skip
    metric = {"name": NAME, "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}}
    resource = {"attributes": texts(service__name="fleet")}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}


async def test_a_histogram_can_be_asked_for_by_rules_and_pages(api: httpx.AsyncClient, clock: SettableClock) -> None:
    start_us = microseconds(clock())
    for counts in ([5, 5, 0, 0], [5, 5, 10, 0], [5, 5, 10, 0]):
        clock.advance(60)
        sent = histogram(microseconds(clock()), start_us, counts)
        for _ in range(2):
            answer = await api.post("/v1/metrics", json=sent)
            assert (answer.status_code, answer.json()) == (200, {})

    async def ask(metric: str, reduce: str, **more: Any) -> list[float]:
        asked = {"metric": metric, "reduce": reduce, "start": "-1h", "end": str(clock.advance(1).timestamp()), **more}
        answer = await api.get("/api/v1/query", params=asked)
        assert answer.status_code == 200, answer.text
        return [value for line in answer.json()["series"] for _, value in line["points"]]

    assert await ask(f"{NAME}.count", "increase") == [20]
    assert await ask(f"{NAME}.sum", "increase", where=[f"agent:{AGENT}", "service.name:fleet"]) == [50]
    # The median of the first minute is 1, of the second 3; nothing came in the third.
    assert await ask(NAME, "max", where="quantile:0.5") == [3]
    assert await ask(NAME, "min", where="quantile:0.5") == [1]
    assert await ask(NAME, "count", where="quantile:0.5") == [2]

    found = (await api.get("/api/v1/exemplars", params={"metric": NAME, "where": f"agent:{AGENT}"})).json()["items"]
    assert [(one["trace_id"], one["span_id"], one["value"]) for one in found] == [(TRACE, SPAN, 3.5)] * 3
    assert found[0]["tags"]["gen_ai.request.model"] == "m"


async def test_a_log_record_is_a_line_of_its_agent(api: httpx.AsyncClient, clock: SettableClock) -> None:
    record = {
        "timeUnixNano": str(microseconds(clock()) * 1000), "severityNumber": 17, "body": {"stringValue": "it broke"},
        "traceId": TRACE, "spanId": SPAN, "attributes": texts(gen_ai__agent__name=AGENT, where="here"),
    }  # fmt: skip
    for _ in range(2):
        sent = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
        assert (await api.post("/v1/logs", json=sent)).status_code == 200
    logs = f"/api/v1/agents/{AGENT}/logs"
    assert (await api.get(logs, params={"trace_id": "f" * 32})).json()["items"] == []
    (line,) = (await api.get(logs, params={"trace_id": TRACE})).json()["items"]
    assert (line["kind"], line["level"], line["status"], line["message"]) == ("line", "error", "error", "it broke")
    assert line["details"]["trace_id"] == TRACE
    assert line["details"]["attributes"]["where"] == "here"
    status = (await api.get(f"/api/v1/agents/{AGENT}/status")).json()
    assert status["consecutive_failures"] == 0
