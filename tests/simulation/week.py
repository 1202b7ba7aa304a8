"""The alerter on a real database over a simulated week: real ingest, real passes, real delivery, a clock moved by hand.

What it does is judged by the same onlooker as the pure core's year.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import text

from alerts.core.message import Message
from alerts.core.vocabulary import ChannelKind, Reason
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from tests.conftest import SettableClock
from tests.simulation.agents import Agents, answered, collecting
from tests.simulation.alerters import Alerter
from tests.simulation.fleet import KINDS, STEP, Fleet, Manner, expectations
from tests.simulation.onlooker import Onlooker
from tests.simulation.seen import Fault, Shown, Tick, Written, withheld
from tests.simulation.world import Inside

PEACE = 40
"""Ticks after the end, at most, in which whatever waits is sent."""

_LEASE = 3 * STEP
_SETTLES = 6 * STEP
_OPEN = text("""
    SELECT a.id, a.rule, g.external_id AS agent, a.details->'withheld' AS withheld
    FROM alerts a LEFT JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    WHERE a.resolved_at IS NULL
""")
_EVENTS = text("""
    SELECT kind, alert_id, details FROM alert_events WHERE at = :now AND kind IN ('notified', 'withheld') ORDER BY id
""")

_WAITING = text("SELECT count(*) FROM notifications WHERE status IN ('pending', 'sending')")

Said = tuple[timedelta, str, str, str, tuple[tuple[str, str, bool], ...]]
"""A message as it arrived, ids aside: when since the start, channel, target, reason, and its alerts."""


@dataclass(slots=True)
class Away:
    """When something was away last: now, or up to `ended`."""

    inside: Inside
    now: bool = False
    ended: datetime | None = None

    def look(self, at: datetime) -> bool:
        """Whether it is away."""
        before, self.now = self.now, self.inside(at)
        if before and not self.now:
            self.ended = at
        return self.now

    def just_ended(self, at: datetime) -> bool:
        """Whether first messages may still settle."""
        return self.ended is not None and at - self.ended < _SETTLES


@dataclass(slots=True)
class Slot:
    """A place for an alerter, and when those in it are killed."""

    number: int
    kills: list[tuple[datetime, datetime, Manner]]
    alerter: Alerter | None = None
    made: int = 0
    back_at: datetime | None = None


@dataclass(slots=True)
class Record:
    """What a run came to: everything that arrived, in the order of time, and faults."""

    said: list[Said] = field(default_factory=list)
    faults: list[tuple[Fault, str]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    withheld: int = 0
    kills: int = 0
    again: int = 0
    unanswered: int = field(default=0, compare=False)


class Week:
    """Runs a fleet. What a faulty alerter or channel would do otherwise are methods of their own."""

    def __init__(
        self, db: Database, postgres: EmbeddedPostgres, name: str, fleet: Fleet, *, clock: SettableClock, seed: int
    ) -> None:
        self.db, self.fleet, self.clock, self.seed = db, fleet, clock, seed
        self._postgres, self._name = postgres, name
        self.onlooker = Onlooker(expectations(fleet), tick=STEP)
        self.record = Record()
        self.history, self.database = Away(Inside(fleet.history_away)), Away(Inside(fleet.database_away))
        self._refused = {kind: Inside(spans) for kind, spans in fleet.refused.items()}
        self._slots = [Slot(number, list(kills)) for number, kills in enumerate(fleet.kills)]
        self._changed_at = fleet.ticks.start
        self._doubtful: set[UUID] = set()
        self._locked = False
        self._nobody, self._back_at = False, fleet.ticks.start

    async def run(self) -> Record:
        """Every tick, then some of peace."""
        ticks = self.fleet.ticks
        async with collecting(self.db, self.fleet, self.clock) as agents:
            await agents.furnish()
            for number in range(ticks.count):
                await self._tick(agents, ticks.at(number))
            await self._lock(away=False)
            for number in range(ticks.count, ticks.count + PEACE):
                if not await self._calm_down(ticks.at(number)):
                    break
            self.record.unanswered = agents.unanswered
        self.record.faults = self.onlooker.finish()
        self.record.said.sort()
        self.record.opened, self.record.closed = self.onlooker.opened, self.onlooker.closed
        self.record.withheld = self.onlooker.withheld
        return self.record

    def take(self, kind: ChannelKind, target: str, message: Message, dies: bool) -> None:
        """A channel took a message."""
        lines = sorted((line.rule, line.agent, line.firing) for line in message.lines)
        since = self.clock.time - self.fleet.ticks.start
        self.record.said.append((since, str(kind), target, str(message.reason), tuple(lines)))
        again = message.notification_id in self._doubtful
        self.record.again += again
        self.onlooker.took(self.clock.time, message.notification_id, again=again)
        self._doubtful.discard(message.notification_id)
        if dies:
            self._doubtful.add(message.notification_id)

    async def meddle(self, now: datetime) -> None:
        """What a test breaks before a tick is judged."""

    async def _tick(self, agents: Agents, now: datetime) -> None:
        away, blind = self.database.look(now), self.history.look(now)
        refusing = frozenset(kind for kind, inside in self._refused.items() if inside(now))
        await self._lock(away=away)
        if not away:
            await agents.report(now)
            await self.meddle(now)
        else:
            self._changed_at = now
        self.clock.time = now
        killed = [slot for slot in self._slots if self._move(slot, now)]
        before, self._nobody = self._nobody, all(slot.alerter is None for slot in self._slots)
        if before and not self._nobody:
            self._back_at = now
        for slot in self._slots:
            if slot.alerter is not None:
                slot.alerter.trouble.history, slot.alerter.trouble.refusing = blind, refusing
                slot.alerter.trouble.death = slot.kills[0][2] if slot in killed else None
                await slot.alerter.judge(now)
        if not away:
            await self._look(now)
        for slot in self._slots:
            dead_already = slot in killed and slot.kills[0][2] is Manner.READING
            if slot.alerter is not None and not dead_already:
                await slot.alerter.send(now)
        for slot in killed:
            slot.alerter, slot.back_at = None, slot.kills.pop(0)[1]
            self.record.kills += 1

    def _move(self, slot: Slot, now: datetime) -> bool:
        """Bring a new alerter into an empty place when its time has come; True: the one that is there dies now."""
        if slot.alerter is None and (slot.back_at is None or slot.back_at <= now):
            self._enter(slot)
            self._changed_at = now
        dies = slot.alerter is not None and bool(slot.kills) and slot.kills[0][0] <= now
        if dies:
            self._changed_at = now
        return dies

    def _enter(self, slot: Slot) -> Alerter:
        slot.made += 1
        holder = f"alerter-{slot.number}-{slot.made}"
        slot.alerter = Alerter(self.db, holder, clock=self.clock, seed=self.seed + slot.number, take=self.take)
        return slot.alerter

    async def _calm_down(self, now: datetime) -> int:
        """Send what waits, with nothing in the way; returns how much is left."""
        self.clock.time = now
        for slot in self._slots:
            alerter = slot.alerter or self._enter(slot)
            alerter.trouble.refusing, alerter.trouble.death = frozenset(), None
            await alerter.send(now)

        async def read() -> int:
            async with self.db.owner() as connection:
                return int((await connection.execute(_WAITING)).scalar_one())

        return await answered(read)

    async def _look(self, now: datetime) -> None:
        """Show the onlooker what there is after the passes of a tick."""
        targets = {name: one.expected.targets for name, one in self.onlooker.conditions.items()}

        async def read() -> tuple[list[Any], list[Any]]:
            async with self.db.owner() as connection:
                events = (await connection.execute(_EVENTS, {"now": now})).all()
                return list((await connection.execute(_OPEN)).all()), list(events)

        rows, events = await answered(read)
        shown = {}
        for row in rows:
            name = row.rule if row.agent is None else f"{row.rule} {row.agent}"
            shown[name] = Shown(row.id, withheld(row.withheld or (), targets[name]))
        reading = {kind.name for kind in KINDS if kind.blind is not None}
        history = {name for name in targets if name.rpartition(" ")[0] in reading}
        settling = set(targets) if self.database.just_ended(now) or now - self._back_at < _SETTLES else set()
        self.onlooker.saw(
            Tick(
                now,
                shown=shown,
                written=_written(events),
                withdrawn=[
                    (row.alert_id, _target(row.details))
                    for row in events
                    if row.details.get("by") == "over before it was sent"
                ],
                unreadable=frozenset(history) if self.history.now else frozenset(),
                silenced=self._silenced(now),
                settling=frozenset(settling | history if self.history.just_ended(now) else settling),
                counts=not self._nobody and now - self._changed_at >= _LEASE,
            )
        )

    def _silenced(self, now: datetime) -> frozenset[str]:
        active = [one for one in self.fleet.silences if one.start <= now < one.end]
        return frozenset(
            f"{kind.name} {agent}"
            for one in active
            for tenant, agent in self.fleet.lives
            for kind in KINDS
            if tenant == one.tenant and one.covers(agent, kind.name)
        )

    async def _lock(self, *, away: bool) -> None:
        """Throw everybody out of the database and let nobody in, or let them in again."""
        if away == self._locked:
            return
        async with await psycopg.AsyncConnection.connect(
            self._postgres.url(database="postgres"), autocommit=True
        ) as there:
            allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            await there.execute(allow.format(sql.Identifier(self._name), sql.SQL("false" if away else "true")))
            if away:
                end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                await there.execute(end, [self._name])
        self._locked = away


def _written(events: list[Any]) -> list[Written]:
    """Messages from the timelines of what they tell."""
    reasons: dict[tuple[Hashable, str], dict[UUID, Reason]] = {}
    for row in events:
        if row.kind == "notified":
            key = (UUID(row.details["notification_id"]), _target(row.details))
            reasons.setdefault(key, {})[row.alert_id] = Reason(row.details["reason"])
    return [Written(message, target, alerts) for (message, target), alerts in reasons.items()]


def _target(details: Mapping[str, str]) -> str:
    return f"{details['channel']} {details['target']}"
