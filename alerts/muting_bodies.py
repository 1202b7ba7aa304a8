"""Bodies of the routes of silences and inhibition rules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alerts.bodies import LongText, Text
from alerts.core.vocabulary import Severity
from alerts.silences import SilenceState

_MATCHERS = Field(description='["agent=\\"akira-001\\"", "env=~\\"prod|stage\\""], as Alertmanager writes them')


class SilenceBody(BaseModel):
    """What to withhold, until when, and why. `starts_at`: now unless said."""

    model_config = ConfigDict(extra="forbid")

    matchers: Any = _MATCHERS
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime
    comment: LongText


class SilencePatch(BaseModel):
    """What is to be changed of a silence that has not ended."""

    model_config = ConfigDict(extra="forbid")

    matchers: Any = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    comment: LongText | None = None


class SilenceAnswer(BaseModel):
    """A silence as it stands. `expired_by`: who ended it before its time."""

    id: UUID
    matchers: list[str]
    starts_at: datetime
    ends_at: datetime
    comment: str
    state: SilenceState
    created_by: str
    expired_by: str | None
    created_at: datetime
    updated_at: datetime


class PreviewBody(BaseModel):
    """Matchers to try."""

    model_config = ConfigDict(extra="forbid")

    matchers: Any = _MATCHERS


class MutedAlert(BaseModel):
    """An open alert that would be withheld."""

    id: UUID
    rule: str
    agent: str | None
    severity: Severity
    labels: dict[str, str]
    triggered_at: datetime


class MutedTarget(BaseModel):
    """A rule for an agent whose alerts would be withheld. `some`: those of some label sets only."""

    config_id: UUID
    rule: str
    agent_id: UUID
    agent: str
    some: bool


class PreviewAnswer(BaseModel):
    """What matchers would withhold: all that is open, and the rules for agents, `total` of each and the first ones."""

    alerts: list[MutedAlert]
    alerts_total: int
    targets: list[MutedTarget]
    targets_total: int


class InhibitionBody(BaseModel):
    """While an alert that `source` matches is open, those that `target` matches are withheld.

    `equal`: labels that both must have with the same value.
    """

    model_config = ConfigDict(extra="forbid")

    name: Text
    source: Any = _MATCHERS
    target: Any = _MATCHERS
    equal: list[Text] = Field(default=[], max_length=20)


class InhibitionAnswer(BaseModel):
    """An inhibition rule."""

    id: UUID
    name: str
    source: list[str]
    target: list[str]
    equal: list[str]
    created_by: str
    created_at: datetime
    updated_at: datetime
