"""Rules on scheduled runs: missed, late, in time, and what was never due."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from alerts.core.vocabulary import Reason
from monitor.db import Database
from monitor.http.outbound import Allowed
from monitor.ingest import Ingest
from monitor.schedules.runner import Runner
from tests.alerts.timeline import Timeline, span, timeline
from tests.channels.servers import Answer, Stub, serving
from tests.conftest import SettableClock

MISSED = {"schedule": "missed", "grace": "10m"}


class Day:
    """A timeline that starts on the hour, with somebody who plans and calls. The agent is due at 1h, 2h, 3h …"""

    def __init__(self, t: Timeline, receiver: Stub, ingest: Ingest) -> None:
        self.t = t
        self.receiver = receiver
        self.runner = Runner(
            t.db, ingest, clock=t.clock, rng=Random(1), allowed=Allowed.of(["localhost"]), secret=None, seconds=5,
            registry=CollectorRegistry(), live=t.deps.live,
        )  # fmt: skip

    @property
    def hook(self) -> str:
        """Where the agent is called."""
        return self.receiver.url.replace("127.0.0.1", "localhost")

    async def agent(self, **more: Any) -> None:
        """An agent that is due every hour and runs by itself, unless it has a webhook."""
        await self.t.request("POST", "agents", {"external_id": "akira-001", "schedule": "0 * * * *"} | more)

    async def tick(self, *times: str) -> int:
        """Plan and call, then judge and send, at each time; returns how many targets were judged."""
        judged = 0
        for at in times:
            await self.runner.run_once(self.t.at(at))
            await self.runner.settle()
            judged += (await self.t.tick(at)).evaluated
        return judged

    async def execution(self, began: str, ended: str, status: str = "success") -> None:
        """An execution that the agent reports by itself, when it has ended."""
        await self.t.log("akira-001", status, ended, started_at=(self.t.start + span(began)).isoformat())


@pytest.fixture
async def day(db: Database, clock: SettableClock) -> AsyncIterator[Day]:
    """A tenant's day from a full hour on."""
    hour = (clock.time + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    clock.time = hour - timedelta(minutes=2)
    async with timeline(db, clock) as t, serving(Stub()) as receiver:
        ingest = Ingest(replace(t.deps, registry=CollectorRegistry()))
        await ingest.start()
        made = Day(t, receiver, ingest)
        yield made
        await made.runner.close()
        await ingest.close()


async def test_a_run_that_does_not_come_pages_when_its_grace_is_over_and_the_next_one_resolves(day: Day) -> None:
    await day.agent()
    await day.t.rule(MISSED)
    await day.tick("0s", "1h", "1h5m", "1h10m")
    day.t.expect_silence()
    await day.tick("1h10m10s")
    line = day.t.expect("email", Reason.FIRST).message.lines[0]
    assert line.summary == "the run that was due 610s ago did not come in time, threshold > 10m"
    await day.tick("1h20m", "2h")
    day.t.expect_silence()
    await day.execution("2h5s", "2h40s")
    await day.tick("2h50s")
    assert day.t.expect("email", Reason.RESOLVED).message.lines[0].recovered
    await day.tick("2h30m")
    day.t.expect_silence()


async def test_an_execution_in_time_is_the_run_however_it_ends(day: Day) -> None:
    await day.agent()
    await day.t.rule(MISSED)
    await day.tick("0s", "1h")
    await day.execution("1h2s", "1h3s", "error")
    await day.tick("1h11m", "2h")
    # Its own clock may be a little ahead; it began before it was due and ended after.
    await day.execution("1h59m30s", "2h8m")
    await day.tick("2h11m", "2h59m")
    day.t.expect_silence()


async def test_what_ended_before_or_began_too_late_is_not_the_run(day: Day) -> None:
    await day.agent()
    await day.t.rule(MISSED)
    await day.tick("0s")
    await day.execution("58m", "59m59s")
    await day.execution("30m", "1h1m")
    await day.tick("1h1m", "1h10m1s")
    day.t.expect("email", Reason.FIRST)
    await day.execution("1h10m5s", "1h10m30s")
    await day.tick("1h11m")
    day.t.expect_silence()


async def test_a_run_that_was_reported_late_but_began_in_time_resolves(day: Day) -> None:
    await day.agent()
    await day.t.rule(MISSED)
    await day.tick("0s", "1h", "1h10m1s")
    day.t.expect("email", Reason.FIRST)
    await day.execution("1h1s", "1h30m")
    await day.tick("1h30m10s")
    day.t.expect("email", Reason.RESOLVED)


async def test_lines_and_heartbeats_are_no_runs(day: Day) -> None:
    await day.agent()
    await day.t.rule(MISSED)
    await day.tick("0s", "1h")
    await day.t.log("akira-001", "success", "1h1m", kind="line", message="hello")
    await day.t.heartbeat("akira-001", "1h2m")
    await day.tick("1h10m1s")
    day.t.expect("email", Reason.FIRST)


async def test_a_called_agent_must_answer_in_time(day: Day) -> None:
    await day.agent(webhook_url=day.hook)
    await day.t.rule(MISSED)
    await day.tick("0s", "1h", "1h10m1s")
    day.t.expect_silence()
    day.receiver.answers = [Answer(404, "gone")]
    await day.tick("2h", "2h9m")
    day.t.expect_silence()
    await day.tick("2h10m1s")
    day.t.expect("email", Reason.FIRST)
    await day.tick("3h", "3h10s")
    day.t.expect("email", Reason.RESOLVED)
    assert len(day.receiver.calls) == 3


async def test_a_retry_in_time_is_in_time_and_a_late_one_is_late(day: Day) -> None:
    await day.agent(webhook_url=day.hook)
    await day.t.rule(MISSED)
    await day.tick("0s")
    day.receiver.answers = [Answer(503, ""), Answer(200, {})]
    await day.tick("1h", "1h1m", "1h10m1s")
    assert len(day.receiver.calls) == 2
    day.t.expect_silence()
    day.receiver.answers = [Answer(503, "", {"Retry-After": "700"}), Answer(200, {})]
    await day.tick("2h", "2h10m1s")
    day.t.expect("email", Reason.FIRST)
    await day.tick("2h12m")
    assert len(day.receiver.calls) == 4
    day.t.expect_silence()


async def test_an_agent_without_a_schedule_is_neither(day: Day) -> None:
    await day.agent(schedule=None)
    await day.t.rule(MISSED)
    await day.t.rule({"not": MISSED}, name="inverted")
    await day.tick("0s", "1h", "2h")
    day.t.expect_silence()
    verdicts = await day.t.all_rows("SELECT DISTINCT verdict FROM alert_states")
    assert verdicts in ([], [{"verdict": "UNKNOWN"}])


async def test_a_schedule_that_is_set_later_wakes_the_rule_and_old_runs_say_nothing(day: Day) -> None:
    await day.agent(schedule=None)
    await day.t.rule(MISSED)
    await day.tick("0s")
    await day.t.request("PATCH", "agents/akira-001", {"schedule": "30 * * * *"})
    await day.tick("1s", "30m", "40m1s")
    day.t.expect("email", Reason.FIRST)
    # What fires goes on firing until a run comes in time.
    day.t.at("50m")
    await day.t.request("PATCH", "agents/akira-001", {"schedule": "0 * * * *"})
    await day.tick("51m", "1h")
    day.t.expect_silence()
    await day.execution("1h1s", "1h2s")
    await day.tick("1h10s")
    day.t.expect("email", Reason.RESOLVED)


async def test_an_agent_in_maintenance_is_not_due(day: Day) -> None:
    await day.agent()
    await day.t.rule(MISSED)
    await day.tick("0s")
    await day.t.request("PATCH", "agents/akira-001", {"status": "maintenance"})
    await day.tick("1s", "1h", "1h11m", "2h11m")
    day.t.expect_silence()


async def test_a_quiet_tick_costs_nothing(day: Day) -> None:
    await day.agent()
    await day.t.rule(MISSED)
    assert await day.tick("0s") == 1
    # Nothing can change before the first run's grace is over.
    assert await day.tick("10s", "30m", "59m", "1h", "1h5m") == 0
    await day.execution("1h5m", "1h6m")
    assert await day.tick("1h7m") == 1
    assert await day.tick("1h8m", "1h30m", "2h", "2h10m") == 0
    assert await day.tick("2h10m1s") == 1
    day.t.expect("email", Reason.FIRST)


async def test_it_stands_beside_other_leaves(day: Day) -> None:
    await day.agent()
    await day.t.rule({"all": [MISSED, {"status": "error"}]}, name="both")
    await day.t.rule({"any": [MISSED, {"status": "error", "consecutive_failures": 9}]}, name="either")
    await day.t.log("akira-001", "error", "10m")
    await day.tick("11m", "1h", "1h10m1s")
    told = day.t.expect("email", Reason.FIRST)
    assert sorted(line.rule for line in told.message.lines) == ["both", "either"]
    await day.t.log("akira-001", "success", "1h20m", started_at=(day.t.start + span("1h5s")).isoformat())
    await day.tick("1h21m")
    assert day.t.expect("email", Reason.RESOLVED).message.resolved == 2


async def test_a_run_that_was_asked_for_counts_as_one(day: Day) -> None:
    await day.agent(webhook_url=day.hook)
    await day.t.rule(MISSED)
    await day.tick("0s")
    day.receiver.answers = [Answer(400, "")]
    await day.tick("1h", "1h10m1s")
    day.t.expect("email", Reason.FIRST)
    day.t.at("1h15m")
    await day.t.all_rows(
        "INSERT INTO scheduled_runs (tenant_id, id, agent_id, due_at, status, next_attempt_at)"
        " SELECT tenant_id, gen_random_uuid(), id, :now, 'pending', :now FROM agents",
        now=day.t.clock.time,
    )
    await day.tick("1h15m1s")
    day.t.expect("email", Reason.RESOLVED)
