"""The ledger: what is put in is kept once, priced exactly, and adds up at every level."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from msgspec.structs import replace

from monitor.db import Database
from monitor.usage.model import Tokens, Total
from tests.conftest import SettableClock
from tests.usage.stage import Stage


@pytest.fixture
async def stage(db: Database, clock: SettableClock) -> Stage:
    """A tenant with two agents, and two models that have prices."""
    made = await Stage.of(db, clock())
    await made.price("m-1", "3", "15", cache_read=Decimal("0.3"), cache_write=Decimal("3.75"))
    await made.price("m-2", "0.035", "0.14")
    return made


async def test_a_call_is_priced_and_kept(stage: Stage) -> None:
    tokens = Tokens(input=1000, output=100, cache_read=600, cache_write=100, reasoning=40)
    posted = await stage.put([stage.call(tokens=tokens)])
    # 300 fresh at 3, 600 read at 0.30, 100 written at 3.75, 100 said at 15, for a million.
    assert [each.cost_usd for each in posted.calls] == [Decimal("0.002955")]
    rows = await stage.rows("SELECT cost_usd, cost_source, source, model_name FROM model_calls")
    assert [tuple(row) for row in rows] == [(Decimal("0.002955"), "priced", "api", "m-1")]


async def test_a_given_cost_wins_and_an_unknown_model_costs_nothing_that_is_known(stage: Stage) -> None:
    given, unknown = stage.call(given_cost=Decimal("0.5")), stage.call(model="who-knows")
    nameless = stage.call(model=None)
    await stage.put([given, unknown, nameless])
    rows = await stage.rows("SELECT id, cost_usd, cost_source FROM model_calls")
    assert {row.id: (row.cost_usd, row.cost_source) for row in rows} == {
        given.id: (Decimal("0.5"), "given"),
        unknown.id: (None, None),
        nameless.id: (None, None),
    }


async def test_totals_of_tasks_and_executions_stored_before_and_after(stage: Stage) -> None:
    execution = await stage.execution()
    task = await stage.task(execution_id=execution)
    later = UUID(int=stage.now.microsecond + 7)
    calls = [stage.call(task_id=task, execution_id=execution), stage.call(task_id=later, execution_id=execution)]
    posted = await stage.put(calls, tasks=[UUID(int=1)])
    each = Total(1, 1000, 100, Decimal("0.0045"))
    assert posted.tasks == {task: each, later: each, UUID(int=1): Total()}
    assert posted.executions == {execution: Total(2, 2000, 200, Decimal("0.009"))}
    found = await stage.rows("SELECT calls, input_tokens, output_tokens, tokens_used, cost_usd FROM tasks")
    assert [tuple(row) for row in found] == [(1, 1000, 100, 1100, Decimal("0.0045"))]
    found = await stage.rows("SELECT total_tokens, total_cost_usd FROM workflow_executions")
    assert [tuple(row) for row in found] == [(2200, Decimal("0.009"))]


async def test_the_same_call_is_one_call_and_its_newest_telling_counts(stage: Stage) -> None:
    task = await stage.task()
    call = stage.call(task_id=task)
    await stage.put([call, call])
    await stage.put([call])
    await stage.put([replace(call, tokens=Tokens(input=2000, output=0))])
    assert await hours(stage) == (1, 2000, 0, Decimal("0.006"), 0)
    found = await stage.rows("SELECT calls, tokens_used, cost_usd FROM tasks")
    assert [tuple(row) for row in found] == [(1, 2000, Decimal("0.006"))]
    # A repetition that says nothing new adds no row to be added up.
    before = len(await stage.rows("SELECT FROM usage_hours"))
    await stage.put([replace(call, tokens=Tokens(input=2000, output=0))])
    assert len(await stage.rows("SELECT FROM usage_hours")) == before


async def test_calls_that_a_trace_no_longer_has_go_and_others_stay(stage: Stage) -> None:
    task, other = await stage.task(), await stage.task()
    told = stage.call(trace_id="t1", task_id=task)
    kept = stage.call(trace_id="t2", task_id=task)
    by_hand = stage.call(trace_id="t1", task_id=task)
    await stage.put([told], trace_ids=["t1"])
    await stage.put([kept], trace_ids=["t2"])
    await stage.put([by_hand])
    new = stage.call(trace_id="t1", task_id=other)
    posted = await stage.put([new], trace_ids=["t1"])
    rows = await stage.rows("SELECT id FROM model_calls")
    assert {row.id for row in rows} == {kept.id, by_hand.id, new.id}
    assert posted.tasks[task].calls == 2
    assert [(place.agent_id, place.model, place.at) for place in posted.gone] == [
        (told.agent_id, told.model, told.started_at)
    ]
    assert (await stage.rows("SELECT sum(calls) FROM tasks"))[0][0] == 3
    assert (await hours(stage))[0] == 3


async def test_a_call_that_moves_leaves_nothing_behind(stage: Stage) -> None:
    one, two = await stage.task(), await stage.task()
    call = stage.call(task_id=one)
    await stage.put([call])
    posted = await stage.put([replace(call, task_id=two, agent_id=stage.agents[1], model="m-2")])
    assert posted.tasks[one] == Total()
    assert posted.tasks[two] == Total(1, 1000, 100, Decimal("0.000049"))
    assert [place.agent_id for place in posted.gone] == [stage.agents[0]]
    found = await stage.rows(
        "SELECT agent_id, model, sum(calls) n FROM usage_hours GROUP BY 1, 2 HAVING sum(calls) <> 0"
    )
    assert [(row.agent_id, row.model, row.n) for row in found] == [(stage.agents[1], "m-2", 1)]


async def test_what_cannot_be_is_kept_aside_and_poisons_nothing(stage: Stage) -> None:
    wrong = stage.call(tokens=Tokens(input=-5, output=10**12, reasoning=3), given_cost=Decimal("NaN"), user="u" * 500)
    endless = stage.call(given_cost=Decimal("Infinity"))
    too_much = stage.call(given_cost=Decimal("1e9"))
    await stage.put([wrong, endless, too_much])
    rows = {row.id: row for row in await stage.rows("SELECT * FROM model_calls")}
    assert (rows[wrong.id].input_tokens, rows[wrong.id].output_tokens, rows[wrong.id].reasoning_tokens) == (0, 0, 3)
    assert rows[wrong.id].metadata == {"refused": {"input": "-5", "output": "1000000000000", "cost": "NaN"}}
    assert len(rows[wrong.id].user_ref) == 200
    assert rows[endless.id].cost_usd == rows[too_much.id].cost_usd == Decimal("0.0045")


async def test_calls_of_an_hour_count_in_that_hour(stage: Stage) -> None:
    start = stage.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    await stage.put([stage.call(at=start), stage.call(at=start + timedelta(minutes=59, seconds=59))])
    await stage.put([stage.call(at=start - timedelta(microseconds=1))])
    found = await stage.rows("SELECT hour, sum(calls) n FROM usage_hours GROUP BY 1 ORDER BY 1")
    assert [(row.hour, row.n) for row in found] == [(start - timedelta(hours=1), 1), (start, 2)]


async def hours(stage: Stage) -> tuple[int, int, int, Decimal, int]:
    """Calls, tokens in and out, cost and calls without one, by the hourly sums."""
    rows = await stage.rows(
        "SELECT sum(calls)::int, sum(input_tokens)::int, sum(output_tokens)::int, sum(cost_usd), sum(unpriced)::int "
        "FROM usage_hours"
    )
    calls, read, wrote, cost, unpriced = rows[0]
    return calls, read, wrote, cost, unpriced
