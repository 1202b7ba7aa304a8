"""Runs from the steps of one trace: who did what, what it took, and that no order of steps changes it."""

import random
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.runs.assembly import Assembled, assemble
from monitor.runs.model import InteractionType, RunStatus, ToolStatus
from monitor.runs.steps import Facts, Step, StepKind, StepStatus
from monitor.runs.tree import UNNAMED, Trace
from tests.assembly import corpus
from tests.assembly.corpus import DIALECTS, GENAI, Teller

NOW_US = 1_790_000_000_000_000


def agent_id(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


def made(steps: list[Step], *, fresh: set[str] | None = None) -> Assembled:
    trace = Trace(steps, fresh=fresh or ())
    return assemble(trace, {name: agent_id(name) for name in trace.agents})


def told(shape: Any, dialect: dict[str, Any] = GENAI) -> list[Step]:
    teller = Teller(1, NOW_US * 1000, dialect)
    shape(teller)
    return teller.steps()


def sums(assembled: Assembled) -> dict[str, tuple[int, int, int]]:
    """Calls, tokens read and written by task, named by its agent."""
    found: dict[str, tuple[int, int, int]] = {}
    names = {agent_id(name): name for name in NAMES}
    for task in assembled.runs.tasks:
        calls = [call for call in assembled.runs.calls if call.task_id == task.id]
        found[names[task.agent_id]] = (
            len(calls), sum(call.tokens.input for call in calls), sum(call.tokens.output for call in calls),
        )  # fmt: skip
    return found


NAMES = (
    "planner", "researcher", "writer", "critic", "echo", "fleet", "lost", "ouroboros", "daemon", "Triage",
    "Refund Agent", "opaque", "unlucky", UNNAMED,
)  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_agents_run_is_a_task_with_its_calls_and_tools(dialect: dict[str, Any]) -> None:
    assembled = made(told(corpus.conversation, dialect))
    (task,) = assembled.runs.tasks
    assert (task.agent_id, task.status, task.model) == (agent_id("planner"), RunStatus.COMPLETED, "gpt-4o")
    assert sums(assembled) == {"planner": (2, 250, 50)}
    (tool,) = assembled.runs.tools
    assert (tool.tool_name, tool.task_id, tool.agent_id) == ("search", task.id, task.agent_id)
    (run,) = assembled.finished
    assert (run.task_id, run.failed, run.ended_us - run.started_us) == (task.id, False, 5_000_000)


def test_a_workflow_holds_the_tasks_of_all_its_agents() -> None:
    assembled = made(told(corpus.crew))
    (execution,) = assembled.runs.executions
    assert (execution.name, execution.status) == ("report", RunStatus.COMPLETED)
    assert {task.execution_id for task in assembled.runs.tasks} == {execution.id}
    assert {call.workflow for call in assembled.runs.calls} == {"report"}
    assert sums(assembled) == {"researcher": (1, 10, 5), "writer": (1, 40, 60), "critic": (1, 7, 3)}


def test_an_agent_below_another_is_its_subtask_and_a_collaboration() -> None:
    assembled = made(told(corpus.crew))
    tasks = {task.agent_id: task for task in assembled.runs.tasks}
    critic, writer = tasks[agent_id("critic")], tasks[agent_id("writer")]
    assert critic.parent_task_id == writer.id
    assert (writer.status, writer.error_type, writer.error_message) == (
        RunStatus.FAILED, "ValueError", "no such file: report-17",
    )  # fmt: skip
    (met,) = assembled.runs.interactions
    assert (met.from_agent_id, met.to_agent_id) == (writer.agent_id, critic.agent_id)
    assert met.interaction_type is InteractionType.COLLABORATION
    # The critic's run is part of the writer's: only those on top are executions of their agents.
    assert sorted(run.agent for run in assembled.finished) == ["researcher", "writer"]


def test_what_two_layers_tell_counts_once() -> None:
    assembled = made(told(corpus.twice_told))
    assert sums(assembled) == {"echo": (1, 30, 12)}
    (tool,) = assembled.runs.tools
    assert tool.tool_name == "look up"


def test_an_agents_own_sum_counts_where_no_call_tells_it() -> None:
    assembled = made(told(corpus.summed))
    assert sums(assembled) == {"opaque": (1, 77, 8), "unlucky": (1, 0, 0)}
    (failed,) = [call for call in assembled.runs.calls if call.failed]
    assert failed.error_message == "rate limited"


def test_an_agents_own_sum_counts_where_its_calls_say_nothing_of_theirs() -> None:
    def shape(t: Teller) -> None:
        t.call(t.agent("planner", attributes={"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 1}))

    assert sums(made(told(shape))) == {"planner": (2, 5, 1)}


def test_an_outer_call_counts_where_only_it_says_what_was_taken() -> None:
    def shape(t: Teller) -> None:
        t.call(t.call(t.agent("planner"), 9, 4))

    assert sums(made(told(shape))) == {"planner": (1, 9, 4)}


def test_an_embedding_within_a_call_is_another_call() -> None:
    def shape(t: Teller) -> None:
        outer = t.call(t.agent("planner"), 9, 4)
        t.call(outer, 6, 0, attributes={"gen_ai.operation.name": "embeddings"})

    assert sums(made(told(shape))) == {"planner": (2, 15, 4)}


def test_a_call_within_a_tool_within_a_call_is_another_call() -> None:
    def shape(t: Teller) -> None:
        t.call(t.tool("summarise", t.call(t.agent("planner"), 9, 4)), 6, 1)

    assert sums(made(told(shape))) == {"planner": (2, 15, 5)}


def test_calls_of_nobody_are_tasks_of_the_service() -> None:
    assembled = made(told(corpus.alone))
    (task,) = assembled.runs.tasks
    assert (task.agent_id, task.task_type) == (agent_id("fleet"), "chat")
    assert assembled.finished == ()
    (tool,) = assembled.runs.tools
    assert (tool.task_id, tool.agent_id) == (None, agent_id("fleet"))


def test_a_trace_without_names_is_somebodys() -> None:
    step = replace(told(corpus.alone)[1], service=None, parent_id=None)
    assert Trace([step]).agents == {UNNAMED}


def test_who_hangs_waits_for_a_name_while_it_is_fresh() -> None:
    steps = told(corpus.orphans)
    waiting = made(steps, fresh={step.span_id for step in steps})
    assert waiting.waits
    assert sums(waiting) == {"lost": (1, 3, 4)}, "a name is known here, there it may come yet"
    assert waiting.finished == (), "somebody's run may stand above it"
    later = made(steps)
    assert not later.waits
    assert sums(later) == {"lost": (1, 3, 4), "fleet": (1, 8, 9)}
    assert [run.agent for run in later.finished] == ["lost"]


def test_what_hangs_belongs_to_the_only_workflow() -> None:
    def shape(t: Teller) -> None:
        t.workflow("report")
        t.call(t.agent("planner", "feedfeedfeedfeed"), 1, 1)

    assembled = made(told(shape))
    assert [task.execution_id for task in assembled.runs.tasks] == [assembled.runs.executions[0].id]


def test_a_hand_over_names_the_agent_by_the_spelling_of_a_tool() -> None:
    assembled = made(told(corpus.handed))
    (met,) = assembled.runs.interactions
    assert (met.from_agent_id, met.to_agent_id) == (agent_id("Triage"), agent_id("Refund Agent"))
    assert met.interaction_type is InteractionType.HANDOFF
    assert met.execution_id == assembled.runs.executions[0].id


def test_what_has_not_ended_runs() -> None:
    assembled = made(told(corpus.endless))
    (task,) = assembled.runs.tasks
    assert (task.status, task.completed_at) == (RunStatus.RUNNING, None)
    assert assembled.runs.tools[0].status is ToolStatus.RUNNING
    assert assembled.finished == ()


def test_a_circle_is_cut_above_its_earliest_step() -> None:
    assembled = made(told(corpus.circle))
    (task,) = assembled.runs.tasks
    assert (task.agent_id, task.parent_task_id) == (agent_id("ouroboros"), None)
    assert sums(assembled) == {"ouroboros": (2, 11, 10)}


def test_a_step_that_is_its_own_parent_is_on_top() -> None:
    (step,) = told(lambda t: t.agent("planner", "0000000000000001"))
    assert sums(made([step])) == {"planner": (0, 0, 0)}


def test_steps_of_refused_agents_come_to_nothing_and_others_stay() -> None:
    steps = told(corpus.crew)
    trace = Trace(steps)
    assembled = assemble(trace, {name: agent_id(name) for name in trace.agents if name != "writer"})
    assert sums(assembled) == {"researcher": (1, 10, 5), "critic": (1, 7, 3)}
    critic = next(task for task in assembled.runs.tasks if task.agent_id == agent_id("critic"))
    assert critic.parent_task_id is None
    assert assembled.runs.interactions == ()


def test_tokens_cost_and_times_out_of_bounds_are_brought_into_them() -> None:
    def told_by(**facts: Any) -> Step:
        return replace(told(corpus.conversation)[1], parent_id=None, facts=facts)

    call = made([told_by(input_tokens=10, output_tokens=2, cache_read_tokens=8, cache_write_tokens=7)]).runs.calls[0]
    assert (call.tokens.cache_read, call.tokens.cache_write) == (8, 2)
    (call,) = made([told_by(input_tokens=-4, output_tokens=2**60, cost_usd="NaN")]).runs.calls
    assert (call.tokens.total, call.given_cost) == (0, None)
    (call,) = made([told_by(input_tokens=1, cost_usd="0.0000125")]).runs.calls
    assert call.given_cost == Decimal("0.0000125")


def test_a_tool_that_took_too_long_says_so() -> None:
    (step,) = told(lambda t: t.tool("slow", None))
    late = replace(step, status=StepStatus.ERROR, facts=step.facts | {"error_type": "TimeoutError"})
    assert made([late]).runs.tools[0].status is ToolStatus.TIMEOUT


@pytest.mark.parametrize("shape", corpus.SHAPES)
def test_no_order_and_no_repetition_changes_what_a_trace_comes_to(shape: Any) -> None:
    steps = told(shape)
    expected = canonical(made(steps))
    rng = random.Random(7)
    for _ in range(50):
        mixed = [*steps, *rng.sample(steps, rng.randint(0, len(steps)))]
        rng.shuffle(mixed)
        assert canonical(made(mixed)) == expected


def canonical(assembled: Assembled) -> Any:
    runs = assembled.runs
    return (
        [sorted(rows, key=lambda row: row.id) for rows in (runs.executions, runs.tasks, runs.tools, runs.calls)],
        sorted(runs.interactions, key=lambda row: row.id),
        sorted(assembled.finished),
    )


SPANS = [f"{number:016x}" for number in range(8)]


@st.composite
def steps_of_one_trace(draw: st.DrawFn) -> list[Step]:
    made: list[Step] = []
    for span in draw(st.lists(st.sampled_from(SPANS), max_size=12)):
        facts: Facts = {}
        if draw(st.booleans()):
            facts["input_tokens"] = draw(st.integers(0, 50))
        if draw(st.booleans()):
            facts["handoff_to"] = draw(st.sampled_from(["a", "b"]))
        if draw(st.booleans()):
            facts["tool"] = draw(st.sampled_from(["t", "u"]))
        started = NOW_US + draw(st.integers(0, 3))
        made.append(
            Step(
                "f" * 32, span, draw(st.none() | st.sampled_from([*SPANS, "e" * 16])),
                draw(st.sampled_from(list(StepKind))), draw(st.sampled_from(["x", "y"])), started,
                draw(st.none() | st.integers(started, started + 5)), draw(st.sampled_from(list(StepStatus))),
                draw(st.none() | st.sampled_from(["a", "b"])), draw(st.none() | st.just("s")), facts,
            )
        )  # fmt: skip
    return made


def test_of_two_equally_full_tellings_the_order_does_not_choose() -> None:
    first = told(corpus.conversation)[0]
    others = [
        replace(first, kind=StepKind.WORKFLOW),
        replace(first, status=StepStatus.ERROR),
        replace(first, agent="another"),
        replace(first, service="another", agent=None),
        replace(first, parent_id="e" * 16),
    ]
    for other in others:
        assert canonical(made([first, other])) == canonical(made([other, first]))


@settings(max_examples=400, deadline=None)
@given(steps_of_one_trace(), st.randoms(use_true_random=False), st.sets(st.sampled_from(SPANS)))
def test_any_tangle_comes_to_one_result(steps: list[Step], rng: random.Random, fresh: set[str]) -> None:
    expected = canonical(made(steps, fresh=fresh))
    mixed = [*steps, *steps[:3]]
    rng.shuffle(mixed)
    again = made(mixed, fresh=fresh)
    assert canonical(again) == expected
    ids = [call.id for call in again.runs.calls]
    assert len(set(ids)) == len(ids)
    tasks = {task.id for task in again.runs.tasks}
    assert all(call.task_id in tasks for call in again.runs.calls)
    assert all(task.parent_task_id is None or task.parent_task_id in tasks for task in again.runs.tasks)
