"""What may be said of a run: the fields under every name that platforms give them, checked one by one.

Every field may be left out: what a run needs at least is asked for when it is told of for the first time.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from monitor.ids import from_microseconds
from monitor.ingest import values
from monitor.ingest.values import Fault
from monitor.runs.model import InteractionType, RunStatus, ToolStatus

MOST_COST = Decimal(10) ** 9
MOST_COUNT = 10**15
_LONGEST_MS = 366 * 86_400_000


def _bare(fault: Fault) -> ValueError:
    """The words without the name of the field, which stands in front of them already."""
    return ValueError(str(fault).partition(": ")[2] or str(fault))


def _time(given: object) -> object:
    if given is None:
        return None
    try:
        return from_microseconds(values.time_us(given, "time"))
    except Fault as fault:
        raise _bare(fault) from None


def _text(given: object) -> object:
    """Cleaned; too long a one is cut, with a marker that says so."""
    if given is None:
        return None
    try:
        return values.text(given, "text", _told)
    except Fault as fault:
        raise _bare(fault) from None


def _name(given: object) -> object:
    if given is None:
        return None
    try:
        return values.name(str(given) if type(given) is int else given, "name")
    except Fault as fault:
        raise _bare(fault) from None


def _json(given: object) -> object:
    try:
        return msgspec.json.decode(values.body(given, "value", _told))
    except Fault as fault:
        raise _bare(fault) from None


def _told(_: str) -> None:
    """The marker in the text tells it."""


Time = Annotated[datetime | None, BeforeValidator(_time)]
Text = Annotated[str | None, BeforeValidator(_text)]
Name = Annotated[str, BeforeValidator(_name)]
Word = Annotated[str | None, BeforeValidator(_name)]
Json = Annotated[Any, BeforeValidator(_json)]
Object = Annotated[dict[str, Any], BeforeValidator(_json)]
Count = Annotated[int, Field(ge=0, le=MOST_COUNT, strict=True)]
Money = Annotated[Decimal, Field(ge=0, lt=MOST_COST, allow_inf_nan=False)]
Duration = Annotated[float, Field(ge=0, le=_LONGEST_MS, allow_inf_nan=False)]


def _also(*names: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(*names))


class RunIn(BaseModel):
    """What all runs have. `id`: the caller's own, any text; the same id is the same run."""

    model_config = ConfigDict(extra="forbid")

    id: Word = None
    trace_id: Word = None
    span_id: Word = None


class TimedIn(RunIn):
    """What runs have that begin and end. A duration stands in for the time that is not said."""

    conversation: Word = _also("conversation", "conversation_id", "session_id")
    started_at: Time = None
    completed_at: Time = None
    duration_ms: Duration | None = _also("duration_ms", "duration", "execution_time_ms", "execution_time")
    error_message: Text = _also("error_message", "error")
    metadata: Object | None = None


class TaskIn(TimedIn):
    """A task. `workflow_id` is the execution that it is part of. Its tokens make a line of the ledger."""

    agent: Word = _also("agent", "agent_id", "agent_name")
    execution: Word = _also("execution", "execution_id", "workflow_execution_id", "workflow_id")
    parent_task: Word = _also("parent_task", "parent_task_id")
    task_type: Word = None
    description: Text = None
    status: RunStatus | None = None
    priority: Literal["low", "normal", "high", "critical"] | None = None
    user: Word = _also("user", "user_id")
    input: Json = _also("input", "payload", "input_data")
    output: Json = _also("output", "result", "output_data")
    error_type: Word = None
    traceback: Text = None
    retry_count: Count | None = None
    model: Word = None
    provider: Word = None
    agent_version: Word = None
    environment: Word = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    tokens_used: Count | None = _also("tokens_used", "total_tokens_used")
    cost_usd: Money | None = None
    created_at: Time = None


class ExecutionIn(TimedIn):
    """A run of a workflow. `workflow`: the slug or id of one that is defined; `name` is enough where none is."""

    workflow: Word = _also("workflow", "workflow_id")
    name: Word = None
    description: Text = None
    workflow_type: Word = None
    initiator: Word = None
    user_id: Word = None
    status: RunStatus | None = None
    current_step: Word = None
    steps_completed: Count | None = None
    steps_total: Count | None = None
    input: Json = _also("input", "input_data", "payload")
    output: Json = _also("output", "output_data", "result")
    created_at: Time = None


class ToolIn(TimedIn):
    """A call of a tool, MCP included."""

    agent: Word = _also("agent", "agent_id", "agent_name")
    execution: Word = _also("execution", "execution_id", "workflow_execution_id", "workflow_id")
    task: Word = _also("task", "task_id")
    message_id: Word = _also("message_id", "message")
    tool_name: Word = _also("tool_name", "tool")
    tool_type: Word = None
    call_id: Word = _also("call_id", "tool_call_id")
    mcp_server: Word = _also("mcp_server", "mcp_server_id")
    mcp_instance: Word = _also("mcp_instance", "server_instance_id")
    status: ToolStatus | None = None
    parameters: Json = _also("parameters", "input", "tool_input", "tool_parameters")
    result: Json = _also("result", "output", "tool_output", "tool_result")
    error_code: Word = None


class InteractionIn(RunIn):
    """One agent and another."""

    from_agent: Word = _also("from_agent", "from_agent_id")
    to_agent: Word = _also("to_agent", "to_agent_id")
    interaction_type: InteractionType | None = _also("interaction_type", "type")
    execution: Word = _also("execution", "execution_id", "workflow_execution_id", "workflow_id")
    task: Word = _also("task", "task_id")
    message: Text = None
    payload: Json = None
    at: Time = _also("at", "created_at", "timestamp")
