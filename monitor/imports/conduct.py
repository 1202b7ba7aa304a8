"""Agents of document 002 as they are set up, their workflows, and what they did: executions and calls of tools."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.imports import agents, people, runs
from monitor.imports.into import Into, mended
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing, together
from monitor.runs.model import Execution, ToolExecution, ToolStatus
from monitor.runs.names import RunKind
from monitor.runs.tables import Workflow

_STATUSES = {
    **{status.value: status for status in ToolStatus}, "pending": ToolStatus.RUNNING, "completed": ToolStatus.SUCCESS,
    "failed": ToolStatus.ERROR,
}  # fmt: skip


async def agents_of(into: Into, rows: list[Row], report: Report) -> Writing:
    """Under their ids, called by their slugs."""
    made: list[tuple[UUID, dict[str, Any]]] = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = people.home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        if row["id"] in into.homes:
            report.note("left out: an agent of this id is here already and stays as it is", key)
            continue
        into.homes[row["id"]] = tenant_id
        made.append((tenant_id, _agent(row, into, report, key)))
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        for tenant_id, new in people.grouped(made).items():
            await agents.put(connection, tenant_id, new, {})

    return Writing(rows=write if made else None)


def _agent(row: Row, into: Into, report: Report, key: str) -> dict[str, Any]:
    imported: dict[str, Any] = {}

    def within(name: str, good: bool) -> Any:
        """The value, where it may be one."""
        if row[name] is None or good:
            return row[name]
        report.note(f"{name} is out of bounds: it stands in metadata.imported", key)
        imported[name] = float(row[name])
        return None

    return {
        "id": row["id"],
        "external_id": row["slug"] or key,
        "name": row["name"],
        "description": row["description"],
        "model_provider": row["provider"],
        "model": row["model_name"],
        "temperature": within("temperature", 0 <= (row["temperature"] or 0) <= 2),
        "max_tokens": within("max_tokens", (row["max_tokens"] or 0) > 0),
        "system_prompt": row["system_prompt"],
        "capabilities": words(row["capabilities"]),
        "tools": words(row["tools"]),
        "timeout_seconds": within("timeout", (row["timeout"] or 0) > 0),
        "max_iterations": within("max_iterations", (row["max_iterations"] or 0) > 0),
        "memory_enabled": bool(row["memory_enabled"]),
        "status": agents.status_of(row["status"], report, key),
        "version": row["version"],
        "tags": labels(row["tags"]),
        "config": row["config"] or {},
        "metadata": runs.metadata_of(row, imported, report, key),
        "deleted_at": row["deleted_at"],
        **people.times(row, into),
    }


def words(given: Any) -> list[str]:
    """A list of texts, whatever was listed."""
    return [one if isinstance(one, str) else str(one) for one in given or []]


def labels(given: Any) -> dict[str, Any]:
    """Tags by key; those of a plain list have no value."""
    return given if isinstance(given, dict) else dict.fromkeys(words(given), "")


async def workflows(into: Into, rows: list[Row], report: Report) -> Writing:
    """Under their ids. Their agents are named by external id where they are here."""
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = people.home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        status = {"inactive": "archived"}.get(row["status"], row["status"] or "active")
        if status not in ("draft", "active", "archived"):
            report.note(f"the status {status!r} is not known here: imported as active", key)
            status = "active"
        timeout = row["timeout"] if (row["timeout"] or 0) > 0 else None
        made.append(
            {
                "tenant_id": tenant_id,
                "id": row["id"],
                "slug": row["slug"] or key,
                "name": row["name"],
                "description": row["description"],
                "definition": row["definition"] or {},
                "agent_ids": words(row["agent_ids"]),
                "timeout_seconds": timeout,
                "retry": row["retry"] or {},
                "status": status,
                "version": max(1, row["version"] or 1),
                "tags": labels(row["tags"]),
                "metadata": runs.metadata_of(row, {}, report, key),
                "deleted_at": row["deleted_at"],
                **people.times(row, into),
            }
        )
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(Workflow).on_conflict_do_nothing(), made)

    return Writing(rows=write if made else None)


async def executions(into: Into, rows: list[Row], report: Report) -> Writing:
    """Runs of workflows."""
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = people.home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        status = runs.status_of(row, report, key)
        times, imported = runs.times_of(row, status, report, key)
        done, total = row["steps_completed"], row["steps_total"]
        if done is not None and total is not None and not 0 <= done <= total:
            report.note("more steps done than there are: both stand in metadata.imported", key)
            imported |= {"steps_completed": done, "steps_total": total}
            done = total = None
        values = {
            "workflow_id": row["workflow_id"],
            "name": key,
            "status": status,
            "user_id": into.users.get(row["user_id"]),
            "current_step": row["current_step"],
            "steps_completed": done,
            "steps_total": total,
            "input": row["input_data"],
            "output": row["output_data"],
            "error_message": row["error_message"],
            "metadata": runs.metadata_of(row, imported, report, key),
            **times,
        }
        drafts.append((tenant_id, runs.Draft(key, times["started_at"] or into.now, Execution, values)))
    return _runs(into, RunKind.EXECUTION, drafts, report)


async def tools(into: Into, rows: list[Row], report: Report) -> Writing:
    """Calls of tools."""
    names = {"parameters": "tool_input", "result": "tool_output"}
    return await _calls(into, rows, report, names, {})


async def mcp_tools(into: Into, rows: list[Row], report: Report) -> Writing:
    """Calls of MCP servers' tools. The server is named as the document refers to it."""
    names = {"parameters": "tool_parameters", "result": "tool_result", "error_code": "error_code",
             "mcp_server": "mcp_server_id", "mcp_instance": "server_instance_id"}  # fmt: skip
    return await _calls(into, rows, report, names, {"tool_type": "mcp"})


async def _calls(
    into: Into, rows: list[Row], report: Report, names: Mapping[str, str], more: Mapping[str, Any]
) -> Writing:
    """`names`: columns by field; `more`: fields that are the same of all."""
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = people.home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        if into.homes.get(row["agent_id"]) != tenant_id:
            report.note("left out: it belongs to no agent of its tenant", key)
            continue
        status = _STATUSES.get(row["status"])
        if status is None:
            report.note(f"the status {row['status']!r} is not known here: imported as running", key)
        started, completed, imported = _span(row, into, report, key)
        if row["message_id"] is not None:
            imported["message_id"] = str(row["message_id"])
        values = {
            "agent_id": row["agent_id"],
            "tool_name": row["tool_name"],
            "status": status or ToolStatus.RUNNING,
            "conversation": None if row["conversation_id"] is None else str(row["conversation_id"]),
            "error_message": row["error_message"],
            "started_at": started,
            "completed_at": completed,
            "metadata": runs.metadata_of(row, imported, report, key),
            **{name: _text(row[column]) for name, column in names.items()},
            **more,
        }
        drafts.append((tenant_id, runs.Draft(key, started, ToolExecution, values)))
    await into.cover(("tool_executions",), [draft.at for _, draft in drafts])
    return _runs(into, RunKind.TOOL, drafts, report)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _span(row: Row, into: Into, report: Report, key: str) -> tuple[datetime, datetime | None, dict[str, Any]]:
    """Start and end, from a duration where only one of them is there, and what they do not say."""
    started, completed, taken = row["started_at"], row["completed_at"], row["execution_time_ms"]
    span = None if taken is None else timedelta(milliseconds=taken)
    if started is None:
        started = completed - (span or timedelta(0)) if completed is not None else into.now
    elif completed is not None and completed < started:
        report.note("an end before the start was left out; it stands in metadata.imported", key)
        return started, None, {"completed_at": completed.isoformat()}
    elif completed is None and span is not None and row["status"] not in ("running", "pending"):
        completed = started + span
    told = None if completed is None else (completed - started) / timedelta(milliseconds=1)
    return started, completed, {} if taken is None or told == taken else {"execution_time_ms": taken}


def _runs(into: Into, kind: RunKind, drafts: list[tuple[UUID, runs.Draft]], report: Report) -> Writing:
    parts = people.grouped(drafts).items()
    return together([(tenant_id, runs.taken(into.of(tenant_id), kind, some, report)) for tenant_id, some in parts])
