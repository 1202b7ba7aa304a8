"""What is answered about runs, and what people may say of workflows. Durations are milliseconds, money decimal text."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from monitor.agents.bodies import Name, Slug, Tags
from monitor.agents.setting_bodies import Text
from monitor.runs.model import InteractionType, RunStatus, ToolStatus
from monitor.usage.bodies import Exact

WorkflowStatus = Literal["draft", "active", "archived"]
LONGEST_S = 366 * 86_400.0


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: UUID
    external_id: str | None = Field(description="the caller's own id, where it gave one")
    source: Literal["api", "trace"]
    trace_id: str | None
    span_id: str | None
    created_at: datetime


class TaskBody(_Body):
    """One piece of an agent's work. Tokens and cost are the sums of its own calls, not of its subtasks'."""

    agent: str
    agent_id: UUID
    execution_id: UUID | None
    parent_task_id: UUID | None
    conversation: str | None
    user: str | None = Field(validation_alias="user_ref")
    task_type: str
    description: str
    status: RunStatus
    priority: str
    input: Any
    output: Any
    error_type: str | None
    error_message: str | None
    traceback: str | None
    error_fingerprint: str | None
    retry_count: int
    model: str | None
    agent_version: str | None
    environment: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    tokens_used: int
    cost_usd: Exact
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    metadata: dict[str, Any]
    updated_at: datetime


class ExecutionBody(_Body):
    """One run of a workflow. Counts are of its tasks; tokens and cost of all calls made in it."""

    workflow_id: UUID | None
    name: str
    description: str | None
    workflow_type: str | None
    initiator: str | None
    user_id: UUID | None
    conversation: str | None
    status: RunStatus
    current_step: str | None
    steps_completed: int | None
    steps_total: int | None
    input: Any
    output: Any
    error_message: str | None
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    total_tokens: int
    total_cost_usd: Exact
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    metadata: dict[str, Any]
    updated_at: datetime


class ExecutionPage(ExecutionBody):
    """With its tasks by their start, a thousand at most: `GET /tasks?execution=` has pages."""

    tasks: list[TaskBody]


class ToolBody(_Body):
    """One call of a tool, MCP included."""

    agent: str
    agent_id: UUID
    task_id: UUID | None
    execution_id: UUID | None
    conversation: str | None
    message_id: str | None
    tool_name: str
    tool_type: str | None
    call_id: str | None
    mcp_server: str | None
    mcp_instance: str | None
    status: ToolStatus
    parameters: Any
    result: Any
    error_message: str | None
    error_code: str | None
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    metadata: dict[str, Any]


class InteractionBody(_Body):
    """One agent handing over to another, working with it, reviewing or answering it."""

    from_agent: str
    from_agent_id: UUID
    to_agent: str
    to_agent_id: UUID
    interaction_type: InteractionType
    execution_id: UUID | None
    task_id: UUID | None
    message: str | None
    payload: Any
    at: datetime


class TaskStatsBody(BaseModel):
    """An agent's tasks that began in the window. The average is of completed ones; the rate is a share of one."""

    tasks: int
    completed: int
    failed: int
    calls: int
    input_tokens: int
    output_tokens: int
    tokens_used: int
    cost_usd: Exact
    average_latency_ms: float | None
    success_rate: float | None


class StatsBody(BaseModel):
    """One agent in a window. At the top what its executions say (logs), in `tasks` what its tasks do."""

    agent: str
    window: str
    executions: int
    errors: int
    warnings: int
    success_rate: float | None
    average_duration: float | None
    last_execution_at: datetime | None
    tasks: TaskStatsBody


class RetryBody(BaseModel):
    """What a platform does with a step that failed: how often, and how long it waits, `factor` times more each time."""

    model_config = ConfigDict(extra="forbid")

    max_attempts: int = Field(default=1, ge=1, le=100)
    backoff_seconds: float = Field(default=0, ge=0, le=86_400, allow_inf_nan=False)
    factor: float = Field(default=1, ge=1, le=10, allow_inf_nan=False)


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("the same agent is there twice")
    return names


class _Settable(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: Text | None = None
    definition: dict[str, Any] = Field(default={}, description="steps with depends_on, or nodes and edges; no circles")
    agent_ids: Annotated[list[Name], Field(max_length=1000), AfterValidator(_distinct)] = []
    timeout_seconds: Annotated[float, Field(gt=0, le=LONGEST_S, allow_inf_nan=False)] | None = None
    retry: RetryBody = RetryBody()
    status: WorkflowStatus = "active"
    tags: Tags = {}
    metadata: dict[str, Any] = {}


class NewWorkflowBody(_Settable):
    """A workflow. The slug is made of the name where none is given."""

    name: Name
    slug: Slug | None = None


class WorkflowChanges(_Settable):
    """What is to change. Fields that are not sent stay as they are."""

    name: Name = ""
    slug: Slug = ""


class WorkflowBody(BaseModel):
    """A workflow as it is defined now. `version` grows by one when definition, agents, timeout or retry change."""

    id: UUID
    slug: str
    name: str
    description: str | None
    definition: dict[str, Any]
    agent_ids: list[str]
    timeout_seconds: float | None
    retry: dict[str, Any]
    status: WorkflowStatus
    version: int
    tags: dict[str, str]
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
