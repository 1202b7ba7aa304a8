"""Agents that are called: when, what they are told, what becomes of it."""

from datetime import datetime, timedelta

import pytest

from monitor.http.outbound import NOTHING
from tests.channels.servers import Answer, signed
from tests.schedules.stage import AGENT, SECRET, Stage


async def test_an_agent_is_called_when_it_is_due_and_once(s: Stage) -> None:
    agent = await s.agent(config={"model": "m"})
    assert agent["next_run_at"] is not None
    assert await s.run() == 0
    s.to_the_hour()
    assert await s.run() == 1
    assert await s.run() == 0
    ((request, raw),) = s.receiver.requests
    (run,) = await s.runs()
    body = s.receiver.calls[0][1]
    assert body == {
        "run_id": run["id"], "agent": "nightly", "agent_id": agent["id"], "due_at": body["due_at"], "attempt": 1,
        "config": {"model": "m"},
    }  # fmt: skip
    assert datetime.fromisoformat(body["due_at"]) == datetime.fromisoformat(agent["next_run_at"])
    assert request.headers["Idempotency-Key"] == request.headers["X-Agent-Monitor-Run"] == run["id"]
    assert signed(SECRET, request.headers["X-Agent-Monitor-Signature"], raw)
    assert (run["status"], run["attempts"], run["http_status"], run["error"]) == ("succeeded", 1, 200, None)
    following = (await s.get(AGENT))["next_run_at"]
    assert datetime.fromisoformat(following) == datetime.fromisoformat(agent["next_run_at"]) + timedelta(hours=1)


async def test_the_run_becomes_an_execution_of_the_agent(s: Stage) -> None:
    await s.agent()
    s.to_the_hour()
    await s.run()
    (log,) = await s.logs()
    (run,) = await s.runs()
    assert (log["id"], log["external_id"]) == (run["log_id"], run["id"])
    assert (log["kind"], log["status"], log["duration"]) == ("execution", "success", 0)
    assert log["details"] == {
        "run_id": run["id"],
        "due_at": log["details"]["due_at"],
        "attempts": 1,
        "http_status": 200,
    }
    status = await s.get(AGENT + "/status")
    assert (status["last_status"], status["consecutive_failures"]) == ("success", 0)
    metrics = {item["metric"] for item in (await s.get(AGENT + "/metrics"))["items"]}
    assert metrics == {"execution_duration_ms", "execution_status"}
    touched = await s.sql("SELECT kinds FROM touched ORDER BY id DESC LIMIT 1")
    assert touched[0]["kinds"][0] & 1


@pytest.mark.parametrize(("status", "said"), [(400, "bad"), (404, "gone"), (401, "who"), (302, "elsewhere")])
async def test_a_refusal_is_final(s: Stage, status: int, said: str) -> None:
    await s.agent()
    s.receiver.answers = [Answer(status, said)]
    s.to_the_hour()
    await s.run()
    s.clock.advance(600)
    await s.run()
    (run,) = await s.runs()
    assert (run["status"], run["http_status"], run["attempts"]) == ("failed", status, 1)
    assert run["error"] == f"the agent answered {status}: {said}"
    (log,) = await s.logs()
    assert (log["status"], log["message"]) == ("error", run["error"])
    assert len(s.receiver.requests) == 1


async def test_what_passes_is_tried_again_and_logged_once(s: Stage) -> None:
    await s.agent()
    s.receiver.answers = [Answer(503, "busy"), Answer(500, "oh"), Answer(200, {})]
    s.to_the_hour()
    await s.run()
    (run,) = await s.runs()
    assert (run["status"], run["http_status"], run["error"]) == ("pending", 503, "the agent answered 503: busy")
    assert await s.logs() == []
    assert await s.run() == 0
    for _ in range(2):
        s.clock.advance(20)
        assert await s.run() == 1
    (run,) = await s.runs()
    assert (run["status"], run["attempts"], run["http_status"], run["error"]) == ("succeeded", 3, 200, None)
    assert [body["attempt"] for _, body in s.receiver.calls] == [1, 2, 3]
    assert len({request.headers["Idempotency-Key"] for request, _ in s.receiver.requests}) == 1
    (log,) = await s.logs()
    assert (log["status"], log["details"]["attempts"]) == ("success", 3)


async def test_retry_after_is_kept_and_the_end_comes(s: Stage) -> None:
    await s.agent()
    s.receiver.answers = [Answer(429, "", {"Retry-After": "120"}), *(Answer(503, "") for _ in range(9))]
    s.to_the_hour()
    await s.run()
    (run,) = await s.runs()
    assert datetime.fromisoformat(run["next_attempt_at"]) >= s.clock() + timedelta(seconds=120)
    s.clock.advance(119)
    assert await s.run() == 0
    for _ in range(9):
        s.clock.advance(301)
        await s.run()
    run = (await s.runs())[-1]
    assert (run["status"], run["attempts"]) == ("failed", 5)
    assert len([log for log in await s.logs() if log["external_id"] == run["id"]]) == 1


async def test_an_agent_that_cannot_be_reached_is_tried_again(s: Stage) -> None:
    await s.agent(webhook_url="http://127.0.0.1:9/")
    s.to_the_hour()
    await s.run()
    (run,) = await s.runs()
    assert run["status"] == "pending"
    assert "cannot be reached" in run["error"]


async def test_an_address_that_is_not_allowed_is_final(s: Stage) -> None:
    await s.agent()
    s.to_the_hour()
    strict = s.another_runner(allowed=NOTHING)
    await s.run(strict)
    await strict.close()
    (run,) = await s.runs()
    assert run["status"] == "failed"
    assert "loopback" in run["error"]
    assert s.receiver.requests == []


async def test_after_a_long_stop_only_the_newest_run_is_made_and_the_others_are_noted(s: Stage) -> None:
    await s.agent(schedule="*/10 * * * *")
    s.clock.advance(3 * 3600)
    await s.run()
    runs = await s.runs()
    assert len(s.receiver.requests) == 1
    assert [run["status"] for run in runs] == ["succeeded"] + ["missed"] * 17
    assert [run["due_at"] for run in runs] == sorted((run["due_at"] for run in runs), reverse=True)
    s.clock.advance(30 * 86400)
    await s.run()
    assert len(s.receiver.requests) == 2
    assert await s.sql("SELECT count(*) FROM scheduled_runs WHERE status = 'missed'") == [{"count": 117}]


@pytest.mark.parametrize("status", ["inactive", "maintenance", "archived"])
async def test_who_is_not_active_is_not_called(s: Stage, status: str) -> None:
    await s.agent()
    assert (await s.patch(status=status))["next_run_at"] is None
    s.to_the_hour()
    assert await s.run() == 0
    assert (await s.patch(status="active"))["next_run_at"] is not None
    assert await s.run() == 0
    s.to_the_hour()
    assert await s.run() == 1


async def test_who_is_retired_deleted_or_suspended_is_not_called(s: Stage) -> None:
    await s.agent()
    s.to_the_hour()
    await s.sql("UPDATE tenants SET status = 'suspended' WHERE id = :id", id=s.tenant.id)
    assert await s.run() == 0
    await s.sql("UPDATE tenants SET status = 'active' WHERE id = :id", id=s.tenant.id)
    assert await s.run() == 0
    await s.api.post(AGENT + "/retire")
    s.to_the_hour()
    assert await s.run() == 0
    await s.patch(status="active")
    await s.api.delete(AGENT)
    assert await s.sql("SELECT * FROM agent_schedules") == []
    s.to_the_hour()
    assert await s.run() == 0
    assert s.receiver.requests == []


async def test_a_retry_is_dropped_when_the_agent_is_retired_meanwhile(s: Stage) -> None:
    await s.agent()
    s.receiver.answers = [Answer(503, "")]
    s.to_the_hour()
    await s.run()
    await s.api.post(AGENT + "/retire")
    s.clock.advance(60)
    await s.run()
    (run,) = await s.runs()
    assert (run["status"], run["next_attempt_at"]) == ("skipped", None)
    assert len(s.receiver.requests) == 1
    assert await s.logs() == []


async def test_an_agent_without_a_webhook_is_expected_and_not_called(s: Stage) -> None:
    await s.agent(webhook_url=None)
    s.to_the_hour()
    assert await s.run() == 0
    (run,) = await s.runs()
    assert (run["status"], run["next_attempt_at"]) == ("expected", None)


async def test_a_schedule_that_cannot_be_read_stops_nobody_else(s: Stage) -> None:
    await s.agent()
    await s.agent("other")
    await s.sql("UPDATE agents SET schedule = 'never' WHERE external_id = 'other'")
    s.to_the_hour()
    assert await s.run() == 1


async def test_more_than_there_is_room_for_are_called_in_one_turn(s: Stage) -> None:
    await s.sql(
        "INSERT INTO agents (tenant_id, id, external_id, name, ping_token, webhook_url, schedule)"
        " SELECT :tenant, gen_random_uuid(), 'a' || n, 'a', 't' || n, :url, '0 * * * *' FROM generate_series(1, 150) n",
        tenant=s.tenant.id,
        url=s.hook,
    )
    s.to_the_hour()
    await s.sql(
        "INSERT INTO agent_schedules SELECT tenant_id, id, now(), date_trunc('hour', CAST(:now AS timestamptz))"
        " FROM agents",
        now=s.clock(),
    )
    claimed = 0
    while len(s.receiver.requests) < 150:
        claimed += await s.run()
    assert claimed == 150
    assert len({request.headers["Idempotency-Key"] for request, _ in s.receiver.requests}) == 150


async def test_a_turn_looks_only_at_what_is_due(s: Stage) -> None:
    """The plan of the query that finds due agents begins with the index on when they are due."""
    await s.agent()
    await s.sql(
        "INSERT INTO agents (tenant_id, id, external_id, name, ping_token, schedule)"
        " SELECT :tenant, gen_random_uuid(), 'a' || n, 'a', 't' || n, '0 0 1 1 *' FROM generate_series(1, 3000) n",
        tenant=s.tenant.id,
    )
    await s.sql(
        "INSERT INTO agent_schedules (tenant_id, agent_id, since, next_run_at)"
        " SELECT tenant_id, id, now(), now() + interval '1 year' FROM agents WHERE external_id LIKE 'a%'"
    )
    await s.sql("ANALYZE agent_schedules")
    plan = await s.sql(
        "EXPLAIN SELECT s.agent_id FROM agent_schedules s JOIN agents a ON a.tenant_id = s.tenant_id"
        " AND a.id = s.agent_id WHERE s.next_run_at <= now() ORDER BY s.next_run_at LIMIT 500"
    )
    assert any("agent_schedules_next_run_at_idx" in row["QUERY PLAN"] for row in plan)
