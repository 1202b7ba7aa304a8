"""Document 004: a team of agents with workflows, tasks and what they cost."""

from collections.abc import Callable
from typing import Any

from monitor.imports import agents, points, runs
from monitor.imports.given import Given, as_json
from monitor.imports.into import Into
from monitor.imports.source import Source
from monitor.imports.step import Step, same
from monitor.runs.model import Execution, Interaction, InteractionType, Task
from monitor.runs.names import RunKind

_SUMMED = (
    "role", "model", "backstory", "personality_emoji",
    "total_tasks_completed", "total_tokens_used", "average_latency_ms", "success_rate",
)  # fmt: skip
"""What stands on an agent there and follows from its tasks here, or is told by nothing."""
_COUNTED = ("total_tasks", "completed_tasks", "failed_tasks", "total_tokens_used", "total_cost_usd", "updated_at")
"""Counted here from tasks, which may not come to what the source says; changed, at the latest, when they are."""
_TYPES = frozenset(kind.value for kind in InteractionType)


async def look(into: Into, _source: Source) -> None:
    """Learn which agents there are."""
    await into.look()


def _with(*columns: str) -> Callable[[Given], dict[str, Any]]:
    """Metadata, and what of these columns says anything."""

    def made(given: Given) -> dict[str, Any]:
        given.imported |= {name: as_json(value) for name in columns if (value := given[name])}
        return given.metadata()

    return made


def _task(given: Given) -> runs.Draft:
    """With the line of the ledger that its tokens and its cost are."""
    made = _TASK(given)
    made.tokens, made.cost = given["tokens_used"] or 0, given["cost_usd"]
    return made


def _interaction(given: Given) -> runs.Draft:
    at = given["created_at"] or given.into.now
    values = {
        "from_agent_id": agents.reference("from_agent_id")(given),
        "to_agent_id": agents.reference("to_agent_id")(given),
        "interaction_type": InteractionType(given.word("interaction_type", _TYPES, InteractionType.COLLABORATION)),
        "at": at,
        "message": given["message"],
        "payload": given["payload"],
    }
    refs = {"execution_id": (RunKind.EXECUTION, str(given["workflow_id"]))} if given["workflow_id"] else {}
    return runs.Draft(given.name("id"), at, Interaction, values, refs)


def _point(given: Given) -> points.Draft:
    agent_id, at = agents.reference()(given), given["recorded_at"] or given.into.now
    said = (given["metric_type"], given["metric_value"], at)
    return points.draft(given, agent_id, *said, unit=given["metric_unit"], tags=given["context"])


_TASK = runs.draft(Task, {
    "agent_id": agents.reference(),
    **same("task_type", "description", "error_message"),
    "input": "input_data",
    "output": "output_data",
    "retry_count": lambda given: given["retry_count"] or 0,
    "metadata": Given.metadata,
}, execution_id=(RunKind.EXECUTION, "workflow_id"), parent_task_id=(RunKind.TASK, "parent_task_id"))  # fmt: skip
STEPS = (
    Step("agents", agents.columns(agents.named, {
        "status": agents.status,
        "capabilities": lambda given: given["specialties"] or [],
        "metadata": _with(*_SUMMED),
    }), agents.put),
    Step("workflows", runs.draft(Execution, {
        "workflow_id": lambda _given: None,
        **same("name", "description", "workflow_type", "initiator"),
        "metadata": _with(*_COUNTED),
    }), runs.put(RunKind.EXECUTION)),
    Step("agent_tasks", _task, runs.put(RunKind.TASK)),
    Step("agent_metrics", _point, points.put),
    Step("agent_interactions", _interaction, runs.put(RunKind.INTERACTION)),
)  # fmt: skip
LEFT_OUT = {"user_sessions": "sessions end with the platform that made them: people sign in here anew"}
NOT_READ: dict[str, str] = {}
