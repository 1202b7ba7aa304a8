"""Bodies of the agents' routes: what may be sent and what is answered."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from alerts.core.duration import parse_duration
from monitor.agents.setting_bodies import LongSettings, Settings, Text, no_nul
from monitor.agents.status import LONGEST_PATIENCE, State
from monitor.http.resources import OfEverybody

MAX_TAGS = 32
SetStatus = Literal["active", "inactive", "maintenance", "archived"]


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise ValueError(f"at most {MAX_TAGS} tags")
    for name, value in tags.items():
        no_nul(name + value)
    return {name: value for name, value in tags.items() if value}


# Decimal text: exact, without zeros at its end.
Money = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount.normalize():f}", return_type=str)]
Tags = Annotated[dict[str, str], AfterValidator(_check_tags)]
ExternalId = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(no_nul)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(no_nul)]
Slug = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")]


def _check_param(given: Any) -> Any:
    path = given.get("name") if isinstance(given, dict) else given
    if not isinstance(path, str) or not path:
        raise ValueError("a path such as limits.tokens, or an object that has one as `name`, is expected")
    return given


Param = Annotated[str | dict[str, Any], AfterValidator(_check_param)]


def _seconds(given: Any) -> Any:
    if not isinstance(given, str | int | float) or isinstance(given, bool):
        raise ValueError('must be a duration such as "90s", "30m" or "2h", or a number of seconds')
    seconds = parse_duration(given).total_seconds()
    if not 1 <= seconds <= LONGEST_PATIENCE.total_seconds():
        raise ValueError("must be from 1s to 7d")
    return seconds


# `"30m"` or a number of seconds; answered as seconds.
Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | str)]


class _Settable(Settings, LongSettings):
    model_config = ConfigDict(extra="forbid")

    description: Text | None = None
    version: Text | None = None
    ephemeral: bool = False
    capabilities: list[Text] = Field(default=[], max_length=100)
    config: dict[str, Any] = Field(default={})
    metadata: dict[str, Any] = Field(default={})
    webhook_url: Annotated[str, Field(max_length=2000)] | None = None
    schedule: Annotated[str, Field(max_length=200, description="five cron fields")] | None = None
    timezone: Annotated[str, Field(max_length=64, description="IANA name")] = "UTC"
    patience: Seconds | None = None


class NewAgentBody(_Settable):
    """An agent to be made before its first message."""

    external_id: ExternalId
    name: Name | None = None
    agent_type: Slug = "custom"
    status: SetStatus = "active"
    tags: Tags = Field(default={})


class AgentChanges(_Settable):
    """What people may change. Fields that are not sent stay as they are."""

    name: Name = ""
    agent_type: Slug = "custom"
    status: SetStatus = "active"
    tags: Tags = Field(default={})


class AgentBody(Settings):
    """An agent and what is known of it now. Durations are milliseconds, the heartbeat's interval and patience seconds.

    `why` says what `state` is concluded from.
    `total_…`, `average_latency_ms` and `success_rate` (a share of one) are of all tasks that it ever had.
    """

    id: UUID
    external_id: str
    name: str
    agent_type: str
    description: str | None
    status: str
    state: State
    why: str
    tags: dict[str, str]
    capabilities: list[str]
    config: dict[str, Any]
    metadata: dict[str, Any]
    version: str | None
    ephemeral: bool
    webhook_url: str | None
    schedule: str | None
    timezone: str
    next_run_at: datetime | None
    patience: float | None
    settings_version: int
    ping_url: str
    retired_at: datetime | None
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime | None
    last_active_at: datetime | None
    last_heartbeat_at: datetime | None
    heartbeat_interval: float | None
    last_status: str | None
    last_message: str | None
    last_duration: int | None
    last_execution_at: datetime | None
    consecutive_failures: int
    total_tasks: int
    total_tasks_completed: int
    total_tasks_failed: int
    total_tokens_used: int
    total_cost_usd: Money
    average_latency_ms: float | None
    success_rate: float | None


class AgentDetail(AgentBody, LongSettings):
    """An agent alone, with the settings that lists leave out."""


class CallBody(BaseModel):
    """A call of a tool that is open. `until`: the end of the patience with that tool."""

    tool: str
    since: datetime
    until: datetime


class EvidenceBody(BaseModel):
    """What a state is concluded from, by time of receipt. `last_active_at`: of anything but plain heartbeats, which
    was a `log`, `metric`, `span`, `run` or `heartbeat`. The interval and the agent's own patience are seconds."""

    model_config = ConfigDict(from_attributes=True)

    last_seen_at: datetime | None
    last_active_at: datetime | None
    active_by: str | None
    last_heartbeat_at: datetime | None
    heartbeat_interval: float | None
    heartbeat_status: str | None
    expected: bool
    patience: float | None
    open_call: CallBody | None
    task_since: datetime | None


class StatusBody(BaseModel):
    """The live part of an agent alone. `why` says what `state` is concluded from; `since`: when it began, where
    silence or a tool made it so; `changes_at`: when it will be another if nothing more is heard."""

    agent: str
    state: State
    why: str
    since: datetime | None
    changes_at: datetime | None
    evidence: EvidenceBody
    status: str
    last_seen_at: datetime | None
    last_heartbeat_at: datetime | None
    last_status: str | None
    last_message: str | None
    last_duration: int | None
    last_execution_at: datetime | None
    consecutive_failures: int


class PatienceBody(BaseModel):
    """How long a call of a tool may take before its agent counts as stalled."""

    model_config = ConfigDict(extra="forbid")

    patience: Seconds


class ToolPatienceBody(BaseModel):
    """The patience with a tool, in seconds; `*`: with any that is not named."""

    tool: str
    patience: float


class LogBody(BaseModel):
    """One log. `at` is the event's time, `duration` milliseconds."""

    id: UUID
    external_id: str | None
    agent: str
    at: datetime
    received_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    duration: int | None
    kind: str
    status: str
    level: str | None
    message: str | None
    details: dict[str, Any] | None


class LastValueBody(BaseModel):
    """The newest value of one series."""

    metric: str
    tags: dict[str, str]
    at: datetime
    value: float
    unit: str | None


class _SettableType(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: Text | None = None
    default_config: dict[str, Any] = Field(default={}, description="laid under an agent's own, object by object")
    required_params: list[Param] = Field(
        default=[], max_length=100, description="paths in the configuration, or objects with such a `name`"
    )


class NewAgentTypeBody(_SettableType):
    """A template of agents. One that is called as a predefined one goes before it."""

    slug: Slug
    name: Name


class AgentTypeChanges(_SettableType):
    """What is to change. Agents that are there keep what they took from it."""

    slug: Slug = ""
    name: Name = ""


class AgentTypeBody(BaseModel):
    """A template of agents."""

    id: UUID
    slug: str
    name: str
    description: str | None
    default_config: dict[str, Any]
    required_params: list[Any]
    predefined: OfEverybody
    created_at: datetime
    updated_at: datetime
