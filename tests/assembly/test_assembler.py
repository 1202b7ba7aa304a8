"""The job: traces that cannot be assembled, traces that never end, tenants and assemblers beside each other."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from monitor.errors import DatabaseDown
from monitor.ingest import assembler as job
from monitor.ingest.assembler import Assembler
from monitor.ingest.payloads import Outcome
from monitor.principal import Principal
from monitor.runs import assembly
from monitor.runs.assembly import Assembled
from monitor.runs.steps import Step
from monitor.runs.tree import Trace
from monitor.signals import Touch
from tests.assembly import corpus
from tests.assembly.chain import RUNS, Chain
from tests.assembly.corpus import GENAI, Teller
from tests.factories import make_tenant


def told(chain: Chain, number: int, shape: Any = corpus.conversation) -> list[Step]:
    teller = Teller(number, (chain.now_us - 60_000_000) * 1000, GENAI)
    shape(teller)
    return teller.steps()


def poisonous(monkeypatch: pytest.MonkeyPatch, trace_id: str) -> None:
    """From now on one trace cannot be assembled."""
    true = assembly.assemble

    def assemble(trace: Trace, agents: Any) -> Assembled:
        if any(node.step.trace_id == trace_id for node in trace.nodes):
            raise ZeroDivisionError("poison")
        return true(trace, agents)

    monkeypatch.setattr(job, "assemble", assemble)


async def test_a_trace_that_cannot_be_assembled_stops_no_other(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    poison = f"{2:032x}"
    with monkeypatch.context() as patched:
        poisonous(patched, poison)
        for number in range(1, 4):
            await chain.keep(told(chain, number))
        await chain.assemble()
        assert {row["trace_id"] for row in await chain.rows("SELECT trace_id FROM tasks")} == {f"{1:032x}", f"{3:032x}"}
        (row,) = await chain.rows("SELECT * FROM touched_traces")
        assert (row["trace_id"], row["tries"], row["error"]) == (poison, 1, "ZeroDivisionError: poison")
        assert row["due_at"] - chain.clock() == timedelta(seconds=5)
        assert chain.figures.get_sample_value("agent_monitor_assembly_failures_total") == 1
        chain.clock.advance(4)
        assert await chain.assemble() == 0
        chain.clock.advance(2)
        await chain.assemble()
        (row,) = await chain.rows("SELECT * FROM touched_traces")
        assert (row["tries"], row["due_at"] - chain.clock()) == (2, timedelta(seconds=10))
        # More of it comes: it is not tried sooner.
        await chain.keep([replace(step, span_id=f"{99:016x}") for step in told(chain, 2)[:1]])
        await chain.assemble()
        (row,) = await chain.rows("SELECT * FROM touched_traces")
        assert row["tries"] == 2
    chain.clock.advance(11)
    assert await chain.assemble() == 1
    assert len(await chain.rows("SELECT * FROM tasks")) == 4
    assert await chain.rows("SELECT * FROM touched_traces") == []


async def test_rules_are_told_of_the_runs_and_the_spending_that_traces_come_to(chain: Chain) -> None:
    await chain.keep(told(chain, 1))
    # What came in tells of itself; from here on it is what assembly makes of it.
    taken = await chain.rows("SELECT DISTINCT unnest(kinds) AS kind FROM touched")
    assert int(Touch.SPENDING) not in {row["kind"] for row in taken}
    before = (await chain.rows("SELECT coalesce(max(id), 0) AS id FROM touched"))[0]["id"]
    await chain.assemble()
    told_of = "SELECT unnest(agent_ids) AS agent_id, unnest(kinds) AS kind FROM touched WHERE id > :before"
    news = {(row["agent_id"], row["kind"]) for row in await chain.rows(told_of, before=before)}
    tasks = {row["agent_id"] for row in await chain.rows("SELECT agent_id FROM tasks")}
    calls = {row["agent_id"] for row in await chain.rows("SELECT agent_id FROM model_calls")}
    assert tasks
    assert calls
    assert {(agent, int(Touch.RUN)) for agent in tasks} <= news
    assert {(agent, int(Touch.SPENDING)) for agent in calls} <= news


async def test_a_row_that_the_database_refuses_puts_its_trace_aside(
    chain: Chain,
) -> None:
    async with chain.db.owner() as owner:
        await owner.execute(text("ALTER TABLE tasks ADD CONSTRAINT unlucky CHECK (description <> 'invoke_agent lost')"))
    await chain.keep([*told(chain, 1), *told(chain, 2, corpus.orphans)])
    await chain.assemble()
    assert {row["trace_id"] for row in await chain.rows("SELECT trace_id FROM tasks")} == {f"{1:032x}"}
    (row,) = await chain.rows("SELECT * FROM touched_traces")
    assert row["tries"] == 1


async def test_a_database_that_is_away_blames_no_trace(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    await chain.keep(told(chain, 1))

    async def away(principal: Principal, drafts: Any, outcome: Outcome) -> None:
        raise DatabaseDown("away")

    with monkeypatch.context() as patched:
        patched.setattr(chain.ingest, "keep_logs", away)
        with pytest.raises(DatabaseDown):
            await chain.assemble()
    assert await chain.rows("SELECT * FROM tasks") == [], "the claim went with the transaction"
    assert await chain.assemble() == 1
    assert len(await chain.rows("SELECT * FROM tasks")) == 1


async def test_a_large_trace_is_left_alone_for_longer_the_larger_it_is(chain: Chain) -> None:
    def many(t: Teller) -> None:
        agent = t.agent("daemon", seconds=None)
        for _ in range(2999):
            t.call(agent, 1, 1)

    steps = [replace(step, started_us=chain.now_us - 1000, ended_us=chain.now_us) for step in told(chain, 1, many)]
    await chain.keep(steps[:2000])
    assert await chain.assemble() == 1
    (row,) = await chain.rows("SELECT * FROM touched_traces")
    assert (row["news"], row["holds"], row["due_at"] - chain.clock()) == (False, True, timedelta(seconds=2))
    assembled = chain.figures.get_sample_value("agent_monitor_assembled_steps_total")
    for place in range(2000, 3000, 100):
        await chain.keep(steps[place : place + 100])
        chain.clock.advance(0.1)
        await chain.assemble()
    assert chain.figures.get_sample_value("agent_monitor_assembled_steps_total") == assembled
    (row,) = await chain.rows("SELECT * FROM touched_traces")
    assert (row["news"], row["holds"]) == (True, True), "ten pieces of news are one errand"
    chain.clock.advance(1.1)
    await chain.assemble()
    (task,) = await chain.rows("SELECT tokens_used, calls FROM tasks")
    assert (task["tokens_used"], task["calls"]) == (5998, 2999)


async def test_what_an_endless_trace_costs_grows_no_faster_than_its_length_times_its_logarithm(chain: Chain) -> None:
    def many(t: Teller) -> None:
        agent = t.agent("daemon", seconds=None)
        for _ in range(19_999):
            t.call(agent, 1, 1)

    # 1,000 steps a second for 20 seconds, looked at every second.
    steps = [replace(step, started_us=chain.now_us - 1000, ended_us=None) for step in told(chain, 1, many)]
    for second in range(20):
        await chain.keep(steps[second * 1000 : (second + 1) * 1000])
        await chain.assemble()
        chain.clock.advance(1)
    chain.clock.advance(60)
    await chain.assemble()
    read = chain.figures.get_sample_value("agent_monitor_assembled_steps_total")
    assert read is not None
    # Every second all of it would be 210,000.
    assert read < 20_000 * 5
    (task,) = await chain.rows("SELECT calls FROM tasks")
    assert task["calls"] == 19_999


async def test_a_batch_takes_no_more_steps_than_it_may(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "STEPS_AT_ONCE", 12)
    for number in range(1, 11):
        await chain.keep(told(chain, number))
    await chain.assemble()
    assert len(await chain.rows("SELECT * FROM tasks")) == 10
    assert await chain.rows("SELECT * FROM touched_traces") == []


async def test_several_assemblers_share_the_work_and_come_to_one_result(chain: Chain) -> None:
    others = [Assembler(chain.db, chain.ingest, clock=chain.clock, registry=CollectorRegistry()) for _ in range(3)]
    alone, shared = await make_tenant(chain.db), await make_tenant(chain.db)
    steps = corpus.corpus(chain.now_us)
    await chain.keep(steps, principal=alone.principal)
    chain.clock.advance(61)
    await chain.assemble()
    for place in range(0, len(steps), 40):
        await chain.keep(steps[place : place + 40], principal=shared.principal)
        await asyncio.gather(*(other.run_once(chain.clock()) for other in others))
    chain.clock.advance(61)
    await asyncio.gather(*(other.run_once(chain.clock()) for other in others))
    await chain.assemble()
    assert await chain.stored((*RUNS, "agent_logs"), tenant=shared.id) == await chain.stored(
        (*RUNS, "agent_logs"), tenant=alone.id
    )


async def test_the_same_trace_in_two_tenants_is_two_traces(chain: Chain) -> None:
    other = await make_tenant(chain.db)
    await chain.keep(told(chain, 1))
    await chain.keep(told(chain, 1, corpus.summed), principal=other.principal)
    await chain.assemble()
    assert len(await chain.rows("SELECT * FROM tasks")) == 1
    assert len(await chain.rows("SELECT * FROM tasks", tenant=other.id)) == 2
