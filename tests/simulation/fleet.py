"""A fleet for the real database: tenants, their rules of several kinds, what agents do, and all that breaks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any
from uuid import UUID

import numpy as np

from alerts.core.targets import parse_channels
from alerts.core.vocabulary import ChannelKind
from alerts.system import SystemFault
from monitor.ids import microseconds
from tests.simulation import causes
from tests.simulation.causes import HOLDS, OVER, Cause, Judged, Ticks
from tests.simulation.seen import Expected
from tests.simulation.world import Inside, Int, Life, Pace, Spans, live, spans

STEP = timedelta(minutes=5)
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_TENANTS = {"akira": 1, "kaneda": 6, "tetsuo": 11}
GROUPING = "tetsuo"
"""The tenant that is told of an agent's alerts together."""
GROUP = {"by": ["agent"], "wait": "10m", "interval": "20m"}
_WAITS = timedelta(minutes=30)
_AVERAGE = {"metric": "latency_ms", "reduce": "mean", "window": "40m", "threshold": 110, "min_count": 4}
_EMAIL, _SLACK, _HOOK = {"email": "ops@example.com"}, {"slack": "#alerts"}, {"webhook": "https://hooks.example/alerts"}


class Manner(StrEnum):
    """How an alerter ends: before a tick, in the middle of a pass, or while it sends."""

    BETWEEN = "between"
    READING = "reading"
    SENDING = "sending"


@dataclass(frozen=True, slots=True)
class Kind:
    """A rule for all agents of a tenant, and what it means. `firing`: what holds while it fires, if that differs;
    `blind`: what is known of it without the history store, if it reads that."""

    name: str
    body: Mapping[str, Any]
    calm: Judged
    firing: Judged | None = None
    blind: Judged | None = None
    hold_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    repeat: timedelta = 4 * _HOUR
    dead: bool = False


_MEAN = causes.mean(40 * _MINUTE, 110, at_least=4)
KINDS = (
    Kind(
        "fails",
        {"conditions": {"status": "error", "consecutive_failures": 3}, "severity": "critical", "repeat": "2h"}
        | {"channels": _EMAIL | _SLACK},
        causes.failures(3),
        repeat=2 * _HOUR,
    ),
    Kind(
        "dead",
        {"conditions": {"heartbeat": "missed", "after": "17m"}, "for": "5m", "channels": _HOOK},
        causes.silence(17 * _MINUTE),
        hold_for=5 * _MINUTE,
        dead=True,
    ),
    Kind(
        "slow",
        {
            "conditions": _AVERAGE
            | {"reduce": "last", "window": "1h", "threshold": 120, "recover": 100, "min_count": 1},
            "for": "10m",
            "keep_firing_for": "10m",
            "channels": _SLACK,
        },
        causes.last(_HOUR, 120),
        causes.last(_HOUR, 100),
        causes.unknown,
        hold_for=10 * _MINUTE,
        keep_firing_for=10 * _MINUTE,
    ),
    Kind("slow on average", {"conditions": _AVERAGE, "channels": _EMAIL}, _MEAN, blind=causes.unknown),
    Kind(
        "traces",
        {"conditions": {"log": {"contains": "Traceback"}, "window": "30m", "count": 2}, "channels": _HOOK},
        causes.lines(30 * _MINUTE, 2),
    ),
    Kind(
        "failure rate",
        {
            "conditions": {"rate": "error", "window": "1h", "op": ">", "threshold": 0.5, "min_count": 4},
            "for": "10m",
            "repeat": "1h",
            "channels": _EMAIL,
        },
        causes.share(_HOUR, 0.5, at_least=4),
        hold_for=10 * _MINUTE,
        repeat=_HOUR,
    ),
    Kind(
        "fails and is slow",
        {"conditions": {"all": [{"status": "error", "consecutive_failures": 2}, _AVERAGE]}, "channels": _SLACK},
        causes.both(causes.failures(2), _MEAN),
        blind=causes.both(causes.failures(2), causes.unknown),
    ),
)


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence of one agent, or of one rule of a tenant."""

    tenant: str
    label: str
    value: str
    start: datetime
    end: datetime

    def covers(self, agent: str, rule: str) -> bool:
        """Whether it means an alert of its tenant."""
        return self.value == (agent if self.label == "agent" else rule)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that happens; the same seed makes the same, counted from the start. `kills`: by alerter."""

    ticks: Ticks
    lives: Mapping[tuple[str, str], Life]
    silences: tuple[Silence, ...]
    history_away: Spans
    database_away: Spans
    refused: Mapping[ChannelKind, Spans]
    kills: tuple[tuple[tuple[datetime, datetime, Manner], ...], ...]

    @property
    def tenants(self) -> dict[str, UUID]:
        """Ids by slug: each in another shard, and the same ones in every run."""
        return {slug: UUID(f"00000000-0000-7000-8000-{number:012x}") for slug, number in _TENANTS.items()}


def make_fleet(seed: int, start: datetime, length: timedelta, agents: int, *, often: float = 1) -> Fleet:
    """A fleet of so many agents for each tenant. `often`: how many times as much happens as usual."""
    rng = Random(seed)
    ticks = Ticks(start, STEP, int(length / STEP))

    def away(every: float, lasting: timedelta, longest: timedelta = _HOUR) -> Spans:
        found = spans(rng, start, length, every=every * _HOUR / often, lasting=lasting)
        return [(low, min(max(high, low + STEP), low + longest)) for low, high in found]

    database_away = away(40, 2 * STEP)
    pace = Pace(
        runs=0.25,
        points=0.3,
        beat=5,
        bad=(15 * _HOUR / often, _HOUR),
        dead=(30 * _HOUR / often, 40 * _MINUTE),
        slow=(15 * _HOUR / often, 50 * _MINUTE),
    )
    lives = {}
    for tenant in _TENANTS:
        for number in range(agents):
            life = live(Random(rng.random()), start, length, pace)
            lives[tenant, f"{tenant}-{number}"] = replace(life, beats=_received(life.beats, ticks, database_away))
    silences = []
    for low, high in away(6, 2 * _HOUR, 4 * _HOUR):
        tenant, agent = rng.choice(list(lives))
        label, value = rng.choice([("agent", agent), ("rule", rng.choice(KINDS).name)])
        silences.append(Silence(tenant, label, value, low, high))
    manners = list(Manner)
    return Fleet(
        ticks=ticks,
        lives=lives,
        silences=tuple(silences),
        history_away=away(20, 5 * STEP),
        database_away=database_away,
        refused={kind: away(24, 6 * STEP) for kind in (ChannelKind.EMAIL, ChannelKind.SLACK, ChannelKind.WEBHOOK)},
        kills=tuple(tuple((low, high, rng.choice(manners)) for low, high in away(12, 6 * STEP)) for _ in range(2)),
    )


def expectations(fleet: Fleet) -> list[Expected]:
    """Every rule for every agent, and the installation's own alerts."""
    made = [
        _expected(kind, tenant, agent, life, fleet.ticks)
        for (tenant, agent), life in fleet.lives.items()
        for kind in KINDS
    ]
    away = Inside(fleet.history_away)
    blind = np.array([HOLDS if away(fleet.ticks.at(number)) else OVER for number in range(fleet.ticks.count)], np.int8)
    never = np.full(fleet.ticks.count, OVER, np.int8)
    for fault, codes in ((SystemFault.HISTORY_BLIND, blind), (SystemFault.UNDELIVERABLE, never)):
        cause = Cause(fleet.ticks, codes)
        made.append(Expected(fault, "", cause, frozenset(), dead=True, must=False, repeats=False))
    return made


def _expected(kind: Kind, tenant: str, agent: str, life: Life, ticks: Ticks) -> Expected:
    at = ticks.us
    cause = Cause(
        ticks,
        kind.calm(life, at),
        None if kind.firing is None else kind.firing(life, at),
        None if kind.blind is None else kind.blind(life, at),
    )
    return Expected(
        name=f"{kind.name} {agent}",
        agent=agent,
        cause=cause,
        targets=frozenset(f"{one.kind} {one.address}" for one in parse_channels(kind.body["channels"]).targets),
        hold_for=kind.hold_for,
        keep_firing_for=kind.keep_firing_for,
        repeat=kind.repeat,
        dead=kind.dead,
        waits=_WAITS if tenant == GROUPING else timedelta(0),
        repeats=tenant != GROUPING,
    )


def _received(beats: Int, ticks: Ticks, away: Spans) -> Int:
    """When heartbeats arrive: a second before the next tick, or never while the database is away."""
    at = ticks.us
    places = np.unique(np.searchsorted(at, beats))
    arrive = at[places[places < len(at)]]
    for low, high in away:
        arrive = arrive[(arrive < microseconds(low)) | (arrive >= microseconds(high))]
    return arrive - 1_000_000
