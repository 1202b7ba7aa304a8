"""The alerter's machine over tracks: judge, step, decide, group, where anything can happen. Pure."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import numpy as np

from alerts.audience import changes
from alerts.backtest.tracks import Grid, Int, Tracks, full_at
from alerts.core.condition import Leaf
from alerts.core.due import next_due
from alerts.core.grouping import group
from alerts.core.labels import Labels, make_labels
from alerts.core.reading import Reading, Readings
from alerts.core.rule import Rule
from alerts.core.state import AlertState
from alerts.core.vocabulary import Phase, Reason
from alerts.directory import Directory
from alerts.episode import Episode, StateRow
from alerts.heard import Told
from alerts.outbox import Telling
from alerts.rules import LoadedRule
from alerts.targets import DueTarget
from alerts.transition import Plan, judge_target, plan_outcome
from monitor.ids import uuid7

Alerts = tuple[tuple[str, Labels], ...]
"""The agent and labels of each alert that a message is about."""

_OPEN = (Phase.FIRING, Phase.RECOVERING)


@dataclass(frozen=True, slots=True)
class Subject:
    """One rule for one agent, with what its leaves read over time."""

    target: DueTarget
    rule: LoadedRule
    agent: str
    tracks: Tracks


@dataclass(frozen=True, slots=True)
class Sent:
    """One message."""

    at: datetime
    channel: str
    target: str
    reason: Reason
    alerts: Alerts


@dataclass(frozen=True, slots=True)
class Withheld:
    """A message that was due and kept back."""

    at: datetime
    alert_id: UUID
    by: str


@dataclass(slots=True)
class Replay:
    """What happened, up to `until`; `complete` False: the replay was stopped there.

    `states`: where each agent's label sets stand at the end.
    """

    until: datetime
    episodes: list[Episode] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    states: dict[UUID, dict[Labels, AlertState]] = field(default_factory=dict)
    judged: int = 0
    complete: bool = True


@dataclass(slots=True)
class _Lane:
    subject: Subject
    looks: Int
    news: Int
    stride: int
    states: dict[Labels, StateRow] = field(default_factory=dict)
    judged_at: int = -1


def replay(
    subjects: Sequence[Subject],
    directory: Directory,
    grid: Grid,
    *,
    go_on: Callable[[int], bool] = lambda judged: True,
) -> Replay:
    """Run the machine over the grid. `go_on` is asked now and then, with how often was judged; False stops it."""
    return _Machine([_lane(subject, grid) for subject in subjects], directory, grid).run(go_on)


def _lane(subject: Subject, grid: Grid) -> _Lane:
    tracks = [track for sets in subject.tracks.values() if sets for track in sets.values()]
    full = [full_at(leaf, subject.target.since) for leaf in subject.tracks]
    extra = [grid.first_from(at) for at in full if at is not None]
    looks = np.unique(np.concatenate([np.array([0, *extra], np.int64), *(track.looks(grid) for track in tracks)]))
    news = np.unique(np.concatenate([np.zeros(1, np.int64), *(track.news(grid) for track in tracks)]))
    return _Lane(subject, looks[looks < grid.count], news, _stride(subject, grid))


def _stride(subject: Subject, grid: Grid) -> int:
    """How many ticks the alerter lets pass while points leave its windows and nothing else happens."""
    now, strides = grid.start, []
    for leaf in subject.rule.leaves:
        if getattr(leaf, "window", None) is not None:
            there: Readings = {leaf: {(): Reading(0.0, 1, now)}}
            due = next_due(leaf, (), there, now=now, interval=grid.step, since=now)
            strides += [] if due is None else [max(1, -((now - due) // grid.step))]
    return min(strides, default=1)


class _Machine:
    def __init__(self, lanes: list[_Lane], directory: Directory, grid: Grid) -> None:
        self._lanes = lanes
        self._directory = directory
        self._grid = grid
        self._open: dict[UUID, Episode] = {}
        self._groups: dict[UUID, Alerts] = {}
        self._names = {lane.subject.target.key.agent_id: lane.subject.agent for lane in lanes}
        self._done = Replay(until=grid.at(max(0, grid.count - 1)))

    def run(self, go_on: Callable[[int], bool]) -> Replay:
        waiting = [(0, number) for number in range(len(self._lanes))]
        while waiting and waiting[0][0] < self._grid.count:
            tick = waiting[0][0]
            numbers = []
            while waiting and waiting[0][0] == tick:
                numbers.append(heapq.heappop(waiting)[1])
            self._pass(tick, [self._lanes[number] for number in numbers])
            for number in numbers:
                heapq.heappush(waiting, (self._next(tick, self._lanes[number]), number))
            if not go_on(self._done.judged):
                self._done.complete, self._done.until = False, self._grid.at(tick)
                break
        for lane in self._lanes:
            states = {labels: row.state for labels, row in lane.states.items()}
            self._done.states[lane.subject.target.key.agent_id] = states
        return self._done

    def _pass(self, tick: int, lanes: Sequence[_Lane]) -> None:
        """One tick of the alerter, for those lanes that it would look at or that may change."""
        now, plan = self._grid.at(tick), Plan()
        for lane in lanes:
            subject = lane.subject
            outcome = judge_target(
                replace(subject.target, due_at=now),
                subject.rule,
                readings_at(subject.tracks, now),
                list(lane.states.values()),
                now=now,
                interval=self._grid.step,
                again=False,
            )
            for change in outcome.changes:
                if change.episode is not None:
                    self._open[change.episode.id] = change.episode
                    self._done.episodes.append(change.episode)
            plan_outcome(outcome, self._open, {}, self._directory, plan, now=now)
            lane.states = {change.row.labels: change.row for change in outcome.changes}
            lane.judged_at = tick
        self._done.judged += len(lanes)
        self._done.withheld += [
            Withheld(now, event.alert_id, event.details["by"]) for event in plan.events if event.kind == "withheld"
        ]
        self._tell(plan.tellings, now)
        for episode in plan.updated:
            if not episode.open:
                self._open.pop(episode.id, None)

    def _tell(self, tellings: Iterable[Telling], now: datetime) -> None:
        for each in group(telling.notice for telling in tellings):
            group_id = each.group_id or uuid7(now)
            for notice in each.notices:
                episode = self._open[notice.alert_id]
                told = Told(notice.tenant_id, notice.target, now, notice.reason, group_id)
                episode.told = (*(one for one in episode.told if one.key != told.key), told)
            if each.group_id is None:
                self._groups[group_id] = tuple(sorted(self._named(notice.alert_id) for notice in each.notices))
            reasons, target = {notice.reason for notice in each.notices}, each.target
            reason = next(one for one in Reason if one in reasons)
            self._done.sent.append(Sent(now, str(target.kind), target.address, reason, self._groups[group_id]))

    def _named(self, alert_id: UUID) -> tuple[str, Labels]:
        episode = self._open[alert_id]
        name = self._names[episode.agent_id] if episode.agent_id else ""
        return name, make_labels(episode.labels)

    def _next(self, tick: int, lane: _Lane) -> int:
        """The next tick at which something may happen in a lane."""
        phases = {row.state.phase for row in lane.states.values()}
        if phases & {Phase.PENDING, Phase.RECOVERING}:
            return tick + 1
        ahead = int(np.searchsorted(lane.looks, tick, side="right"))
        look = int(lane.looks[ahead]) if ahead < len(lane.looks) else self._grid.count
        if not phases & set(_OPEN):
            return look if look == self._grid.count else self._looked_at(look, tick, lane)
        # The tick before a change is judged as well, so that the state knows until when all was as before.
        nearest = look - 1 if look - 1 > tick else look
        return min([nearest, *self._due(tick, lane)])

    def _looked_at(self, look: int, tick: int, lane: _Lane) -> int:
        """The first tick from `look` on at which the alerter looks at a target without an alert."""
        if lane.stride == 1:
            return look
        place = int(np.searchsorted(lane.news, look, side="right"))
        anchor = int(lane.news[place - 1]) if place else 0
        following = int(lane.news[place]) if place < len(lane.news) else self._grid.count
        if look <= anchor + 1:
            return look
        anchor = max(anchor + 1, tick)
        return min(following, anchor + -(-(look - anchor) // lane.stride) * lane.stride)

    def _due(self, tick: int, lane: _Lane) -> list[int]:
        """Ticks at which there may be something to tell of a lane's open alerts, whatever is read then."""
        rule, now = _rule(lane.subject), self._grid.at(tick)
        times: list[datetime] = []
        for row in lane.states.values():
            episode = self._open.get(row.alert_id) if row.alert_id else None
            if episode is None:
                continue
            times += [one.at + rule.repeat for one in episode.told]
            times += changes(self._directory, rule, episode, now=now)
        return [self._grid.first_from(at) for at in times if at > now]


def readings_at(tracks: Tracks, now: datetime) -> Readings:
    """What would have been read at a time."""
    found: dict[Leaf, Mapping[Labels, Reading] | None] = {}
    for leaf, sets in tracks.items():
        read = None if sets is None else {labels: track.reading(now) for labels, track in sets.items()}
        found[leaf] = None if read is None else {labels: one for labels, one in read.items() if one is not None}
    return found


def _rule(subject: Subject) -> Rule:
    if subject.rule.rule is None:
        raise ValueError(subject.rule.fault)
    return subject.rule.rule
