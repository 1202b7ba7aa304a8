"""A tenant's settings of alerting: one body, checked on its way in and out of the table `alert_settings`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, field_validator

from alerts.core.condition import ConditionError
from alerts.core.duration import format_duration, parse_duration
from alerts.core.matchers import parse_matchers
from alerts.core.rule import DEFAULT_REPEAT
from alerts.core.targets import parse_channels

Duration = Annotated[
    timedelta,
    BeforeValidator(lambda raw: raw if isinstance(raw, timedelta) else parse_duration(raw)),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "examples": ["90s", "5m", "2h"]}),
]
"""`90s`, `5m`, `2h`, `1d`, or a number of seconds."""

_LABELS_AT_MOST = 10
_Raw = TypeVar("_Raw")


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
            if not parse_channels(raw, "channels", shown=True):
                raise ValueError("must name somebody")
        except ConditionError as error:
            raise ValueError(str(error)) from error
        return raw


class RouteBody(_Body):
    """Where alerts go that all matchers match."""

    matchers: list[str]
    channels: dict[str, Any]

    @field_validator("matchers")
    @classmethod
    def _check_matchers(cls, raw: list[str]) -> list[str]:
        return _checked(raw, lambda: parse_matchers(raw))

    @field_validator("channels")
    @classmethod
    def _check_channels(cls, raw: dict[str, Any]) -> dict[str, Any]:
        return _checked(raw, lambda: parse_channels(raw, "channels", shown=True))


class ReceivedBody(_Body):
    """Alerts that are posted to `/api/v2/alerts`."""

    resolve_timeout: Annotated[Duration, Field(gt=timedelta(0))] = Field(
        default=timedelta(minutes=5), description="how long one lasts that is posted without an end"
    )
    repeat: Annotated[Duration, Field(gt=timedelta(0))] = DEFAULT_REPEAT


def _checked(raw: _Raw, parse: Callable[[], object]) -> _Raw:
    try:
        parsed = parse()
    except ConditionError as error:
        raise ValueError(str(error)) from error
    if not parsed:
        raise ValueError("must not be empty")
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
    drill: Annotated[Duration, Field(ge=timedelta(minutes=1))] | None = Field(
        default=None, description="how often a synthetic alert goes through every channel; never unless said"
    )

    @field_validator("routes")
    @classmethod
    def _check_routes(cls, raw: list[RouteBody]) -> list[RouteBody]:
        names = {one.name for route in raw for one in parse_matchers(route.matchers)}
        unknown = names & {"agent", "agent_type", "tenant"}
        if unknown:
            raise ValueError(f"goes by rule, severity and labels of rules, not by {min(unknown)}")
        return raw

    @property
    def paced(self) -> bool:
        """Whether anything may hold a message back."""
        return self.group is not None or bool(self.digest) or self.budget is not None

    received: ReceivedBody = ReceivedBody()
