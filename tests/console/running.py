"""A run with everything that a waterfall shows, every text of it hostile."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from monitor import clock
from monitor.db import Database
from monitor.ids import microseconds, uuid7_named
from monitor.runs import news
from monitor.runs.model import RunStatus
from tests.console.conftest import HOSTILE, Scene
from tests.insight.telling import broken, failed
from tests.runs.makers import at, put, task, tool, total, trace

_STEPS: list[dict[str, Any]] = [
    {"kind": "agent", "name": HOSTILE, "parent": None, "took": 9},
    {"kind": "call", "name": "chat", "facts": '{"model": "gpt-5", "input_tokens": 90, "cost_usd": "0.5"}', "took": 2},
    {"kind": "tool", "name": "search", "status": "error", "facts": '{"error_message": "no such file"}', "took": 1},
    {"kind": "handoff", "name": "transfer", "facts": '{"handoff_to": "yuki-002"}', "took": None},
    # Their parents are each other: they stand all the same.
    {"kind": "other", "name": "loop a", "parent": 5, "took": 1},
    {"kind": "other", "name": "loop b", "parent": 4, "took": 1},
]


async def make_run(db: Database, scene: Scene) -> str:
    """Its trace's id: six steps, of which the first is a task; a task and a tool that were told over the API."""
    one, tenant_id = trace(), scene.tenant.id
    ids = [uuid7_named(microseconds(at(number)), f"{one}:{number:016x}") for number in range(len(_STEPS))]
    root = task(scene.agent_id, id=ids[0], took=9, trace_id=one, description=f"Review {HOSTILE}", model="gpt-5")
    sub = failed(scene.agent_id, HOSTILE, seconds=3, took=2, trace_id=one, parent_task_id=root.id, description="sub")
    used = broken(scene.agent_id, trace_id=one, task_id=sub.id)
    await put(db, tenant_id, tasks=[root, sub], tools=[used], totals={root.id: total(90, "0.5")})
    async with db.tenant(tenant_id) as connection:
        for number, step in enumerate(_STEPS):
            await connection.execute(_SPAN, _row(tenant_id, one, number, ids[number], step))
    await news.run_once(db, clock.now())
    return one


_SPAN = text("""
    INSERT INTO spans (tenant_id, id, trace_id, span_id, parent_id, kind, name, status, facts, attributes, started_at,
                       ended_at, rank)
    VALUES (:tenant, :id, :trace, :span, :parent, :kind, :name, :status, CAST(:facts AS json), :attributes, :at, :ends,
            1)
""")


def _row(tenant_id: UUID, one: str, number: int, step_id: UUID, step: dict[str, Any]) -> dict[str, Any]:
    parent, took = step.get("parent", 0), step["took"]
    return {
        "tenant": tenant_id, "trace": one, "span": f"{number:016x}", "id": step_id, "kind": step["kind"],
        "parent": None if parent is None else f"{parent:016x}", "name": step["name"],
        "status": step.get("status", "ok"), "facts": step.get("facts", "{}"), "attributes": '{"note": "kept"}',
        "at": at(number), "ends": None if took is None else at(number + took),
    }  # fmt: skip


async def make_quick(db: Database, scene: Scene, description: str, **values: Any) -> str:
    """A run of one task."""
    one = trace()
    made = task(scene.agent_id, trace_id=one, description=description, **values)
    await put(db, scene.tenant.id, tasks=[made], tools=[tool(scene.agent_id, trace_id=one, task_id=made.id)])
    await news.run_once(db, clock.now())
    return one


RUNNING = {"took": None, "status": RunStatus.RUNNING}
