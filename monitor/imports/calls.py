"""Calls of tools as document 002 has them, MCP servers' included, and the steps of its executions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from monitor.imports import runs
from monitor.imports.given import Given, LeftOut, as_json
from monitor.runs.model import ToolExecution, ToolStatus

_STATUSES = {
    **{status.value: status.value for status in ToolStatus},
    "pending": ToolStatus.RUNNING.value,
    "completed": ToolStatus.SUCCESS.value,
    "failed": ToolStatus.ERROR.value,
}


def call(given: Given) -> runs.Draft:
    """Of any tool."""
    return _call(given, {"parameters": given["tool_input"], "result": given["tool_output"]})


def mcp_call(given: Given) -> runs.Draft:
    """Of an MCP server's tool. The server is called by its slug; one that nobody listed as the call has it."""
    given.belong()
    server = given.into.servers.get(given["mcp_server_id"])
    values = {
        "parameters": given["tool_parameters"],
        "result": given["tool_result"],
        "error_code": given["error_code"],
        "mcp_server": as_json(given["mcp_server_id"]) if server is None else server.slug,
        "mcp_instance": as_json(given["server_instance_id"]),
    }
    return _call(given, values | {"tool_type": "mcp"})


def _call(given: Given, more: Mapping[str, Any]) -> runs.Draft:
    given.belong()
    if given.into.homes.get(given["agent_id"]) != given.tenant_id:
        raise LeftOut("it belongs to no agent of its tenant")
    status = ToolStatus(given.word("status", _STATUSES, ToolStatus.RUNNING.value))
    started, completed = _span(given)
    values = {
        **{name: given[name] for name in ("agent_id", "tool_name", "error_message")},
        "status": status,
        "conversation": as_json(given["conversation_id"]),
        "message_id": as_json(given["message_id"]),
        "started_at": started,
        "completed_at": completed,
        **more,
        "metadata": given.metadata(),
    }
    return runs.Draft(given.key, started, ToolExecution, values)


def _span(given: Given) -> tuple[datetime, datetime | None]:
    """Start and end, from a duration where only one of them is there; what they do not say is kept."""
    started, taken = given["started_at"], given["execution_time_ms"]
    said, completed = given["completed_at"], given.ended(started, "completed_at")
    span = None if taken is None else timedelta(milliseconds=taken)
    if started is None:
        started = completed - (span or timedelta(0)) if completed is not None else given.into.now
    elif said is None and span is not None and given["status"] not in ("running", "pending"):
        completed = started + span
    measured = None if completed is None else (completed - started) / timedelta(milliseconds=1)
    if taken is not None and measured != taken:
        given.imported["execution_time_ms"] = taken
    return started, completed


def steps(given: Given) -> tuple[int | None, int | None]:
    """How many are done, and of how many; neither where that cannot be."""
    done, total = given["steps_completed"], given["steps_total"]
    if done is None or total is None or 0 <= done <= total:
        return done, total
    if "steps_total" not in given.imported:
        given.note("more steps done than there are: both stand in metadata.imported")
        given.imported |= {"steps_completed": done, "steps_total": total}
    return None, None
