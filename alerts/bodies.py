"""Bodies of the alerts' routes: what may be sent and what is answered."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from alerts.core.vocabulary import AlertStatus, ChannelKind, Severity


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character NUL cannot be stored")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a character pair cannot be stored")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
LongText = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_storable)]


class RuleBody(BaseModel):
    """A rule. `agent` or `agent_id` names one agent, `selector` many; neither: all agents, new ones included.

    Conditions, timing, labels and channels are checked by the core, which names the path of a fault.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    name: Text
    agent: Text | None = None
    agent_id: Text | None = None
    selector: dict[str, Any] | None = None
    conditions: Any
    hold_for: Any = Field(default=None, alias="for", description="how long it must hold before it fires: 2m")
    keep_firing_for: Any = None
    repeat: Any = Field(default=None, description="how often it is told again while it fires; 4h unless said")
    escalate: Any = Field(default=None, description='[{"after": "15m", "channels": {…}}], or the name of a policy')
    flapping: Any = Field(default=None, description="false: what opens and closes often is told each time")
    channels: Any = Field(default=None, description="nobody named: the tenant's fallback channel")
    severity: Severity = Severity.WARNING
    labels: Any = None
    runbook: LongText | None = None
    owner: Text | None = None
    enabled: bool = True
    version: int | None = Field(default=None, description="the version that is changed; another one is refused")


class RulePatch(RuleBody):
    """What is to be changed. Fields that are not sent stay as they are; null empties a field."""

    name: Text = ""
    conditions: Any = None


class RuleAnswer(BaseModel):
    """A rule as it stands. `pack`, `pack_rule`: of which pack it came. `warnings`: what is allowed and likely not
    meant."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: UUID
    name: str
    agent: str | None
    agent_id: UUID | None
    selector: dict[str, Any] | None
    conditions: dict[str, Any]
    hold_for: Any = Field(alias="for")
    keep_firing_for: Any
    repeat: Any
    escalate: Any
    flapping: bool | None
    channels: dict[str, Any]
    severity: Severity
    labels: dict[str, str]
    runbook: str | None
    owner: str | None
    enabled: bool
    version: int
    pack: str | None
    pack_rule: str | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = []


class VersionAnswer(BaseModel):
    """A rule as it stood after one change."""

    version: int
    rule: dict[str, Any]
    changed_by: str
    changed_at: datetime


class TestAnswer(BaseModel):
    """Where a test message was sent."""

    __test__ = False

    targets: list[dict[str, str]]


class AlertAnswer(BaseModel):
    """One episode."""

    id: UUID
    config_id: UUID | None
    rule: str
    agent: str | None
    agent_id: UUID | None
    status: AlertStatus
    severity: Severity
    labels: dict[str, str]
    value: float | None
    triggered_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    snoozed_until: datetime | None
    snoozed_by: str | None
    resolved_at: datetime | None
    reason: str | None
    details: dict[str, Any]


class EventAnswer(BaseModel):
    """One line of an alert's timeline."""

    id: UUID
    at: datetime
    kind: str
    actor: str
    details: dict[str, Any]


class CommentBody(BaseModel):
    """Something to say about an alert."""

    model_config = ConfigDict(extra="forbid")

    comment: LongText


class ResolveBody(BaseModel):
    """Close an alert by hand."""

    model_config = ConfigDict(extra="forbid")

    comment: LongText | None = None


class AcknowledgeBody(ResolveBody):
    """Somebody has it. `until`: 24 hours from now unless said."""

    until: AwareDatetime | None = None


class SnoozeBody(ResolveBody):
    """Say nothing until then. `until` null: a snooze ends now."""

    until: AwareDatetime | None


class ChannelBody(BaseModel):
    """A named channel. `secret` signs what goes to a webhook."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    kind: ChannelKind
    target: LongText
    secret: LongText | None = None


class ChannelPatch(BaseModel):
    """What is to be changed."""

    model_config = ConfigDict(extra="forbid")

    name: Text = ""
    kind: ChannelKind = ChannelKind.EMAIL
    target: LongText = ""
    secret: LongText | None = None


class ChannelAnswer(BaseModel):
    """A named channel, without its secret."""

    id: UUID
    name: str
    kind: ChannelKind
    target: str
    signed: bool
    created_at: datetime
    updated_at: datetime
