"""The alerter without a database: the pure core over a simulated world, with an onlooker at every tick."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from uuid import UUID

from alerts.core.backoff import retry_at
from alerts.core.condition import MetricLeaf
from alerts.core.grouping import Telling, group
from alerts.core.muting import Muting, Scope, Subject
from alerts.core.policy import Withheld
from alerts.core.reading import Readings
from alerts.core.vocabulary import Reason
from alerts.directory import Directory
from alerts.episode import Episode
from alerts.heard import Told
from alerts.muting import MutingNow
from alerts.transition import Plan, judge_target, plan_outcome
from monitor.ids import uuid7
from tests.simulation.causes import Ticks
from tests.simulation.onlooker import Onlooker
from tests.simulation.seen import Fault, Shown, Tick, Written, withheld
from tests.simulation.watches import RULES, TENANT, Watch, expected_of, targets_of, watch_of
from tests.simulation.world import START, TICK, Inside, World

SETTLE = 2 * TICK


@dataclass(slots=True)
class Message:
    """One message on its way."""

    written: Written
    group_id: UUID
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
    faults: list[tuple[Fault, str]] = field(default_factory=list)


class Simulation:
    """Runs a world through the core. What a faulty alerter would do otherwise are methods of their own."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.rng = Random(seed)
        ticks = Ticks(START, TICK, int(world.length / TICK))
        self.watches = [watch_of(agent, rule, life) for agent, life in enumerate(world.lives) for rule in RULES]
        lives = [life for life in world.lives for _ in RULES]
        expected = [expected_of(watch, life, ticks) for watch, life in zip(self.watches, lives, strict=True)]
        self.onlooker = Onlooker(expected, tick=TICK)
        self.ticks = ticks
        self.open: dict[UUID, Episode] = {}
        self.waiting: list[Message] = []
        self.directory = Directory(active=frozenset([TENANT]), settle=SETTLE)
        self.ends: dict[tuple[UUID, bool], datetime] = {}
        self.dead = 0
        self.hash = hashlib.blake2b()

    def run(self) -> Outcome:
        """Every tick, then some hours of peace in which whatever waits is sent."""
        storage, channel, alerter, silenced = map(
            Inside, (self.world.storage_away, self.world.channel_away, self.world.alerter_away, self.world.silenced)
        )
        was_readable, before = True, START
        for number in range(self.ticks.count):
            now = self.ticks.at(number)
            if alerter(now):
                continue
            readable = not storage(now)
            if now - before > 4 * TICK:
                self._ended(now, history=False)
            if readable and not was_readable:
                self._ended(now, history=True)
            was_readable, before = readable, now
            self._tick(now, readable=readable, silenced=silenced(now))
            self._deliver(now, away=channel(now))
        for number in range(self.ticks.count, self.ticks.count + 300):
            self._deliver(self.ticks.at(number), away=False)
        faults, seen = self.onlooker.finish(), self.onlooker
        queued = seen.written
        trace = self.hash.hexdigest()
        return Outcome(trace, seen.opened, seen.closed, queued, seen.arrived, self.dead, seen.withheld, faults)

    def is_due(self, watch: Watch, now: datetime) -> bool:
        """Whether a rule is judged at a tick."""
        return watch.due_at is not None and watch.due_at <= now

    def read(self, watch: Watch, now: datetime, *, readable: bool) -> Readings:
        """What the sources give."""
        if not readable:
            return {watch.leaf: None}
        reading = watch.past(now)
        return {watch.leaf: {} if reading is None else {(): reading}}

    def mute(self, now: datetime, *, silenced: bool) -> Muting:
        """What withholds messages."""
        scope = Scope(Withheld.SILENCED, "deploy", "", now + TICK)
        dead = [
            Subject(TENANT, one, {}, episode.severity, episode.triggered_at, agent_id=episode.agent_id, dead=True)
            for one, episode in self.open.items()
            if episode.rule == "dead"
        ]
        return Muting(now, scopes={TENANT: [scope]} if silenced else None, alerts=dead)

    def tell(self, tellings: Sequence[Telling], now: datetime) -> Sequence[Telling]:
        """What is written of what there is to tell."""
        return tellings

    def hand_over(self, message: Message, now: datetime) -> None:
        """A channel takes a message."""
        self.onlooker.took(now, message.written.id)

    def _ended(self, now: datetime, *, history: bool) -> None:
        self.ends[TENANT, history] = now
        self.directory = Directory(active=frozenset([TENANT]), settle=SETTLE, outages=self.ends)

    def _settling(self, now: datetime) -> frozenset[str]:
        """The rules whose first messages may wait for an outage to settle."""
        recent = [history for (_, history), end in self.ends.items() if now - end < SETTLE]
        return frozenset(one.name for one in self.watches if not all(recent) or (recent and one.loaded.name == "slow"))

    def _tick(self, now: datetime, *, readable: bool, silenced: bool) -> None:
        """As a pass of the evaluator: judge all that is due, then decide who is told."""
        outcomes = []
        for watch in self.watches:
            before = watch.place
            while watch.place < len(watch.news) and watch.news[watch.place] < now:
                watch.place, watch.due_at = watch.place + 1, now
            if self.is_due(watch, now):
                readings = self.read(watch, now, readable=readable)
                again = watch.place > before and isinstance(watch.leaf, MetricLeaf)
                made = judge_target(
                    watch.target, watch.loaded, readings, watch.rows, now=now, interval=TICK, again=again
                )
                self.open |= {one.episode.id: one.episode for one in made.changes if one.episode is not None}
                outcomes.append((watch, made))
        plan, muting = Plan(), MutingNow(self.mute(now, silenced=silenced))
        for watch, outcome in outcomes:
            plan_outcome(outcome, self.open, {}, self.directory, plan, now=now, muting=muting)
            watch.rows = [change.row for change in outcome.changes]
            watch.due_at = outcome.due_at
        written = self._queue(plan, now)
        names = frozenset(watch.name for watch in self.watches)
        tick = Tick(
            now,
            shown=self._shown(),
            written=written,
            unreadable=frozenset() if readable else names,
            silenced=names if silenced else frozenset(),
            settling=self._settling(now) if self.ends else frozenset(),
        )
        self.onlooker.saw(tick)

    def _shown(self) -> dict[str, Shown]:
        shown = {}
        for watch in self.watches:
            if watch.alert_id is not None:
                said = self.open[watch.alert_id].details.get("withheld", ())
                shown[watch.name] = Shown(watch.alert_id, withheld(said, targets_of(watch.rule)))
        return shown

    def _queue(self, plan: Plan, now: datetime) -> list[Written]:
        written = []
        for each in group(telling.notice for telling in self.tell(plan.tellings, now)):
            group_id = each.group_id or uuid7(now)
            for notice in each.notices:
                episode = self.open[notice.alert_id]
                told = Told(TENANT, notice.target, now, notice.reason, group_id)
                episode.told = (*(one for one in episode.told if one.key != told.key), told)
            reasons: dict[UUID, Reason] = {notice.alert_id: notice.reason for notice in each.notices}
            message = Written(uuid7(now), f"{each.target.kind} {each.target.address}", reasons)
            self.waiting.append(Message(message, group_id, now, now))
            written.append(message)
        self.open = {key: episode for key, episode in self.open.items() if episode.open}
        return written

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
                said = f"{now.isoformat()} {message.written.target} {sorted(message.written.reasons.values())}\n"
                self.hash.update(said.encode())
                self.hand_over(message, now)
                continue
            again = retry_at(message.attempts, now=now, first_at=message.first_at, rng=self.rng)
            if again is None:
                self.dead += 1
                continue
            message.next_at = again
            blocked.add(message.group_id)
            left.append(message)
        self.waiting = left
