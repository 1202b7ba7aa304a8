"""Runs as the service holds them: what assembly makes of traces, what the API takes, what the store writes. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from monitor.usage.model import Call


class RunStatus(StrEnum):
    """Of tasks and workflow executions."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ToolStatus(StrEnum):
    """Of tool executions."""

    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"


class InteractionType(StrEnum):
    """What one agent has to do with another."""

    HANDOFF = "handoff"
    COLLABORATION = "collaboration"
    REVIEW = "review"
    FEEDBACK = "feedback"


class Source(StrEnum):
    """Who made a row: a caller of the API, or assembly from a trace, which may make it anew."""

    API = "api"
    TRACE = "trace"


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a workflow. `workflow_id` is None where nobody defined the workflow that `name` calls it."""

    id: UUID
    workflow_id: UUID | None
    name: str
    status: RunStatus
    user_id: UUID | None = None
    description: str | None = None
    workflow_type: str | None = None
    initiator: str | None = None
    conversation: str | None = None
    current_step: str | None = None
    steps_completed: int | None = None
    steps_total: int | None = None
    input: Any = None
    output: Any = None
    error_message: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    trace_id: str | None = None
    span_id: str | None = None
    metadata: dict[str, Any] = {}


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of an agent's work. Its tokens and cost are the sums of its own calls, not of its subtasks'."""

    id: UUID
    agent_id: UUID
    task_type: str
    status: RunStatus
    execution_id: UUID | None = None
    parent_task_id: UUID | None = None
    conversation: str | None = None
    user: str | None = None
    description: str = ""
    priority: str = "normal"
    input: Any = None
    output: Any = None
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    retry_count: int = 0
    model: str | None = None
    agent_version: str | None = None
    environment: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    trace_id: str | None = None
    span_id: str | None = None
    metadata: dict[str, Any] = {}


class ToolExecution(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool, MCP included. `message_id`: of the message that asked for it, as its conversation has it."""

    id: UUID
    agent_id: UUID
    tool_name: str
    status: ToolStatus
    task_id: UUID | None = None
    execution_id: UUID | None = None
    conversation: str | None = None
    message_id: str | None = None
    tool_type: str | None = None
    call_id: str | None = None
    mcp_server: str | None = None
    mcp_instance: str | None = None
    parameters: Any = None
    result: Any = None
    error_message: str | None = None
    error_code: str | None = None
    started_at: datetime
    completed_at: datetime | None = None
    trace_id: str | None = None
    span_id: str | None = None
    metadata: dict[str, Any] = {}


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """One agent handing over to another, working with it, reviewing or answering it."""

    id: UUID
    from_agent_id: UUID
    to_agent_id: UUID
    interaction_type: InteractionType
    at: datetime
    execution_id: UUID | None = None
    task_id: UUID | None = None
    message: str | None = None
    payload: Any = None
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Everything that one trace comes to, or one request of the API."""

    executions: tuple[Execution, ...] = ()
    tasks: tuple[Task, ...] = ()
    tools: tuple[ToolExecution, ...] = ()
    calls: tuple[Call, ...] = ()
    interactions: tuple[Interaction, ...] = ()
