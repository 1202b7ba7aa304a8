"""The alerter without a database: the pure core over a simulated world, with what must hold checked at every tick.

What is expected is worked out here anew from what agents did, by other means than the core's.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import numpy as np

from alerts.backtest.read import status_track
from alerts.backtest.tracks import BeatTrack, Track
from alerts.backtest.windows import MetricTrack
from alerts.core.backoff import retry_at
from alerts.core.condition import HeartbeatLeaf, Leaf, MetricLeaf, StatusLeaf
from alerts.core.grouping import group
from alerts.core.labels import Labels
from alerts.core.muting import Muting, Scope
from alerts.core.policy import Withheld
from alerts.core.reading import Reading, Readings
from alerts.core.rule import Rule, parse_rule
from alerts.core.targets import Target
from alerts.core.terms import ExecutionStatus
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.directory import Directory
from alerts.episode import Episode, StateRow
from alerts.heard import Told
from alerts.muting import MutingNow
from alerts.rules import LoadedRule
from alerts.targets import DueTarget, TargetKey
from alerts.transition import Plan, judge_target, plan_outcome
from monitor.ids import from_microseconds, microseconds, uuid7
from tests.simulation.world import START, TICK, Inside, Life, World

TENANT = UUID(int=1)
OPS = Target(ChannelKind.EMAIL, "ops@example.com")
_BODIES = (
    {"conditions": {"status": "error", "consecutive_failures": 3}, "repeat": "2h"},
    {"conditions": {"heartbeat": "missed", "after": "12m"}, "for": "3m"},
    {
        "conditions": {"metric": "m", "reduce": "last", "window": "30m", "threshold": 120, "recover": 100},
        "for": "10m",
        "keep_firing_for": "5m",
    },
)
_STATUS = StatusLeaf(ExecutionStatus.ERROR, 3)
RULES = tuple(parse_rule(body | {"channels": {"email": OPS.address}}, tick=TICK) for body in _BODIES)


@dataclass(slots=True)
class Watch:
    """One rule for one agent: the alerter's own state, and beside it what an onlooker counts."""

    rule: Rule
    life: Life
    target: DueTarget
    loaded: LoadedRule
    leaf: Leaf
    track: Track
    news: list[datetime]
    rows: list[StateRow] = field(default_factory=list)
    due_at: datetime | None = START
    place: int = 0
    breached_since: datetime | None = None
    seen_at: datetime | None = None


@dataclass(slots=True)
class Message:
    """One message on its way."""

    group_id: UUID
    reasons: dict[UUID, Reason]
    next_at: datetime
    first_at: datetime
    attempts: int = 0


@dataclass(slots=True)
class Outcome:
    """What a run came to. `trace` is the same for the same seed."""

    trace: str = ""
    fired: int = 0
    resolved: int = 0
    queued: int = 0
    sent: int = 0
    dead: int = 0
    withheld: int = 0
    faults: list[str] = field(default_factory=list)


class Simulation:
    """Runs a world through the core."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.rng = Random(seed)
        self.watches = [
            _watch(number, rule, life)
            for number, (life, rule) in enumerate((life, rule) for life in world.lives for rule in RULES)
        ]
        self.open: dict[UUID, Episode] = {}
        self.waiting: list[Message] = []
        self.heard: dict[UUID, list[Reason]] = {}
        self.outcome = Outcome()
        self.hash = hashlib.blake2b()
        self.directory = Directory(active=frozenset([TENANT]))

    def run(self) -> Outcome:
        """Every tick, then some hours of peace in which whatever waits is sent."""
        storage, channel, alerter = map(
            Inside, (self.world.storage_away, self.world.channel_away, self.world.alerter_away)
        )
        silenced = Inside(self.world.silenced)
        ticks = int(self.world.length / TICK)
        for number in range(1, ticks + 1):
            now = START + number * TICK
            if alerter(now):
                continue
            self._tick(now, readable=not storage(now), silenced=silenced(now))
            self._deliver(now, away=channel(now))
        for number in range(ticks + 1, ticks + 300):
            self._deliver(START + number * TICK, away=False)
        if self.waiting:
            self.outcome.faults.append(f"{len(self.waiting)} messages were never sent")
        self.outcome.trace = self.hash.hexdigest()
        return self.outcome

    def _tick(self, now: datetime, *, readable: bool, silenced: bool) -> None:
        scope = Scope(Withheld.SILENCED, "silence", "", now + TICK)
        muting = MutingNow(Muting(now, scopes={TENANT: [scope]} if silenced else None))
        plan = Plan()
        for watch in self.watches:
            if readable:
                _look(watch, now)
            while watch.place < len(watch.news) and watch.news[watch.place] < now:
                watch.place, watch.due_at = watch.place + 1, now
            if watch.due_at is None or watch.due_at > now:
                continue
            reading = watch.track.reading(now)
            known: dict[Labels, Reading] = {} if reading is None else {(): reading}
            readings: Readings = {watch.leaf: known if readable else None}
            outcome = judge_target(
                watch.target, watch.loaded, readings, watch.rows, now=now, interval=TICK, again=False
            )
            for change in outcome.changes:
                if change.episode is not None:
                    self._opened(watch, change.episode, now)
            plan_outcome(outcome, self.open, {}, self.directory, plan, now=now, muting=muting)
            watch.rows = [change.row for change in outcome.changes]
            watch.due_at = outcome.due_at
        self.outcome.withheld += sum(1 for event in plan.events if event.kind == "withheld")
        self._queue(plan, now)
        for watch in self.watches:
            self._check_open(watch, now)

    def _opened(self, watch: Watch, episode: Episode, now: datetime) -> None:
        self.open[episode.id] = episode
        self.outcome.fired += 1
        held = watch.rule.timing.hold_for
        if watch.breached_since is None or now - watch.breached_since < held:
            self.outcome.faults.append(f"{now}: fired without cause")

    def _check_open(self, watch: Watch, now: datetime) -> None:
        """No condition older than its `for` and two ticks, as far as it could be read, is without an alert."""
        firing = any(row.state.firing for row in watch.rows)
        since = watch.breached_since
        if since is not None and not firing and now - since > watch.rule.timing.hold_for + 2 * TICK:
            self.outcome.faults.append(f"{now}: breached since {since} and nobody was told")

    def _queue(self, plan: Plan, now: datetime) -> None:
        for each in group(telling.notice for telling in plan.tellings):
            group_id = each.group_id or uuid7(now)
            for notice in each.notices:
                episode = self.open[notice.alert_id]
                told = Told(TENANT, notice.target, now, notice.reason, group_id)
                episode.told = (*(one for one in episode.told if one.key != told.key), told)
            reasons = {notice.alert_id: notice.reason for notice in each.notices}
            self.waiting.append(Message(group_id, reasons, now, now))
            self.outcome.queued += 1
        for episode in [one for one in self.open.values() if not one.open]:
            self.outcome.resolved += 1
            del self.open[episode.id]

    def _deliver(self, now: datetime, *, away: bool) -> None:
        """As the outbox: in order within a group, tried again later and later."""
        blocked: set[UUID] = set()
        left = []
        for message in self.waiting:
            if message.group_id in blocked or message.next_at > now:
                blocked.add(message.group_id)
                left.append(message)
                continue
            message.attempts += 1
            if not away:
                self._sent(message, now)
                continue
            again = retry_at(message.attempts, now=now, first_at=message.first_at, rng=self.rng)
            if again is None:
                self.outcome.dead += 1
                self.outcome.faults.append(f"{now}: a message was given up")
                continue
            message.next_at = again
            blocked.add(message.group_id)
            left.append(message)
        self.waiting = left

    def _sent(self, message: Message, now: datetime) -> None:
        self.outcome.sent += 1
        for alert_id, reason in message.reasons.items():
            before = self.heard.setdefault(alert_id, [])
            if (reason is Reason.FIRST) == bool(before):
                self.outcome.faults.append(f"{now}: {reason} after {before[-1:]}")
            before.append(reason)
        self.hash.update(f"{now.isoformat()} {sorted(message.reasons.values())}\n".encode())


def _watch(number: int, rule: Rule, life: Life) -> Watch:
    key = TargetKey(TENANT, UUID(int=number), UUID(int=number))
    leaf = rule.condition
    assert isinstance(leaf, StatusLeaf | HeartbeatLeaf | MetricLeaf)
    times = life.executions
    track: Track = status_track(_STATUS, times, ["error" if bad else "success" for bad in life.failed.tolist()])
    if isinstance(leaf, HeartbeatLeaf):
        times = life.beats
        beats = [Reading(count=3, last_at=from_microseconds(at)) for at in times.tolist()]
        track = BeatTrack(leaf, times, tuple(beats))
    elif isinstance(leaf, MetricLeaf):
        times = life.points
        track = MetricTrack(leaf, times, life.values, np.zeros(len(times), np.int64), np.zeros(1, np.bool_))
    loaded = LoadedRule((TENANT, key.config_id), 1, f"rule {number}", rule, (leaf,))
    news = [from_microseconds(at) for at in times.tolist()]
    return Watch(rule, life, DueTarget(key, 1, START, START), loaded, leaf, track, news)


def _look(watch: Watch, now: datetime) -> None:
    """What an onlooker knows of a condition after a tick in which the store could be read."""
    seen = _breached(watch, now)
    gap = max(watch.rule.timing.hold_for, 2 * TICK)
    if watch.seen_at is not None and now - watch.seen_at > gap:
        watch.breached_since = None
    if seen is None:
        return
    watch.seen_at = now
    if not seen:
        watch.breached_since = None
    elif watch.breached_since is None:
        watch.breached_since = now


def _breached(watch: Watch, now: datetime) -> bool | None:
    """Whether a condition is breached, by what the agent did; None: unknown."""
    life, now_us = watch.life, microseconds(now)
    match watch.leaf:
        case StatusLeaf():
            upto = int(np.searchsorted(life.executions, now_us))
            return bool(upto >= 3 and life.failed[upto - 3 : upto].all()) if upto else None
        case HeartbeatLeaf():
            upto = int(np.searchsorted(life.beats, now_us))
            return now_us - int(life.beats[upto - 1]) > 720_000_000 if upto else None
        case _:
            upto = int(np.searchsorted(life.points, now_us))
            if not upto or now_us - int(life.points[upto - 1]) > timedelta(minutes=30) / timedelta(microseconds=1):
                return None
            return bool(life.values[upto - 1] > (100 if any(row.state.firing for row in watch.rows) else 120))
