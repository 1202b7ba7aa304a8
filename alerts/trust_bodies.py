"""Bodies of explain and preview."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from alerts.bodies import RuleBody, Text
from alerts.core.vocabulary import Phase, Verdict


class ExplainAnswer(BaseModel):
    """Why a rule did or did not page for one agent and label set at one moment.

    `window` in seconds. `notified`: who was told of the episode up to then, and why; `withheld_by`: what kept the
    newest message back. `recomputed`: what was read, and the phase, were worked out again from history.
    """

    at: datetime
    agent: str
    labels: dict[str, str]
    version: int
    verdict: Verdict
    value: float | None
    window: float | None
    points: int
    threshold: float | None
    detail: str
    phase_before: Phase
    phase_after: Phase
    since: datetime | None
    notified: list[dict[str, Any]]
    withheld_by: dict[str, Any] | None
    recomputed: bool
    notes: list[str]
    others: list["ExplainAnswer"] = Field(default=[], description="the rule's other label sets of this agent")


class PreviewBody(RuleBody):
    """A rule that is not saved, and how far back it is tried."""

    name: Text = "preview"
    since: str = Field(default="-7d", description="RFC 3339, Unix seconds, or relative as in -7d")
    time_zone: Text = Field(default="UTC", description="whose nights count")


class ValueNow(BaseModel):
    """What the rule reads now for one agent and label set."""

    agent: str
    labels: dict[str, str]
    verdict: Verdict
    value: float | None
    points: int
    detail: str


class DifferentMessage(BaseModel):
    """What the alerter told at one time, the backtest at another; null: one of them did not tell it at all."""

    channel: str
    target: str
    reason: str
    agent: str
    labels: dict[str, str]
    alerter: datetime | None
    replay: datetime | None
    because: str = Field(description="what is known that explains it")


class BacktestAnswer(BaseModel):
    """What the rule would have done. `chart`: [time, alerts that fired then].

    `different`: messages that the alerter told otherwise, null for a rule that is not saved; `differs`: why that may
    be, in sentences.
    """

    since: datetime
    until: datetime
    pages: int
    at_night: int
    longest_s: float
    withheld: dict[str, int]
    episodes: list[dict[str, Any]]
    episodes_in_all: int
    chart: list[tuple[datetime, int]]
    differs: list[str]
    different: list[DifferentMessage] | None
    different_in_all: int | None
    complete: bool


class RuleBacktestAnswer(BacktestAnswer):
    """A stored rule, looked back at as it is now."""

    rule_id: UUID
    rule: str


class PreviewAnswer(BaseModel):
    """A rule before it is saved. `value_now`: its first agents."""

    value_now: list[ValueNow]
    warnings: list[str]
    backtest: BacktestAnswer
