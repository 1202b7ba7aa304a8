"""Document 004: a team of agents with workflows, tasks and what they cost."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from monitor.imports import agents, points, runs
from monitor.imports.into import Into, Step, known, mended
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing
from monitor.runs.model import Execution, Interaction, InteractionType, Task
from monitor.runs.names import RunKind

_IMPORTED = (
    "role", "model", "backstory", "personality_emoji",
    "total_tasks_completed", "total_tokens_used", "average_latency_ms", "success_rate",
)  # fmt: skip
_SUMMED = ("total_tasks", "completed_tasks", "failed_tasks", "total_tokens_used", "total_cost_usd")
_TYPES = {kind.value: kind for kind in InteractionType}


def _agent(row: Row, report: Report, key: str) -> Mapping[str, Any]:
    imported = {name: row[name] for name in _IMPORTED if row.get(name)}
    return {
        "external_id": row["id"],
        "name": row["name"],
        "status": agents.status_of(row.get("status"), report, key),
        "capabilities": row.get("specialties") or [],
        "metadata": runs.metadata_of(row, imported, report, key),
    }


async def _agents(into: Into, rows: list[Row], report: Report) -> Writing:
    return await agents.take(into, rows, report, _agent)


async def _workflows(into: Into, rows: list[Row], report: Report) -> Writing:
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        status = runs.status_of(row, report, key)
        times, imported = runs.times_of(row, status, report, key)
        # Counted here from tasks, which may not come to what the source says; changed, at the latest, when they are.
        imported |= {name: _plain(row[name]) for name in (*_SUMMED, "updated_at") if row.get(name)}
        values = {
            "workflow_id": None,
            "name": row["name"],
            "description": row.get("description"),
            "status": status,
            "workflow_type": row.get("workflow_type"),
            "initiator": row.get("initiator"),
            "metadata": runs.metadata_of(row, imported, report, key),
            **times,
        }
        at = times["started_at"] or row.get("created_at") or into.now
        drafts.append(runs.Draft(key, at, Execution, values, created_at=row.get("created_at")))
    return runs.taken(into, RunKind.EXECUTION, drafts, report)


async def _tasks(into: Into, rows: list[Row], report: Report) -> Writing:
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        status = runs.status_of(row, report, key)
        times, imported = runs.times_of(row, status, report, key)
        if row["agent_id"] not in into.agents:
            report.note("left out: its agent was left out", key)
            continue
        values = {
            "agent_id": into.agents[row["agent_id"]],
            "task_type": row["task_type"],
            "description": row["description"],
            "status": status,
            "input": row.get("input_data"),
            "output": row.get("output_data"),
            "error_message": row.get("error_message"),
            "retry_count": row.get("retry_count") or 0,
            "metadata": runs.metadata_of(row, imported, report, key),
            **times,
        }
        refs = {"execution_id": (RunKind.EXECUTION, "workflow_id"), "parent_task_id": (RunKind.TASK, "parent_task_id")}
        drafts.append(
            runs.Draft(
                key,
                times["started_at"] or row.get("created_at") or into.now,
                Task,
                values,
                {name: (kind, str(row[column])) for name, (kind, column) in refs.items() if row.get(column)},
                created_at=row.get("created_at"),
                tokens=row.get("tokens_used") or 0,
                cost=row.get("cost_usd"),
            )
        )
    await into.cover(runs.TABLES, [draft.at for draft in drafts])
    return runs.taken(into, RunKind.TASK, drafts, report)


async def _metrics(into: Into, rows: list[Row], report: Report) -> Writing:
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if row["agent_id"] not in into.agents:
            report.note("left out: its agent was left out", key)
            continue
        agent_id, at = into.agents[row["agent_id"]], row.get("recorded_at") or into.now
        said = (row["metric_type"], row["metric_value"], at, row.get("metric_unit"), row.get("context"))
        drafts.append(points.Draft(key, agent_id, *said))
    return await points.taken(into, drafts, report)


async def _interactions(into: Into, rows: list[Row], report: Report) -> Writing:
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        ends = [into.agents.get(row[name]) for name in ("from_agent_id", "to_agent_id")]
        if None in ends:
            report.note("left out: one of its agents was left out", key)
            continue
        kind = _TYPES.get(row["interaction_type"])
        if kind is None:
            report.note(f"the type {row['interaction_type']!r} is not known here: imported as collaboration", key)
        at = row.get("created_at") or into.now
        values = {
            "from_agent_id": ends[0],
            "to_agent_id": ends[1],
            "interaction_type": kind or InteractionType.COLLABORATION,
            "at": at,
            "message": row.get("message"),
            "payload": row.get("payload"),
        }
        refs = {"execution_id": (RunKind.EXECUTION, str(row["workflow_id"]))} if row.get("workflow_id") else {}
        drafts.append(runs.Draft(key, at, Interaction, values, refs))
    return runs.taken(into, RunKind.INTERACTION, drafts, report)


def _plain(value: Any) -> Any:
    """As JSON can say it."""
    return str(value) if isinstance(value, Decimal) or hasattr(value, "isoformat") else value


look = known
STEPS = (
    Step("agents", ("id",), _agents),
    Step("workflows", ("id",), _workflows),
    Step("agent_tasks", ("id",), _tasks),
    Step("agent_metrics", ("id",), _metrics),
    Step("agent_interactions", ("id",), _interactions),
)
LEFT_OUT = {"user_sessions": "sessions end with the platform that made them: people sign in here anew"}
