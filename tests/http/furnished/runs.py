"""What agents did."""

from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "workflow", "execution", "task", "tool", "interaction", "span")
    word, ids = made.word, made.ids
    return {
        "workflows": {"id": ids["workflow"], "slug": f"{word}-workflow", "name": word, "description": word},
        "workflow_executions": {
            "id": ids["execution"], "workflow_id": ids["workflow"], "name": word, "status": "running",
            "input": {word: word}, "started_at": now,
        },
        # The trigger adds its row of agent_counts.
        "tasks": {
            "id": ids["task"], "task_type": word, "description": word, "status": "running",
            "execution_id": ids["execution"], "input": {word: word}, "started_at": now, "tokens_used": made.number,
        },
        "tool_executions": {
            "id": ids["tool"], "task_id": ids["task"], "tool_name": f"{word}-tool", "status": "running",
            "parameters": {word: word}, "started_at": now,
        },
        "agent_interactions": {
            "id": ids["interaction"], "from_agent_id": made.agent_id, "to_agent_id": made.agent_id,
            "interaction_type": "review", "message": word, "at": now, "execution_id": ids["execution"],
        },
        "spans": {
            "id": ids["span"], "trace_id": f"{made.number:032x}", "span_id": f"{made.number:016x}", "kind": "agent",
            "name": f"{word}-span", "status": "ok", "agent": word, "facts": {"input": word}, "started_at": now,
            "rank": made.number,
        },
        "touched_traces": {"trace_id": f"{made.number:032x}", "due_at": now},
        "unmapped_names": {
            "kind": "unknown", "dialect": word, "name": f"{word}.name", "seen": 1, "first_seen_at": now,
            "last_seen_at": now,
        },
        "run_names": {"kind": "task", "external_id": f"{word}-task", "id": ids["task"]},
        "agent_totals": {
            "tasks": 0, "completed": 0, "failed": 0, "timed": 0, "duration_ms": 0, "tokens": 0, "cost_usd": 0,
        },
    }  # fmt: skip
