"""Rules of the simulated year, one by one for each agent: what is read of them, and what an onlooker expects."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from alerts.core.condition import HeartbeatLeaf, Leaf, MetricLeaf, StatusLeaf
from alerts.core.muting import says_dead
from alerts.core.reading import Reading
from alerts.core.rule import Rule, parse_rule
from alerts.episode import StateRow
from alerts.rules import LoadedRule
from alerts.targets import DueTarget, TargetKey
from monitor.ids import from_microseconds
from tests.simulation import causes
from tests.simulation.causes import Cause, Ticks
from tests.simulation.seen import Expected
from tests.simulation.world import START, TICK, Life

TENANT = UUID(int=1)
_OPS, _CHAT = {"email": "ops@example.com"}, {"slack": "#alerts"}
_BODIES = (
    {"conditions": {"status": "error", "consecutive_failures": 3}, "repeat": "2h", "channels": _OPS | _CHAT},
    {"conditions": {"heartbeat": "missed", "after": "12m"}, "for": "3m", "channels": _OPS},
    {
        "conditions": {"metric": "m", "reduce": "last", "window": "30m", "threshold": 120, "recover": 100},
        "for": "10m",
        "keep_firing_for": "5m",
        "channels": _CHAT,
    },
)
RULES = tuple(parse_rule(body, tick=TICK) for body in _BODIES)


@dataclass(slots=True)
class Watch:
    """One rule for one agent: the alerter's own state of it."""

    name: str
    rule: Rule
    target: DueTarget
    loaded: LoadedRule
    leaf: Leaf
    past: Callable[[datetime], Reading | None]
    news: list[datetime]
    rows: list[StateRow] = field(default_factory=list)
    due_at: datetime | None = START
    place: int = 0

    @property
    def alert_id(self) -> UUID | None:
        """Its open alert."""
        return self.rows[0].alert_id if self.rows else None


def targets_of(rule: Rule) -> frozenset[str]:
    return frozenset(f"{target.kind} {target.address}" for target in rule.targets)


def watch_of(agent: int, rule: Rule, life: Life) -> Watch:
    leaf = rule.condition
    assert isinstance(leaf, StatusLeaf | HeartbeatLeaf | MetricLeaf)
    key = TargetKey(TENANT, UUID(int=RULES.index(rule)), UUID(int=agent))
    match leaf:
        case StatusLeaf():
            name, times = "fails", life.executions
        case HeartbeatLeaf():
            name, times = "dead", life.beats
        case _:
            name, times = "slow", life.points
    loaded = LoadedRule((TENANT, key.config_id), 1, name, rule, (leaf,))
    news = [from_microseconds(at) for at in times.tolist()]
    past = _past(leaf, life, news)
    return Watch(f"{name} {agent}", rule, DueTarget(key, 1, START, START), loaded, leaf, past, news)


def _past(leaf: Leaf, life: Life, times: Sequence[datetime]) -> Callable[[datetime], Reading | None]:
    """What the sources read at a time; None: there is nothing."""
    streaks = [0]
    for failed in life.failed.tolist():
        streaks.append(streaks[-1] + 1 if failed else 0)
    values = life.values.tolist()

    def past(now: datetime) -> Reading | None:
        upto = bisect_left(times, now)
        if not upto:
            return None
        match leaf:
            case StatusLeaf():
                return Reading(float(streaks[upto]), 1, times[upto - 1])
            case MetricLeaf(window=window):
                count = upto - bisect_left(times, now - window)
                return Reading(values[upto - 1], count, times[upto - 1]) if count else None
            case _:
                return Reading(count=3, last_at=times[upto - 1])

    return past


def expected_of(watch: Watch, life: Life, ticks: Ticks) -> Expected:
    at = ticks.us
    blind = causes.unknown(life, at)
    minutes = timedelta(minutes=1)
    match watch.leaf:
        case StatusLeaf():
            cause = Cause(ticks, causes.failures(3)(life, at), blind=blind)
        case HeartbeatLeaf():
            cause = Cause(ticks, causes.silence(12 * minutes)(life, at), blind=blind)
        case _:
            calm, firing = (causes.last(30 * minutes, bound)(life, at) for bound in (120, 100))
            cause = Cause(ticks, calm, firing, blind)
    rule = watch.rule
    return Expected(
        name=watch.name,
        agent=watch.name.split()[-1],
        cause=cause,
        targets=targets_of(rule),
        hold_for=rule.timing.hold_for,
        keep_firing_for=rule.timing.keep_firing_for,
        repeat=rule.repeat,
        dead=says_dead(rule.condition),
    )
