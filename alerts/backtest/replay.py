"""The alerter's machine over tracks: judge, step, decide, group, where anything can happen. Pure."""

import bisect
import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from msgspec.structs import replace

from alerts.audience import changes
from alerts.backtest.mutes import Mutes
from alerts.backtest.outbox import Box, Sent
from alerts.backtest.people import Response
from alerts.backtest.tracks import NEVER, Grid, Int, Tracks, full_at, ticks_after
from alerts.core.condition import BudgetLeaf, CompareLeaf, Condition, Leaf, WindowLeaf, leaves
from alerts.core.due import Touched, kinds_read, next_due
from alerts.core.flapping import CALM
from alerts.core.grouping import fingerprint
from alerts.core.labels import Labels, make_labels
from alerts.core.reading import Reading, Readings
from alerts.core.rule import Rule
from alerts.core.state import AlertState, resolve_by_hand
from alerts.core.vocabulary import Phase
from alerts.directory import Directory
from alerts.episode import Episode, StateRow
from alerts.rules import LoadedRule
from alerts.settings_bodies import AlertSettings
from alerts.targets import DueTarget
from alerts.telling import tell_closed
from alerts.transition import Plan, judge_target, plan_outcome

_NO_LANE = -1
"""Something that was held back is due, whatever the lanes do."""
_OPEN = (Phase.FIRING, Phase.RECOVERING)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Subject:
    """One rule for one agent, with what its leaves read over time."""

    target: DueTarget
    rule: LoadedRule
    agent: str
    tracks: Tracks
    others_us: Int = field(default_factory=lambda: NEVER)
    """When points came of metrics that the rule does not read."""


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
    """`looks`: ticks at which the verdict may change; `woken`: at which the alerter looks for news, or because it knew
    ahead. `stride`: how many ticks it lets pass while nothing wakes it; None: it waits."""

    subject: Subject
    looks: Int
    woken: Int
    stride: int | None
    states: dict[Labels, StateRow] = field(default_factory=dict)
    next_at: int = 0


def replay(
    subjects: Sequence[Subject],
    directory: Directory,
    grid: Grid,
    *,
    mutes: Mutes | None = None,
    settings: AlertSettings | None = None,
    responses: Sequence[Response] = (),
    go_on: Callable[[int], bool] = lambda judged: True,
) -> Replay:
    """Run the machine over the grid, for subjects of one tenant.

    `mutes`: what withholds messages; `settings`: how the tenant wants to be told; `responses`: what people
    did, in order. `go_on` is asked now and then, with how often was judged; False stops it.
    """
    return _Machine([_lane(one, grid) for one in subjects], directory, grid, mutes, settings, responses).run(go_on)


def _lane(subject: Subject, grid: Grid) -> _Lane:
    begin = np.zeros(1, np.int64)
    looks, woken = [begin], [begin]
    others = ticks_after(grid, subject.others_us)
    woken += [others, others + 1]
    for leaf, sets in subject.tracks.items():
        full = full_at(leaf, subject.target.since)
        if full is not None:
            looks.append(np.array([grid.first_from(full)]))
            woken.append(looks[-1])
        for track in (sets or {}).values():
            looks.append(track.looks(grid))
            news = track.news(grid)
            woken += [news, track.turns(grid)]
            if Touched.METRIC in kinds_read(leaf):
                # Points may lie just after the tick that heard of them: the next one looks once more.
                woken.append(news + 1)
    found, roused = np.unique(np.concatenate(looks)), np.unique(np.concatenate(woken))
    stride = stride_of(_rule(subject).condition, grid.step)
    return _Lane(subject, found[found < grid.count], roused[roused < grid.count], stride)


def stride_of(condition: Condition, step: timedelta) -> int | None:
    """After how many ticks the alerter looks again while rows leave windows, or where it goes by the clock."""
    now = datetime(2000, 1, 1, tzinfo=UTC)
    there: dict[Labels, Reading] = {(): Reading(0.0, 1, now)}
    clocked = WindowLeaf | CompareLeaf | BudgetLeaf
    readings: Readings = {leaf: there if isinstance(leaf, clocked) else {} for leaf in leaves(condition)}
    due = next_due(condition, (), readings, now=now, interval=step, since=_LONG_AGO)
    return None if due is None else max(1, -((now - due) // step))


class _Machine:
    def __init__(
        self,
        lanes: list[_Lane],
        directory: Directory,
        grid: Grid,
        mutes: Mutes | None,
        settings: AlertSettings | None,
        responses: Sequence[Response],
    ) -> None:
        self._lanes = lanes
        self._directory = directory
        self._grid = grid
        self._tenant = lanes[0].subject.target.key.tenant_id if lanes else UUID(int=0)
        self._mutes = mutes or Mutes(self._tenant)
        self._responses = deque(responses)
        turns = [*self._mutes.turns, *(one.until for one in responses if one.until is not None)]
        self._turns = sorted({grid.first_from(at) for at in turns} | {grid.first_after(one.at) for one in responses})
        self._episodes: dict[UUID, Episode] = {}
        self._box = Box(directory, settings, self._named)
        self._names = {lane.subject.target.key.agent_id: lane.subject.agent for lane in lanes}
        self._done = Replay(until=grid.at(max(0, grid.count - 1)))

    def run(self, go_on: Callable[[int], bool]) -> Replay:
        waiting = [(0, number) for number in range(len(self._lanes))]
        while waiting and waiting[0][0] < self._grid.count:
            tick = waiting[0][0]
            numbers = set()
            while waiting and waiting[0][0] == tick:
                numbers.add(heapq.heappop(waiting)[1])
            lanes = sorted(one for one in numbers if one != _NO_LANE and self._lanes[one].next_at == tick)
            told = len(self._done.sent)
            self._pass(tick, [self._lanes[number] for number in lanes])
            if len(self._done.sent) > told:
                # What was held back has now been told: repeats of those alerts are counted from here.
                lanes = [number for number, lane in enumerate(self._lanes) if number in lanes or _is_open(lane)]
            for number in lanes:
                lane = self._lanes[number]
                lane.next_at = self._next(tick, lane)
                heapq.heappush(waiting, (lane.next_at, number))
            if self._box.due_at is not None:
                heapq.heappush(waiting, (max(tick + 1, self._grid.first_from(self._box.due_at)), _NO_LANE))
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
        while self._responses and self._responses[0].at < now:
            self._respond(self._responses.popleft())
        muting = self._mutes.at(now)
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
                    self._episodes[change.episode.id] = change.episode
                    self._done.episodes.append(change.episode)
            plan_outcome(outcome, self._episodes, {}, self._directory, plan, now=now, muting=muting)
            lane.states = {change.row.labels: change.row for change in outcome.changes}
        self._done.judged += len(lanes)
        self._done.withheld += [
            Withheld(now, event.alert_id, event.details["by"]) for event in plan.events if event.kind == "withheld"
        ]
        self._done.sent += self._box.step(plan.tellings, self._episodes, tenant_id=self._tenant, now=now)

    def _respond(self, one: Response) -> None:
        """What somebody did between two ticks, where the alert is open here too."""
        for lane in self._lanes:
            if lane.subject.target.key.agent_id != one.agent_id:
                continue
            for labels, row in lane.states.items():
                episode = self._episodes.get(row.alert_id) if row.alert_id else None
                if episode is None or not episode.open or fingerprint(labels) != one.fingerprint:
                    continue
                one.answer(episode)
                if one.closes:
                    state, _ = resolve_by_hand(row.state, one.at, repeat=_rule(lane.subject).repeat)
                    lane.states[labels] = replace(row, state=state, alert_id=None)
                    tellings = tell_closed(episode, now=one.at)
                    self._done.sent += self._box.step(tellings, self._episodes, tenant_id=self._tenant, now=one.at)

    def _named(self, alert_id: UUID) -> tuple[str, Labels]:
        episode = self._episodes[alert_id]
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
            latches = [row.state.latched_until for row in lane.states.values()]
            opens = [max(tick + 1, self._grid.first_from(at)) for at in latches if at is not None]
            return min([look if look == self._grid.count else self._looked_at(look, tick, lane), *opens])
        # The tick before a change is judged as well, so that the state knows until when all was as before.
        nearest = look - 1 if look - 1 > tick else look
        return min([nearest, *self._due(tick, lane)])

    def _looked_at(self, look: int, tick: int, lane: _Lane) -> int:
        """The first tick from `look` on at which the alerter looks at a target without an alert."""
        place = int(np.searchsorted(lane.woken, look, side="right"))
        anchor = max(tick, int(lane.woken[place - 1]) if place else 0)
        if anchor == look:
            return look
        following = int(lane.woken[place]) if place < len(lane.woken) else self._grid.count
        if lane.stride is None:
            return following
        return min(following, anchor + -(-(look - anchor) // lane.stride) * lane.stride)

    def _due(self, tick: int, lane: _Lane) -> list[int]:
        """Ticks at which there may be something to tell of a lane's open alerts, whatever is read then."""
        rule, now = _rule(lane.subject), self._grid.at(tick)
        times: list[datetime] = []
        for row in lane.states.values():
            episode = self._episodes.get(row.alert_id) if row.alert_id else None
            if episode is None:
                continue
            times += [one.at + rule.repeat for one in episode.told]
            times += changes(self._directory, rule, episode, now=now)
            if row.state.flaps.hold(now) and row.state.flaps.changed_at is not None:
                times.append(row.state.flaps.changed_at + CALM)
        turn = bisect.bisect_right(self._turns, tick)
        return [self._grid.first_from(at) for at in times if at > now] + self._turns[turn : turn + 1]


def readings_at(tracks: Tracks, now: datetime) -> Readings:
    """What would have been read at a time."""
    found: dict[Leaf, Mapping[Labels, Reading] | None] = {}
    for leaf, sets in tracks.items():
        read = None if sets is None else {labels: track.reading(now) for labels, track in sets.items()}
        found[leaf] = None if read is None else {labels: one for labels, one in read.items() if one is not None}
    return found


def _is_open(lane: _Lane) -> bool:
    return any(row.alert_id is not None for row in lane.states.values())


def _rule(subject: Subject) -> Rule:
    if subject.rule.rule is None:
        raise ValueError(subject.rule.fault)
    return subject.rule.rule
