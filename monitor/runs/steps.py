"""What every dialect comes down to: the steps of a trace. Pure.

A dialect turns spans and events into steps (monitor.ingest.normalise), a trace's steps become runs (assembly.py).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypedDict

import msgspec


class StepKind(StrEnum):
    """What a step becomes: a workflow execution, a task, a line of the ledger, a tool execution, an interaction.

    `other`: nothing by itself; it is kept for the trace's page, and as a link between those around it.
    """

    WORKFLOW = "workflow"
    AGENT = "agent"
    CALL = "call"
    TOOL = "tool"
    HANDOFF = "handoff"
    OTHER = "other"


class Facts(TypedDict, total=False):
    """What is known of a step, under one set of names; absent where the sender said nothing.

    Tokens: `cache_*` are parts of `input_tokens`, `reasoning_tokens` is a part of `output_tokens`, whatever the
    dialect says. `cost_usd`: a decimal as text, where the sender knows it. `response_id`: the provider's name of the
    model's answer. `input`, `output`, `system`, `arguments` and `result` are contents of people and models: they are
    stored only where the tenant wants them.
    """

    agent_id: str
    agent_version: str
    conversation: str
    workflow: str
    task_type: str
    description: str
    user: str
    environment: str
    operation: str
    provider: str
    model: str
    request_model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: str
    finish_reasons: list[str]
    response_id: str
    time_to_first_token_ms: float
    retries: int
    tool: str
    tool_type: str
    tool_call_id: str
    mcp_server: str
    mcp_instance: str
    mcp_method: str
    error_type: str
    error_code: str
    error_message: str
    traceback: str
    handoff_to: str
    interaction: str
    input: Any
    output: Any
    system: Any
    arguments: Any
    result: Any


class StepStatus(StrEnum):
    """As OpenTelemetry has it: `unset` is a success that nobody confirmed."""

    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


class Step(msgspec.Struct, frozen=True):
    """One span, or an event that stands for one. Times are microseconds since the epoch.

    `trace_id` has 32 hex digits, `span_id` and `parent_id` 16; (trace_id, span_id) names a step. `agent` is the
    agent's external id where the step names one, `service` stands in for it where nothing above the step does either.
    `ended_us` is None for what has not ended. `attributes`: what no fact holds.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    kind: StepKind
    name: str
    started_us: int
    ended_us: int | None
    status: StepStatus
    agent: str | None
    service: str | None
    facts: Facts
    attributes: dict[str, Any] = {}
    events: Sequence[dict[str, Any]] = ()
    links: Sequence[dict[str, Any]] = ()
