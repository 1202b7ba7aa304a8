"""Feedback and evaluations: rows that are read back, and series that rules can read."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from monitor.db import Database
from monitor.ids import microseconds
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_key
from tests.insight.telling import get
from tests.runs.makers import at, put, task, trace


async def send(api: httpx.AsyncClient, tenant: TenantMade, **body: Any) -> httpx.Response:
    """Feedback as it is posted."""
    return await api.post("/api/v1/feedback", json=body, headers=tenant.headers)


async def values(api: httpx.AsyncClient, tenant: TenantMade, metric: str) -> dict[str, list[float]]:
    """Points of a series by agent."""
    found = await get(api, tenant, "query", metric=metric, reduce="sum", by="agent", start="-2h")
    return {line["labels"]["agent"]: [value for _, value in line["points"]] for line in found["series"]}


async def test_feedback_on_a_task_a_trace_and_an_agent(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, agent_id: UUID
) -> None:
    other = await make_agent(db, tenant.id, "rei-002")
    one = trace()
    root = task(agent_id, trace_id=one, conversation="c-1")
    sub = task(other, seconds=1, trace_id=one, parent_task_id=root.id)
    await put(db, tenant.id, tasks=[root, sub])
    answers = [
        await send(api, tenant, task=str(sub.id), thumbs=False, at=at(10).isoformat()),
        await send(api, tenant, trace_id=one.upper(), score=0.75, label="good", given_by="ada", at=at(11).isoformat()),
        await send(api, tenant, agent="rei-002", name="tone", comment="kind", at=at(12).isoformat()),
    ]
    assert [(answer.status_code, answer.json()["agent"]) for answer in answers] == [
        (201, "rei-002"), (201, "akira-001"), (201, "rei-002"),
    ]  # fmt: skip
    words, good, thumb = (await get(api, tenant, "scores"))["items"]
    assert (thumb["value"], thumb["task_id"], thumb["trace_id"]) == (0, str(sub.id), one)
    assert (good["value"], good["label"], good["given_by"], good["task_id"], good["conversation"]) == (
        0.75, "good", "ada", str(root.id), "c-1",
    )  # fmt: skip
    assert (words["name"], words["value"], words["comment"], words["task_id"]) == ("tone", None, "kind", None)
    assert await values(api, tenant, "feedback.user") == {"rei-002": [0], "akira-001": [0.75]}
    assert await values(api, tenant, "feedback.tone") == {}
    for params, count in (
        ({"agent": "rei-002"}, 2),
        ({"trace_id": one}, 2),
        ({"name": "tone"}, 1),
        ({"source": "evaluation"}, 0),
    ):
        assert len((await get(api, tenant, "scores", **params))["items"]) == count
    first = await get(api, tenant, "scores", limit=1)
    rest = await get(api, tenant, "scores", limit=5, cursor=first["next"])
    assert [item["id"] for item in first["items"] + rest["items"]] == [words["id"], good["id"], thumb["id"]]


async def test_the_same_id_is_the_same_feedback(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, agent_id: UUID
) -> None:
    made = task(agent_id)
    await put(db, tenant.id, tasks=[made])
    ids = {(await send(api, tenant, task=str(made.id), thumbs=True, id="f-1")).json()["id"] for _ in range(3)}
    ids |= {(await send(api, tenant, task=str(made.id), thumbs=True, id="f-2")).json()["id"]}
    assert len(ids) == 2
    assert len((await get(api, tenant, "scores"))["items"]) == 2
    refused = await send(api, tenant, agent="akira-001", thumbs=True, id="f-3")
    assert (refused.status_code, refused.json()["path"]) == (422, "at")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"thumbs": True}, 422),
        ({"agent": "akira-001"}, 422),
        ({"agent": "akira-001", "thumbs": True, "score": 1}, 422),
        ({"agent": "akira-001", "score": "high"}, 422),
        ({"agent": "akira-001", "score": 1, "name": "two words"}, 422),
        ({"agent": "akira-001", "score": 1, "at": "2020-01-01T00:00:00Z"}, 422),
        ({"agent": "akira-001", "score": 1, "stars": 5}, 422),
        ({"task": "01980000-0000-7000-8000-000000000000", "score": 1}, 404),
        ({"trace_id": "0" * 32, "score": 1}, 404),
    ],
)
@pytest.mark.usefixtures("agent_id")
async def test_feedback_that_cannot_be_is_refused(
    api: httpx.AsyncClient, tenant: TenantMade, body: dict[str, Any], status: int
) -> None:
    assert (await send(api, tenant, **body)).status_code == status
    assert (await get(api, tenant, "scores"))["items"] == []


async def test_a_key_that_ingests_gives_feedback_and_one_that_reads_does_not(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, agent_id: UUID
) -> None:
    _, ingests = await make_key(db, tenant.id, scopes=(Scope.INGEST,))
    _, reads = await make_key(db, tenant.id, scopes=(Scope.READ,))
    other = await make_agent(db, tenant.id, "rei-002")
    _, bound = await make_key(db, tenant.id, scopes=(Scope.INGEST,), agent_id=other)
    body = {"agent": "akira-001", "thumbs": True}
    answers = [
        (await api.post("/api/v1/feedback", json=body, headers={"X-API-Key": key})).status_code
        for key in (ingests, reads, bound)
    ]
    assert answers == [201, 403, 403]
    assert agent_id != other


def evaluated(clock: SettableClock, name: str, **said: Any) -> dict[str, Any]:
    """An event of an evaluation, as OTLP spells it."""
    attributes = [
        {"key": "gen_ai.evaluation.name", "value": {"stringValue": name}},
        {"key": "gen_ai.evaluation.explanation", "value": {"stringValue": "it quoted the question"}},
        *({"key": f"gen_ai.evaluation.score.{key}", "value": value} for key, value in said.items()),
    ]
    record = {
        "timeUnixNano": str(microseconds(clock()) * 1000), "eventName": "gen_ai.evaluation.result",
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "attributes": attributes,
    }  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "akira-001"}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}


@pytest.mark.usefixtures("agent_id")
async def test_evaluations_of_telemetry_are_scores_and_series(
    api: httpx.AsyncClient, clock: SettableClock, tenant: TenantMade
) -> None:
    """Told twice they are one; what the judge quotes is a content."""
    number = evaluated(clock, "relevance", value={"doubleValue": 0.5})
    label = evaluated(clock, "tone", label={"stringValue": "rude"})
    for body in (number, number, label):
        answer = await api.post(
            "/v1/logs", content=json.dumps(body), headers=tenant.headers | {"Content-Type": "application/json"}
        )
        assert answer.status_code == 200, answer.text
    found = {item["name"]: item for item in (await get(api, tenant, "scores", source="evaluation"))["items"]}
    assert len(found) == 2
    assert (found["relevance"]["value"], found["relevance"]["comment"]) == (0.5, None)
    assert (found["tone"]["label"], found["tone"]["value"], found["tone"]["agent"]) == ("rude", None, "akira-001")
    assert found["tone"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    clock.advance(5)
    assert await values(api, tenant, "evaluation.relevance") == {"akira-001": [0.5]}
