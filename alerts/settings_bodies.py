"""A tenant's settings of alerting: one body, checked on its way in and out of the table `alert_settings`."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, field_validator

from alerts.core.condition import ConditionError
from alerts.core.duration import format_duration, parse_duration
from alerts.core.matchers import parse_matchers
from alerts.core.targets import parse_channels

Duration = Annotated[
    timedelta,
    BeforeValidator(lambda raw: raw if isinstance(raw, timedelta) else parse_duration(raw)),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "examples": ["90s", "5m", "2h"]}),
]
"""`90s`, `5m`, `2h`, `1d`, or a number of seconds."""

_LABELS_AT_MOST = 10


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GroupBody(_Body):
    """Which alerts are told together, how long the first waits for others, and how long what joins later waits."""

    by: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        max_length=_LABELS_AT_MOST, description="rule, agent, or names of labels; []: all alerts are one group"
    )
    wait: Duration = timedelta(0)
    interval: Duration = timedelta(minutes=5)
    except_critical: bool = Field(default=False, description="the first page of a critical alert does not wait")


class DigestBody(_Body):
    """Channels that get one message per period with everything that is not critical."""

    channels: dict[str, Any]
    every: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(days=7))]

    @field_validator("channels")
    @classmethod
    def _check(cls, raw: dict[str, Any]) -> dict[str, Any]:
        try:
            if not parse_channels(raw, "channels"):
                raise ValueError("must name somebody")
        except ConditionError as error:
            raise ValueError(str(error)) from error
        return raw


class RouteBody(_Body):
    """Channels of alerts whose rule names none: of those with these labels (the alert's own, rule and severity)."""

    matchers: list[Annotated[str, Field(max_length=2000)]] = Field(max_length=50)
    channels: dict[str, Any]

    @field_validator("matchers")
    @classmethod
    def _check_matchers(cls, raw: list[str]) -> list[str]:
        try:
            unknown = {one.name for one in parse_matchers(raw)} & {"agent", "agent_type", "tenant"}
        except ConditionError as error:
            raise ValueError(str(error)) from error
        if unknown:
            raise ValueError(f"a route goes by rule, severity and labels of rules, not by {min(unknown)}")
        return raw

    @field_validator("channels")
    @classmethod
    def _check_channels(cls, raw: dict[str, Any]) -> dict[str, Any]:
        try:
            channels = parse_channels(raw, "channels")
        except ConditionError as error:
            raise ValueError(str(error)) from error
        if not channels:
            raise ValueError("must name somebody")
        if any(target.secret is not None for target in channels.targets):
            raise ValueError('must not hold secrets: name a channel that has them, as {"channel": …}')
        return raw


class AlertSettings(_Body):
    """How a tenant wants to be told. What is not sent has its default."""

    group: GroupBody | None = None
    digest: list[DigestBody] = Field(default=[], max_length=50)
    budget: int | None = Field(
        default=None, ge=1, le=10_000, description="messages an hour to one target; beyond it, one digest"
    )
    routes: list[RouteBody] = Field(
        default=[], max_length=100, description="the first that matches says where an alert goes whose rule does not"
    )
    settle: Duration | None = Field(
        default=None, description="how long first messages wait after a start or an outage; two passes unless said"
    )
