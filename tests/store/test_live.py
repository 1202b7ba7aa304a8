"""agent_live against its definition: for any order, repetition and number of collectors."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.http.collector import Collector, collecting

# The definition, told by the stored rows alone: errors after the newest execution that is not one.
DEFINITION = """
WITH runs AS (SELECT l.* FROM agent_logs l WHERE kind = 'execution'),
     ok AS (SELECT DISTINCT ON (agent_id) agent_id, id FROM runs WHERE status <> 'error' ORDER BY agent_id, id DESC),
     newest AS (SELECT DISTINCT ON (agent_id) agent_id, id, status, message FROM runs ORDER BY agent_id, id DESC)
SELECT a.external_id, newest.id AS last_execution_id, ok.id AS last_ok_id, newest.status AS last_status,
       newest.message AS last_message,
       (SELECT count(*) FROM runs r WHERE r.agent_id = a.id AND r.status = 'error' AND (ok.id IS NULL OR r.id > ok.id))
           AS consecutive_failures
FROM agents a LEFT JOIN newest ON newest.agent_id = a.id LEFT JOIN ok ON ok.agent_id = a.id ORDER BY 1
"""
KEPT = """
SELECT a.external_id, l.last_execution_id, l.last_ok_id, l.last_status, l.last_message, l.consecutive_failures
FROM agents a JOIN agent_live l ON l.tenant_id = a.tenant_id AND l.agent_id = a.id ORDER BY 1
"""


@pytest.fixture
async def pair(db: Database, clock: SettableClock) -> AsyncIterator[tuple[Collector, Collector]]:
    """Two collectors over one database."""
    tenant = await make_tenant(db)
    async with collecting(db, clock, tenant=tenant) as one, collecting(db, clock, tenant=tenant) as two:
        yield one, two


LOGS = st.lists(
    st.fixed_dictionaries(
        {
            "agent": st.sampled_from("abc"),
            "status": st.sampled_from(["success", "error", "error", "warning"]),
            "kind": st.sampled_from(["execution", "execution", "execution", "line"]),
            "back": st.integers(0, 40),
            "id": st.none() | st.integers(0, 12),
        }
    ),
    min_size=1,
    max_size=30,
)
SIZES = st.lists(st.integers(1, 6), min_size=30, max_size=30)


def requests(logs: Sequence[dict[str, Any]], sizes: Sequence[int], clock: SettableClock) -> list[list[dict[str, Any]]]:
    """Logs as bodies of these sizes. `back` is how many seconds ago a run ended."""
    rows = [
        {
            "agent": log["agent"],
            "status": log["status"],
            "kind": log["kind"],
            "id": log["id"],
            "message": f"{number}",
            "completed_at": (clock() - timedelta(seconds=log["back"])).isoformat(),
        }
        for number, log in enumerate(logs)
    ]
    made: list[list[dict[str, Any]]] = []
    for size in sizes:
        made.append(rows[:size])
        rows = rows[size:]
    return [body for body in made if body]


@given(logs=LOGS, sizes=SIZES, together=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_streaks_equal_their_definition(
    pair: tuple[Collector, Collector],
    clock: SettableClock,
    logs: list[dict[str, Any]],
    sizes: list[int],
    together: bool,
) -> None:
    one, two = pair
    for table in ("agent_logs", "agent_log_ids", "touched"):
        async with one.ingest.deps.db.owner() as owner:
            await owner.exec_driver_sql(f"DELETE FROM {table}")
    await one.rows(
        "UPDATE agent_live SET last_execution_id = NULL, last_ok_id = NULL, last_status = NULL, last_message = NULL, "
        "consecutive_failures = 0 RETURNING 1"
    )
    posts = [(one, two)[n % 2].post("logs", body) for n, body in enumerate(requests(logs, sizes, clock))]
    if together:
        answers = await asyncio.gather(*posts)
    else:
        answers = [await post for post in posts]
    assert {answer.status_code for answer in answers} == {202}
    assert await one.rows(KEPT) == await one.rows(DEFINITION)


async def test_two_collectors_do_not_deadlock(pair: tuple[Collector, Collector], clock: SettableClock) -> None:
    agents = [f"agent-{number:02}" for number in range(20)]
    posts = []
    for turn in range(30):
        order = agents if turn % 2 else list(reversed(agents))
        logs = [{"agent": agent, "status": "error"} for agent in order]
        points = [{"agent": agent, "metric": "m", "value": turn, "timestamp": clock().isoformat()} for agent in order]
        posts.append(pair[turn % 2].post("logs", logs))
        posts.append(pair[(turn + 1) % 2].post("metrics", points))
        posts.append(pair[turn % 2].post("heartbeats", [{"agent": agent} for agent in order]))
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    live = await pair[0].rows("SELECT consecutive_failures, heartbeat_count FROM agent_live")
    assert live == [{"consecutive_failures": 30, "heartbeat_count": 30}] * 20
    assert pair[0].ingest.deps.registry.get_sample_value("agent_monitor_poisoned_requests_total") == 0
    assert len(await pair[0].rows("SELECT 1 FROM series WHERE metric = 'm'")) == 20
