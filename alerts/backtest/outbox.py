"""The outbox of a replay: what is told goes the way of its target's pace, and alerts remember who was told. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from alerts.core.grouping import Telling
from alerts.core.labels import Labels
from alerts.core.pace import Digest, GroupPace, Outgoing, Pace
from alerts.core.pacing import pace
from alerts.core.targets import Target
from alerts.core.vocabulary import Reason
from alerts.directory import Directory
from alerts.episode import Episode
from alerts.heard import Told
from alerts.paces import pacing_for
from alerts.settings_bodies import AlertSettings
from monitor.ids import uuid7

Alerts = tuple[tuple[str, Labels], ...]
"""The agent and labels of each alert that a message is about."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message."""

    at: datetime
    channel: str
    target: str
    reason: Reason
    alerts: Alerts
    told: tuple[tuple[Reason, tuple[str, Labels]], ...] = ()
    """The alerts of which it has something to say, each with what."""


@dataclass(slots=True)
class Box:
    """What one tenant's targets were told and are still owed."""

    directory: Directory
    settings: AlertSettings | None
    named: Callable[[UUID], tuple[str, Labels]]
    paces: dict[Target, Pace] = field(default_factory=lambda: defaultdict(Pace))
    groups: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)

    def step(
        self,
        tellings: Iterable[Telling],
        episodes: Mapping[UUID, Episode],
        *,
        tenant_id: UUID,
        now: datetime,
    ) -> list[Sent]:
        """One pass."""
        by_target: dict[Target, list[Telling]] = defaultdict(list)
        for telling in tellings:
            by_target[telling.notice.target].append(telling)
        due = [target for target, one in self.paces.items() if one.due_at is not None and one.due_at <= now]
        sent = []
        for target in dict.fromkeys([*by_target, *due]):
            before = self.paces[target]
            paced = pace(
                before,
                by_target[target],
                pacing_for(self.settings, self.directory, tenant_id, target),
                now=now,
                new_id=lambda: uuid7(now),
                # What is withheld is no longer owed: it is asked for anew when nothing withholds it any more.
                muted=[one for one in _owed(before) if episodes[one].open and episodes[one].details.get("withheld")],
                ended=[alert_id for alert_id in before.waiting if not episodes[alert_id].open],
            )
            self.paces[target] = paced.pace
            sent += [self._sent(target, message, episodes, now) for message in paced.messages]
        return sent

    @property
    def due_at(self) -> datetime | None:
        """When something that is held back is told."""
        return min((one.due_at for one in self.paces.values() if one.due_at is not None), default=None)

    def _sent(self, target: Target, message: Outgoing, episodes: Mapping[UUID, Episode], now: datetime) -> Sent:
        for telling in message.tellings:
            notice = telling.notice
            told = Told(notice.tenant_id, notice.target, now, notice.reason, message.group_id)
            episode = episodes[notice.alert_id]
            episode.told = (*(one for one in episode.told if one.key != told.key), told)
        for alert_id in message.also:
            episode = episodes[alert_id]
            kind, address = target.kind, target.address
            episode.told = tuple(
                replace(one, at=now) if (one.target.kind, one.target.address) == (kind, address) else one
                for one in episode.told
            )
        # What joins a group is shown in its message beside what was told before.
        about = [*self.groups.get(message.group_id, ()), *(one.notice.alert_id for one in message.tellings)]
        self.groups[message.group_id] = tuple(dict.fromkeys(about))
        alerts = tuple(sorted(self.named(alert_id) for alert_id in self.groups[message.group_id]))
        news = tuple((one.notice.reason, self.named(one.notice.alert_id)) for one in message.tellings)
        return Sent(now, str(target.kind), target.address, message.reason, alerts, news)


def _owed(pace_: Pace) -> set[UUID]:
    holding: list[GroupPace | Digest] = [*pace_.groups.values(), *pace_.digests.values()]
    return {one.notice.alert_id for each in holding for one in each.owed}
