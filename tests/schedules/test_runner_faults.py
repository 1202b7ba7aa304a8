"""Several that call at once, and what a crash leaves behind: one call, once more at most, one log."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from monitor.db import Database
from monitor.ingest import Ingest
from tests.channels.servers import serving
from tests.conftest import SettableClock
from tests.faults.receivers import HeldSlack
from tests.schedules.stage import SECONDS, Stage, stage
from tests.stage import until

LEASE = SECONDS + 31


@pytest.fixture
async def held() -> AsyncIterator[HeldSlack]:
    """A webhook that answers late."""
    async with serving(HeldSlack()) as stub:
        yield stub  # type: ignore[misc]


@pytest.fixture
async def h(db: Database, clock: SettableClock, held: HeldSlack) -> AsyncIterator[Stage]:
    """A stage whose agents answer late."""
    async with stage(db, clock, held) as made:
        yield made


async def test_two_at_once_call_each_agent_once(s: Stage) -> None:
    for number in range(30):
        await s.agent(f"agent-{number}")
    others = [s.another_runner(seed=seed) for seed in (2, 3)]
    for _ in range(3):
        s.to_the_hour()
        for _ in range(3):
            await asyncio.gather(*(s.run(runner) for runner in (s.runner, *others)))
    for runner in others:
        await runner.close()
    ids = [request.headers["Idempotency-Key"] for request, _ in s.receiver.requests]
    assert len(ids) == len(set(ids)) == 90
    counts = await s.sql("SELECT status, count(*) FROM scheduled_runs GROUP BY status")
    assert counts == [{"status": "succeeded", "count": 90}]
    logs = await s.sql("SELECT count(*) AS logs, count(DISTINCT external_id) AS runs FROM agent_logs")
    assert logs == [{"logs": 90, "runs": 90}]


async def test_killed_between_planning_and_claiming_loses_nothing(s: Stage) -> None:
    await s.agent()
    s.to_the_hour()
    await s.sql(
        "INSERT INTO scheduled_runs (tenant_id, id, agent_id, due_at, status, next_attempt_at)"
        " SELECT tenant_id, gen_random_uuid(), agent_id, next_run_at, 'pending', next_run_at FROM agent_schedules"
    )
    assert await s.run() == 1
    assert len(s.receiver.requests) == len(await s.runs()) == 1


async def test_killed_between_the_call_and_its_mark_calls_once_more(h: Stage, held: HeldSlack) -> None:
    await h.agent()
    h.to_the_hour()
    with held.hold:
        assert await h.runner.run_once(h.clock()) == 1
        await until(lambda: held.hold.taken)
        for task in list(h.runner._running):
            task.cancel()
        await h.runner.settle()
    assert (await h.runs())[0]["status"] == "running"
    other = h.another_runner()
    assert await h.run(other) == 0
    h.clock.advance(LEASE)
    assert await h.run(other) == 1
    assert await h.run(other) == 0
    await other.close()
    first, second = (request.headers["Idempotency-Key"] for request, _ in held.requests)
    assert first == second
    (run,) = await h.runs()
    assert (run["status"], run["attempts"]) == ("succeeded", 2)
    assert len(await h.logs()) == 1


async def test_killed_between_the_mark_and_the_log_logs_once_and_does_not_call_again(s: Stage) -> None:
    await s.agent()
    s.to_the_hour()
    # Its collector was never started, so that the log waits for ever.
    dying = s.another_runner(ingest=Ingest(replace(s.ingest.deps, registry=CollectorRegistry())))
    await dying.run_once(s.clock())
    await until(lambda: _finished(s))
    for task in list(dying._running):
        task.cancel()
    await dying.close()
    assert await s.logs() == []
    assert await s.run() == 0
    s.clock.advance(LEASE)
    assert await s.run() == 1
    (run,) = await s.runs()
    (log,) = await s.logs()
    assert (run["status"], run["attempts"], run["log_id"]) == ("succeeded", 1, log["id"])
    assert len(s.receiver.requests) == 1


async def test_a_log_that_was_stored_and_not_marked_stays_one_log(s: Stage) -> None:
    await s.agent()
    s.to_the_hour()
    await s.run()
    before = await s.logs()
    await s.sql("UPDATE scheduled_runs SET log_id = NULL, next_attempt_at = finished_at")
    s.clock.advance(LEASE)
    assert await s.run() == 1
    assert await s.logs() == before
    assert (await s.runs())[0]["log_id"] == before[0]["id"]


async def test_a_run_whose_callers_always_die_is_given_up(s: Stage) -> None:
    await s.agent()
    s.to_the_hour()
    await s.run()
    await s.sql(
        "UPDATE scheduled_runs SET status = 'running', attempts = 5, finished_at = NULL, log_id = NULL,"
        " next_attempt_at = due_at, http_status = NULL"
    )
    await s.sql("DELETE FROM agent_log_ids")
    s.clock.advance(LEASE)
    await s.run()
    (run,) = await s.runs()
    assert (run["status"], run["error"]) == ("failed", "it was given up: whoever called it never came to an end")
    assert len(s.receiver.requests) == 1


async def test_one_that_takes_long_holds_nobody_up(h: Stage, held: HeldSlack) -> None:
    await h.agent()
    await h.agent("other", schedule=None)
    h.to_the_hour()
    with held.hold:
        assert await h.runner.run_once(h.clock()) == 1
        await until(lambda: held.hold.taken)
        assert (await h.api.post("/api/v1/agents/other/run")).status_code == 202
        assert await h.runner.run_once(h.clock()) == 1
        await until(lambda: len(held.requests) == 2)
    await h.runner.settle()
    assert [run["status"] for run in await h.runs()] == ["succeeded"]


async def test_who_lost_the_claim_does_not_mark_or_log(h: Stage, held: HeldSlack) -> None:
    await h.agent()
    h.to_the_hour()
    with held.hold:
        await h.runner.run_once(h.clock())
        await until(lambda: held.hold.taken)
        await h.sql("UPDATE scheduled_runs SET attempts = attempts + 1")
    await h.runner.settle()
    (run,) = await h.runs()
    assert (run["status"], run["finished_at"]) == ("running", None)
    assert await h.logs() == []


async def _finished(s: Stage) -> bool:
    return (await s.runs())[0]["finished_at"] is not None
