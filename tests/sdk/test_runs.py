"""Runs as tasks: their fields, their tokens, runs within runs."""

import asyncio
import threading
from datetime import datetime

import pytest

from monitor.sdk import AsyncMonitor, Monitor
from tests.sdk.collector import Collector, Failure
from tests.sdk.test_client import QUICK, aclient, client


def by_description(collector: Collector) -> dict[str, dict[str, object]]:
    """The tasks that arrived."""
    rows = {row.get("description", row["id"]): row for row in collector.rows("tasks")}
    assert len(rows) == len(collector.rows("tasks"))
    return rows


def test_a_run_is_one_task_too(collector: Collector) -> None:
    with client(collector) as monitor, monitor.run("review", task_type="code_review", pr=7) as run:
        run.tokens(input=900, output=120, model="claude-opus-4-1")
        run.tokens(input=100, model="claude-opus-4-1")
        run.detail(files=3)
    (task,) = collector.rows("tasks")
    (log,) = collector.rows("logs")
    assert task == {
        "agent": "akira-001",
        "id": run.id,
        "task_type": "code_review",
        "description": "review",
        "status": "completed",
        "metadata": {"pr": 7, "files": 3},
        "started_at": log["started_at"],
        "completed_at": log["completed_at"],
        "model": "claude-opus-4-1",
        "input_tokens": 1000,
        "output_tokens": 120,
    }
    assert datetime.fromisoformat(task["started_at"]).tzinfo is not None
    assert log["details"]["task_id"] == run.id


def test_a_run_that_fails_is_a_failed_task(collector: Collector) -> None:
    with client(collector) as monitor, pytest.raises(ValueError, match="bad diff"), monitor.run("review"):
        raise ValueError("bad diff")
    (task,) = collector.rows("tasks")
    assert (task["status"], task["task_type"]) == ("failed", "review")
    assert (task["error_type"], task["error_message"]) == ("ValueError", "bad diff")
    assert 'raise ValueError("bad diff")' in task["traceback"]


def test_runs_within_runs_are_subtasks(collector: Collector) -> None:
    with client(collector) as monitor:
        with monitor.run("outer") as outer:
            with monitor.run("first") as first, monitor.run("deep"):
                pass
            with monitor.run("second"):
                pass
        with monitor.run("alone"):
            pass
    tasks = by_description(collector)
    assert {name: task.get("parent_task") for name, task in tasks.items()} == {
        "outer": None,
        "first": outer.id,
        "deep": first.id,
        "second": outer.id,
        "alone": None,
    }


async def test_runs_of_asyncio_tasks_and_threads_know_their_parents(collector: Collector) -> None:
    async with aclient(collector) as monitor:

        async def part(number: int) -> None:
            async with monitor.run(f"part {number}"):
                await asyncio.sleep(0.01 * number)
                await asyncio.to_thread(in_thread, monitor, number)

        async with monitor.run("outer"):
            await asyncio.gather(*map(part, range(3)))
            bare = threading.Thread(target=in_thread, args=(monitor, 9))
            bare.start()
            bare.join()
    tasks = by_description(collector)
    ids = {task["id"]: name for name, task in tasks.items()}
    parents = {name: ids.get(task.get("parent_task")) for name, task in tasks.items()}
    assert parents == {
        "outer": None,
        **{f"part {number}": "outer" for number in range(3)},
        **{f"thread {number}": f"part {number}" for number in range(3)},
        "thread 9": None,
    }


def in_thread(monitor: AsyncMonitor, number: int) -> None:
    """A run on another thread."""
    with monitor.run(f"thread {number}"):
        pass


def test_tokens_of_other_models_make_subtasks(collector: Collector) -> None:
    with client(collector) as monitor, monitor.run("review") as run:
        run.tokens(input=10, output=1, model="large")
        run.tokens(input=20, output=2, model="small")
        run.tokens(input=30, output=3, model="large")
    own, other = sorted(collector.rows("tasks"), key=lambda row: len(row["id"]))
    assert (own["model"], own["input_tokens"], own["output_tokens"]) == ("large", 40, 4)
    assert (other["id"], other["parent_task"]) == (f"{run.id}-1", run.id)
    assert (other["model"], other["input_tokens"], other["output_tokens"]) == ("small", 20, 2)
    (log,) = collector.rows("logs")
    assert log["details"]["tokens"] == {"input": 60, "output": 6}


def test_a_task_is_sent_again_with_the_same_key_and_id(collector: Collector) -> None:
    collector.failures = [Failure(503), Failure(0, keep=True), Failure(503)]
    with client(collector) as monitor:
        with monitor.run("review"):
            pass
        assert monitor.flush(10)
    assert len(collector.rows("tasks")) == 1
    assert len(collector.rows("logs")) == 1
    assert len(collector.attempts()) == 2


def test_a_generator_that_ends_elsewhere_neither_raises_nor_leaves_a_parent(collector: Collector) -> None:
    async def steps(monitor: Monitor) -> list[int]:
        async def stream() -> object:
            with monitor.run("stream"):
                yield 1
                yield 2

        opened = stream()
        first = await asyncio.create_task(anext(opened))  # type: ignore[call-overload]
        await opened.aclose()  # type: ignore[attr-defined]
        with monitor.run("after"):
            pass
        return [first]

    with client(collector) as monitor:
        assert asyncio.run(steps(monitor)) == [1]
    tasks = by_description(collector)
    assert set(tasks) == {"stream", "after"}
    assert tasks["after"].get("parent_task") is None


def test_tasks_give_way_last_when_the_queue_is_full(collector: Collector) -> None:
    collector.down = True
    with client(collector, QUICK) as monitor:
        for number in range(3):
            with monitor.run(f"run {number}"):
                pass
        assert not monitor.flush(0.3)
        collector.down = False
        assert monitor.flush(20)
    assert len(collector.rows("tasks")) == 3
