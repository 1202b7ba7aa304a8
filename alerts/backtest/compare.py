"""What the alerter told of a stored rule against what a replay tells: the messages that differ, each with what is known
of the reason."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.backtest.base import LateRow
from alerts.backtest.outbox import Sent
from alerts.core.labels import Labels, make_labels
from alerts.core.wording import duration, moment

_NEAR = timedelta(hours=1)
"""The same message at another time is no further away than this."""

# What people have done changes messages that were sent already, and is none of its own.
_TOLD = text("""
    SELECT e.at, e.details ->> 'channel' AS channel, e.details ->> 'target' AS target, e.details ->> 'reason' AS reason,
           g.external_id AS agent, a.labels
    FROM alerts a
    JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    JOIN alert_events e ON e.tenant_id = a.tenant_id AND e.alert_id = a.id
    WHERE a.tenant_id = :tenant_id AND a.config_id = :rule AND a.agent_id = ANY (:agents)
      AND e.kind = 'notified' AND e.at BETWEEN :start AND :end
      AND e.details ->> 'reason' NOT IN ('RESPONDED', 'TEST')
    ORDER BY e.at, e.id
""")


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """One alert in one message."""

    at: datetime
    channel: str
    target: str
    reason: str
    agent: str
    labels: Labels

    @property
    def what(self) -> tuple[str, str, str, str, Labels]:
        """All but the time."""
        return self.channel, self.target, self.reason, self.agent, self.labels


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that only one of the two told (the other's time is None), or both at different times.

    `because` is empty where nothing is known that explains it.
    """

    told: Told
    alerter: datetime | None
    replay: datetime | None
    because: str = ""

    @property
    def at(self) -> datetime:
        """When it was told first by either."""
        return min(at for at in (self.alerter, self.replay) if at is not None)


async def read_told(
    connection: AsyncConnection, tenant_id: UUID, rule: UUID, agents: Sequence[UUID], *, start: datetime, end: datetime
) -> list[Told]:
    """What the alerter told of a rule."""
    given = {"tenant_id": tenant_id, "rule": rule, "agents": list(agents), "start": start, "end": end}
    return [
        Told(row.at, row.channel, row.target, row.reason, row.agent, make_labels(row.labels))
        for row in await connection.execute(_TOLD, given)
    ]


def told_of(sent: Iterable[Sent]) -> list[Told]:
    """What a replay told, alert by alert."""
    return [
        Told(one.at, one.channel, one.target, str(reason), agent, labels)
        for one in sent
        for reason, (agent, labels) in one.told
    ]


def differences(
    alerter: Sequence[Told], replay: Sequence[Told], *, within: timedelta, late: Sequence[LateRow] = ()
) -> list[Difference]:
    """Pair what both told; what is further apart than `within`, or has no pair, differs."""
    ours: dict[Any, list[Told]] = defaultdict(list)
    for one in sorted(replay):
        ours[one.what].append(one)
    found: list[Difference] = []
    alone: list[Told] = []
    for one in sorted(alerter):
        pair = _nearest(one, ours[one.what], within)
        if pair is None:
            alone.append(one)
        else:
            ours[one.what].remove(pair)
    for one in alone:
        pair = _nearest(one, ours[one.what], _NEAR)
        if pair is not None:
            ours[one.what].remove(pair)
        found.append(_difference(one, one.at, None if pair is None else pair.at, late))
    found += [_difference(one, None, one.at, late) for left in ours.values() for one in left]
    return sorted(found, key=lambda one: (one.at, one.told))


def difference_text(one: Difference) -> str:
    """In a sentence."""
    told = one.told
    labels = "".join(f" {name}={value}" for name, value in told.labels)
    what = f"{told.reason} to {told.channel} {told.target} about {told.agent}{labels}"
    if one.alerter is None:
        said = f"{moment(one.at)}  {what}: the alerter did not tell it"
    elif one.replay is None:
        said = f"{moment(one.at)}  {what}: only the alerter told it"
    else:
        said = f"{moment(one.replay)}  {what}: the alerter told it at {moment(one.alerter)}"
    return f"{said}; {one.because}" if one.because else said


def _nearest(one: Told, among: Sequence[Told], within: timedelta) -> Told | None:
    near = [other for other in among if abs(other.at - one.at) <= within]
    return min(near, key=lambda other: abs(other.at - one.at), default=None)


def _difference(told: Told, alerter: datetime | None, replay: datetime | None, late: Sequence[LateRow]) -> Difference:
    """The late row that is nearest to the message, of those that were on their way then or had come just before."""
    times = [at for at in (alerter, replay) if at is not None]
    likely = [
        row
        for row in late
        if row.agent == told.agent and any(row.happened <= at <= row.received + row.felt for at in times)
    ]
    nearest = min(likely, key=lambda row: min(abs(at - row.received) for at in times), default=None)
    if nearest is None:
        return Difference(told, alerter, replay)
    came = duration(nearest.received - nearest.happened)
    return Difference(told, alerter, replay, f"what happened at {moment(nearest.happened)} was told {came} late")
