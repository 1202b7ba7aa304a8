"""Judges an alerter from outside: by what agents did, which alerts are open, what is written and what arrives.

Nothing here is the alerter's own: what must be open, told and withheld is counted anew at every tick.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerts.core.policy import Withheld
from alerts.core.vocabulary import Reason
from tests.simulation.seen import Expected, Fault, Shown, Tick, Written

_NONE = timedelta(0)
_CHANGES_THAT_FLAP = 4
_FLAPPING_LASTS = timedelta(minutes=15)
_FLAPPING_BEGINS = timedelta(hours=4)


@dataclass(slots=True)
class _Told:
    """What one target was told of one alert last."""

    at: datetime
    over: bool = False
    silenced: bool = False


@dataclass(slots=True)
class _Alert:
    name: str
    closed_at: datetime | None = None
    told: dict[str, _Told] = field(default_factory=dict)
    owed_since: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class _Lasting:
    """For how long something is so: at most since `since`, at least for `shortest`, which counts ticks in a row."""

    since: datetime | None = None
    shortest: timedelta = _NONE

    def end(self) -> None:
        """It is not so."""
        self.since, self.shortest = None, _NONE

    def go_on(self, now: datetime, step: timedelta) -> None:
        """It is so now; `step` is the time for which it was watched since it was so before."""
        self.shortest = _NONE if self.since is None else self.shortest + step
        self.since = self.since or now

    def at_most(self, now: datetime) -> timedelta:
        """How long it can have been so; nothing where it is not so."""
        return -timedelta.resolution if self.since is None else now - self.since


@dataclass(slots=True)
class _Condition:
    """What is known of one condition: whether it holds (None: unknown), for how long it does or is over."""

    expected: Expected
    alert: Hashable | None = None
    holds: bool | None = None
    held: _Lasting = field(default_factory=_Lasting)
    over: _Lasting = field(default_factory=_Lasting)
    known_at: datetime | None = None
    counted_at: datetime | None = None
    opened: list[datetime] = field(default_factory=list)
    changed_at: datetime | None = None


class Onlooker:
    """Looks on and notes faults. The order of calls is that of events: ticks, and in between what arrives."""

    def __init__(self, expected: Iterable[Expected], *, tick: timedelta) -> None:
        self.tick = tick
        self.conditions = {one.name: _Condition(one) for one in expected}
        self.alerts: dict[Hashable, _Alert] = {}
        self.faults: list[tuple[Fault, str]] = []
        self.opened = self.closed = self.arrived = self.withheld = 0
        self._written: dict[Hashable, Written] = {}
        self._arrived: dict[Hashable, int] = defaultdict(int)
        self._heard: set[tuple[Hashable, str]] = set()
        self._before: datetime | None = None

    @property
    def written(self) -> int:
        """How many messages were written."""
        return len(self._written)

    def saw(self, tick: Tick) -> None:
        """Judge a tick."""
        for name, condition in self.conditions.items():
            self._follow(condition, tick, readable=name not in tick.unreadable)
            self._compare(condition, tick.shown.get(name), tick)
        for alert, target in tick.withdrawn:
            self._withdraw(alert, target, tick.now)
        for message in tick.written:
            self._check(message, tick)
        for name, shown in tick.shown.items():
            self._check_told(name, shown, tick)
        self._before = tick.now

    def took(self, now: datetime, message_id: Hashable, *, again: bool = False) -> None:
        """A channel took a message; `again`: a crash while it was sent allows one more."""
        message = self._written.get(message_id)
        if message is None:
            self._note(Fault.OF_NOTHING, f"{now}: {message_id} arrived and nobody wrote it")
            return
        self.arrived += 1
        self._arrived[message_id] += 1
        if self._arrived[message_id] > 1 and not again:
            self._note(Fault.TWICE, f"{now}: {message} arrived again")
        for alert, reason in message.reasons.items():
            if reason is Reason.FIRST:
                self._heard.add((alert, message.target))
            elif (alert, message.target) not in self._heard:
                self._note(Fault.NO_FIRING, f"{now}: {message.target} heard {reason} of {self._name(alert)}")

    def finish(self) -> list[tuple[Fault, str]]:
        """What is missing in the end; returns all faults."""
        for message in self._written.values():
            if message.reasons and not self._arrived[message.id]:
                self._note(Fault.LOST, f"{message} was never delivered")
        for alert in self.alerts.values():
            if alert.closed_at is not None:
                for target in (target for target, told in alert.told.items() if not told.over):
                    self._note(Fault.LOST, f"{target} was never told that {alert.name} ended at {alert.closed_at}")
        return self.faults

    def _note(self, fault: Fault, said: str) -> None:
        self.faults.append((fault, said))

    def _name(self, alert: Hashable) -> str:
        return self.alerts[alert].name if alert in self.alerts else str(alert)

    def _follow(self, condition: _Condition, tick: Tick, *, readable: bool) -> None:
        """Whether the condition holds now, and for how long it is known to."""
        now, expected = tick.now, condition.expected
        condition.holds = expected.cause(now, condition.alert is not None, readable)
        if condition.known_at is not None and now - condition.known_at > max(expected.hold_for, 2 * self.tick):
            condition.held.end()
        for at, lasting, longest in (
            (condition.counted_at, condition.held, expected.hold_for),
            (condition.counted_at, condition.over, expected.keep_firing_for),
        ):
            if at is not None and now - at > max(longest, 2 * self.tick):
                lasting.shortest = _NONE
        if condition.holds is None:
            return
        steady = tick.counts and self._before is not None and condition.counted_at == self._before
        # While nobody judges, time passes for the alerter too, but nobody can say how much of it.
        step = self.tick if steady else _NONE
        so, not_so = (condition.held, condition.over) if condition.holds else (condition.over, condition.held)
        so.go_on(now, step)
        not_so.end()
        condition.known_at = now
        if tick.counts:
            condition.counted_at = now

    def _compare(self, condition: _Condition, shown: Shown | None, tick: Tick) -> None:
        """What the alerter shows, against what holds."""
        now, expected, held = tick.now, condition.expected, condition.held
        if condition.alert is not None and (shown is None or shown.alert != condition.alert):
            self._closed(condition, now)
        if shown is not None and shown.alert != condition.alert:
            self.opened += 1
            self.alerts[shown.alert] = _Alert(expected.name)
            condition.alert, condition.changed_at = shown.alert, now
            condition.opened = [*(at for at in condition.opened if now - at <= _FLAPPING_BEGINS), now]
            if not condition.holds or held.at_most(now) < expected.hold_for:
                self._note(Fault.CAUSELESS, f"{now}: {expected.name} opened; it holds since {held.since}")
        if condition.holds is None or not expected.must or not tick.counts:
            return
        if shown is None and held.shortest > expected.hold_for + 2 * self.tick:
            self._note(Fault.MISSED, f"{now}: {expected.name} holds since {held.since}")
        if shown is not None and condition.over.shortest > expected.keep_firing_for + 2 * self.tick:
            self._note(Fault.STUCK, f"{now}: {expected.name} is over since {condition.over.since}")

    def _closed(self, condition: _Condition, now: datetime) -> None:
        self.closed += 1
        alert, condition.alert, condition.changed_at = condition.alert, None, now
        self.alerts[alert].closed_at = now
        over, expected = condition.over, condition.expected
        if condition.holds is not False or over.at_most(now) < expected.keep_firing_for:
            self._note(Fault.ENDED_EARLY, f"{now}: {expected.name} ended; it is over since {over.since}")

    def _check(self, message: Written, tick: Tick) -> None:
        """A message that was just written."""
        self._written[message.id] = message
        for each, reason in message.reasons.items():
            alert = self.alerts.get(each)
            said = f"{tick.now}: {message.target} was told {reason} of {self._name(each)}"
            if alert is None or (alert.closed_at is not None) != (reason is Reason.RESOLVED):
                self._note(Fault.OF_NOTHING, said)
                continue
            if reason is not Reason.RESOLVED and alert.name in tick.silenced:
                self._note(Fault.IN_A_SILENCE, said)
            self._tell(alert, message.target, reason, tick.now, said)

    def _tell(self, alert: _Alert, target: str, reason: Reason, now: datetime, said: str) -> None:
        before = alert.told.get(target)
        if before is None and reason is not Reason.FIRST:
            self._note(Fault.NO_FIRING, said)
        elif before is not None and (reason is Reason.FIRST or before.over):
            self._note(Fault.TWICE, said)
        elif before is not None and reason is Reason.REPEAT and not before.silenced:
            expected = self.conditions[alert.name].expected
            if now - before.at < expected.repeat and expected.repeats:
                self._note(Fault.TOO_OFTEN, said)
        alert.told[target] = _Told(now, over=reason is Reason.RESOLVED)
        alert.owed_since.pop(target, None)

    def _withdraw(self, each: Hashable, target: str, now: datetime) -> None:
        """A first message that was taken back, and so needs no resolve."""
        alert = self.alerts[each]
        untried = [one for one in self._written.values() if one.target == target and each in one.reasons]
        if alert.closed_at is None or any(self._arrived[one.id] for one in untried):
            self._note(Fault.LOST, f"{now}: what {target} was to hear of {alert.name} was taken back")
        alert.told.pop(target, None)
        for one in untried:
            left = {member: reason for member, reason in one.reasons.items() if member != each}
            self._written[one.id] = Written(one.id, one.target, left)

    def _check_told(self, name: str, shown: Shown, tick: Tick) -> None:
        """Whether all targets of an open alert were told, or something withholds it that is there."""
        now, expected, alert = tick.now, self.conditions[name].expected, self.alerts[shown.alert]
        for target in expected.targets:
            told = alert.told.get(target)
            if told is not None:
                told.silenced |= name in tick.silenced
            if told is not None and (now - told.at < expected.repeat or not expected.repeats):
                continue
            by = shown.withheld.get(target)
            if by is not None:
                self.withheld += 1
                alert.owed_since.pop(target, None)
                if not self._justified(name, by, tick):
                    self._note(Fault.UNJUSTIFIED, f"{now}: {name} is withheld from {target} by {by}")
            elif tick.counts and now - alert.owed_since.setdefault(target, now) >= expected.waits:
                self._note(Fault.UNTOLD, f"{now}: {target} is not told of {name}")

    def _justified(self, name: str, by: str, tick: Tick) -> bool:
        condition = self.conditions[name]
        match by:
            case Withheld.SILENCED:
                return name in tick.silenced
            case Withheld.SETTLING:
                return name in tick.settling
            case Withheld.INHIBITED:
                others = (one for one in self.conditions.values() if one.expected.dead and one is not condition)
                same = (one for one in others if one.expected.agent in ("", condition.expected.agent))
                return any(one.alert is not None or one.changed_at == tick.now for one in same)
            case Withheld.FLAPPING:
                recent = condition.changed_at is not None and tick.now - condition.changed_at < _FLAPPING_LASTS
                return recent and len(condition.opened) >= _CHANGES_THAT_FLAP
            case _:
                return False
