"""Steps through the real chain: kept, assembled, and the tables made equal to what the trace says."""

from msgspec.structs import replace
from sqlalchemy import text

from monitor.principal import Principal, Scope, TenantStatus
from monitor.runs.spans import row_id
from monitor.runs.steps import Step, StepStatus
from tests.assembly import corpus
from tests.assembly.chain import RUNS, Chain
from tests.assembly.corpus import GENAI, Teller
from tests.factories import make_tenant


def told(chain: Chain, shape: object = corpus.crew, number: int = 1) -> list[Step]:
    teller = Teller(number, (chain.now_us - 60_000_000) * 1000, GENAI)
    shape(teller)  # type: ignore[operator]
    return teller.steps()


async def test_a_trace_becomes_rows_with_sums(chain: Chain) -> None:
    outcome = await chain.keep(told(chain))
    assert (outcome.accepted, outcome.rejected) == (9, [])
    assert await chain.assemble() == 1
    tasks = await chain.rows("SELECT a.external_id, t.* FROM tasks t JOIN agents a ON a.id = t.agent_id ORDER BY t.id")
    assert [(row["external_id"], row["status"], row["tokens_used"], row["calls"]) for row in tasks] == [
        ("researcher", "completed", 15, 1), ("writer", "failed", 100, 1), ("critic", "completed", 10, 1),
    ]  # fmt: skip
    (execution,) = await chain.rows("SELECT * FROM workflow_executions")
    assert (execution["name"], execution["total_tasks"], execution["failed_tasks"]) == ("report", 3, 1)
    assert execution["total_tokens"] == 125
    assert tasks[1]["error_fingerprint"]
    assert await chain.rows("SELECT * FROM touched_traces") == []


async def test_the_same_again_changes_nothing_and_costs_no_assembly(chain: Chain) -> None:
    steps = told(chain)
    await chain.keep(steps)
    await chain.assemble()
    before = await chain.stored((*RUNS, "agent_logs", "agents", "spans"))
    outcome = await chain.keep(steps)
    assert outcome.accepted == 9, "it is stored, if not for the first time"
    assert await chain.assemble() == 0
    assert await chain.stored((*RUNS, "agent_logs", "agents", "spans")) == before


async def test_of_two_tellings_the_one_that_has_ended_is_kept(chain: Chain) -> None:
    steps = told(chain)
    for order in ([corpus.partial(steps[2]), steps[2]], [steps[2], corpus.partial(steps[2])]):
        tenant = await make_tenant(chain.db)
        for step in order:
            await chain.keep([step], principal=tenant.principal)
        (row,) = await chain.rows("SELECT ended_at, facts FROM spans", tenant=tenant.id)
        assert row["ended_at"] is not None
        assert row["facts"]["agent_version" if "agent_version" in row["facts"] else "operation"]


async def test_both_tellings_in_one_request_are_one_step(chain: Chain) -> None:
    (step, *_rest) = told(chain, corpus.conversation)
    await chain.keep([corpus.partial(step), step, corpus.partial(step)])
    (row,) = await chain.rows("SELECT id, ended_at FROM spans")
    assert row["id"] == row_id(step.started_us, step.trace_id, step.span_id)
    assert row["ended_at"] is not None


async def test_late_parents_take_their_children_over(chain: Chain) -> None:
    steps = told(chain)
    flow = steps[0]
    for step in reversed(steps):
        await chain.keep([step])
        await chain.assemble()
        chain.clock.advance(1)
    tasks = await chain.rows("SELECT execution_id FROM tasks")
    assert {row["execution_id"] for row in tasks} == {row_id(flow.started_us, flow.trace_id, flow.span_id)}
    assert len(tasks) == 3
    logs = await chain.rows("SELECT a.external_id FROM agent_logs l JOIN agents a ON a.id = l.agent_id")
    assert sorted(row["external_id"] for row in logs) == ["researcher", "writer"]


async def test_who_waits_for_a_parent_is_looked_at_again(chain: Chain) -> None:
    await chain.keep(told(chain, corpus.orphans))
    await chain.assemble()
    assert [row["task_type"] for row in await chain.rows("SELECT task_type FROM tasks")] == ["invoke_agent"]
    assert await chain.rows("SELECT * FROM agent_logs") == []
    chain.clock.advance(59)
    assert await chain.assemble() == 0
    chain.clock.advance(2)
    assert await chain.assemble() == 1
    assert len(await chain.rows("SELECT * FROM tasks")) == 2
    (log,) = await chain.rows("SELECT * FROM agent_logs")
    assert (log["kind"], log["status"]) == ("execution", "success")
    assert await chain.rows("SELECT * FROM touched_traces") == []


async def test_a_finished_run_is_an_execution_of_its_agent_once(chain: Chain) -> None:
    steps = told(chain)
    await chain.keep(steps)
    await chain.assemble()
    await chain.keep([replace(steps[0], name="a name that is longer than the one before")])
    assert await chain.assemble() == 1
    logs = await chain.rows(
        "SELECT a.external_id, l.status, l.message, l.duration, l.external_id AS own FROM agent_logs l "
        "JOIN agents a ON a.id = l.agent_id ORDER BY 1"
    )
    assert [(row["external_id"], row["status"], row["message"], row["duration"]) for row in logs] == [
        ("researcher", "success", None, 3000), ("writer", "error", "no such file: report-17", 3000),
    ]  # fmt: skip
    tasks = {str(row["id"]) for row in await chain.rows("SELECT id FROM tasks")}
    assert {row["own"] for row in logs} < tasks
    (live,) = await chain.rows(
        "SELECT l.consecutive_failures FROM agent_live l JOIN agents a ON a.id = l.agent_id "
        "WHERE a.external_id = 'writer'"
    )
    assert live["consecutive_failures"] == 1


async def test_what_is_too_old_too_new_or_backwards_is_named(chain: Chain) -> None:
    step = told(chain, corpus.conversation)[0]
    now = chain.now_us
    month = 40 * 86_400_000_000
    outcome = await chain.keep(
        [
            replace(step, started_us=now - month, ended_us=now),
            replace(step, started_us=now + 400_000_000, ended_us=None),
            replace(step, ended_us=step.started_us - 1),
            replace(step, trace_id="xyz"),
            replace(step, parent_id="1"),
            replace(step, agent="a" * 201),
            replace(step, attributes={"depth": float("nan")}),
        ]
    )
    assert outcome.accepted == 0
    assert [error.partition(":")[0] for _, error in outcome.rejected] == [
        "started_at", "started_at", "ended_at", "trace_id", "parent_id", "agent", "attributes.depth",
    ]  # fmt: skip
    assert await chain.rows("SELECT * FROM spans") == []


async def test_long_texts_are_cut_and_nul_is_replaced(chain: Chain) -> None:
    step = told(chain, corpus.conversation)[0]
    noted = replace(step, attributes={"note": "x" * 70_000, "nul": "a\0b"})
    outcome = await chain.keep([noted])
    assert outcome.accepted == 1
    assert "attributes.note: cut by" in outcome.warnings[0][1]
    (row,) = await chain.rows("SELECT attributes FROM spans")
    assert row["attributes"]["nul"] == "a�b"


async def test_a_bound_key_speaks_for_its_agent_only(chain: Chain) -> None:
    steps = told(chain, corpus.conversation)
    await chain.keep([told(chain, corpus.summed, 9)[0]])
    (row,) = await chain.rows("SELECT id FROM agents WHERE external_id = 'opaque'")
    bound = Principal(chain.tenant.id, TenantStatus.ACTIVE, frozenset({Scope.INGEST}), agent_id=row["id"])
    outcome = await chain.keep(steps, principal=bound)
    assert outcome.rejected == [(0, "403: this key is bound to another agent")]
    assert {row["agent"] for row in await chain.rows("SELECT agent FROM spans")} == {"opaque"}


async def test_agents_over_the_tenants_limit_are_refused_by_name(chain: Chain) -> None:
    async with chain.db.owner() as owner:
        await owner.execute(text("UPDATE tenants SET max_agents = 1 WHERE id = :id"), {"id": chain.tenant.id})
    steps = told(chain)
    outcome = await chain.keep([step for step in steps if step.agent in (None, "researcher")])
    assert outcome.rejected == []
    outcome = await chain.keep([step for step in steps if step.agent not in (None, "researcher")])
    assert {error for _, error in outcome.rejected} == {"agent: the tenant's limit of 1 agents is reached"}
    await chain.assemble()
    assert len(await chain.rows("SELECT * FROM tasks")) == 1


async def test_agents_are_seen_when_their_steps_come(chain: Chain) -> None:
    await chain.keep(told(chain, corpus.conversation))
    (row,) = await chain.rows("SELECT last_seen_at FROM agent_live")
    assert abs((row["last_seen_at"] - chain.clock()).total_seconds()) < 1


async def test_statuses_are_kept(chain: Chain) -> None:
    await chain.keep([replace(step, status=StepStatus.OK) for step in told(chain, corpus.conversation)])
    assert {row["status"] for row in await chain.rows("SELECT status FROM spans")} == {"ok"}


_SPENT = """
    SELECT a.external_id AS agent, s.metric, s.unit, s.kind, sum(p.value) AS total
    FROM samples p JOIN series s ON s.id = p.series_id JOIN agents a ON a.id = s.agent_id
    WHERE s.metric IN ('tokens', 'cost_usd') GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
"""


async def test_calls_are_points_that_rules_can_sum(chain: Chain) -> None:
    steps = told(chain)
    await chain.keep(steps[:5])
    await chain.assemble()
    await chain.keep(steps)
    await chain.assemble()
    points = await chain.rows(_SPENT)
    assert {(row["agent"], row["total"]) for row in points if row["metric"] == "tokens"} == {
        ("researcher", 15.0), ("writer", 100.0), ("critic", 10.0),
    }  # fmt: skip
    ledger = await chain.rows(
        "SELECT a.external_id AS agent, sum(c.cost_usd) AS total FROM model_calls c JOIN agents a ON a.id = c.agent_id "
        "WHERE c.cost_usd IS NOT NULL GROUP BY 1"
    )
    costs = {row["agent"]: float(row["total"]) for row in ledger}
    assert {row["agent"]: row["total"] for row in points if row["metric"] == "cost_usd"} == costs
    assert {(row["metric"], row["unit"], row["kind"]) for row in points} <= {
        ("tokens", "tokens", "delta"), ("cost_usd", "USD", "delta"),
    }  # fmt: skip
