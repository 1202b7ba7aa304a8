"""Alerters with one fault each: the onlooker of the simulation names it. A sound one in the same world has none."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from alerts.core.condition import HeartbeatLeaf
from alerts.core.grouping import Telling
from alerts.core.muting import Muting, Scope
from alerts.core.policy import Withheld
from alerts.core.reading import Reading, Readings
from alerts.core.vocabulary import Reason
from tests.simulation.pure import Message, Simulation
from tests.simulation.seen import Fault
from tests.simulation.watches import TENANT, Watch
from tests.simulation.world import TICK, World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    """Two eventful days."""
    return make_world(21, timedelta(days=2), 1, often=8)


class SkipsAResolve(Simulation):
    """One who heard that it fires is not told that it ended."""

    skipped = False

    def tell(self, tellings: Sequence[Telling], now: datetime) -> Sequence[Telling]:
        """All but the first resolve."""
        kept = [one for one in tellings if self.skipped or one.notice.reason is not Reason.RESOLVED]
        self.skipped |= len(kept) < len(tellings)
        return kept


class DropsAPage(Simulation):
    """A page that is written gets lost on its way."""

    dropped = False

    def hand_over(self, message: Message, now: datetime) -> None:
        """All but the first page."""
        if self.dropped or Reason.FIRST not in message.written.reasons.values():
            super().hand_over(message, now)
        else:
            self.dropped = True


class WritesNoPage(Simulation):
    """Pages are due and are written a tick late."""

    skipped = False

    def tell(self, tellings: Sequence[Telling], now: datetime) -> Sequence[Telling]:
        """All but the first pages."""
        kept = [one for one in tellings if self.skipped or one.notice.reason is not Reason.FIRST]
        self.skipped |= len(kept) < len(tellings)
        return kept


class FiresWithoutCause(Simulation):
    """It takes a quick answer for a slow one."""

    def read(self, watch: Watch, now: datetime, *, readable: bool) -> Readings:
        """Every number is too large in one hour."""
        found = super().read(watch, now, readable=readable)
        known = found[watch.leaf]
        if known is None or watch.loaded.name != "slow" or now.hour != 7:
            return found
        return {watch.leaf: {labels: replace(reading, value=999.0) for labels, reading in known.items()}}


class FiresTooEarly(Simulation):
    """It does not wait for what a rule's `for` says."""

    def read(self, watch: Watch, now: datetime, *, readable: bool) -> Readings:
        """A heart that beat three ticks earlier than it did."""
        found = super().read(watch, now, readable=readable)
        known = found[watch.leaf]
        if known is None or not isinstance(watch.leaf, HeartbeatLeaf):
            return found
        early = {
            labels: replace(reading, last_at=reading.last_at and reading.last_at - 3 * TICK)
            for labels, reading in known.items()
        }
        return {watch.leaf: early}


class FiresTooLate(Simulation):
    """It looks at a rule only four ticks after it has to."""

    def is_due(self, watch: Watch, now: datetime) -> bool:
        """Nothing that does not fire is looked at in time."""
        due = watch.due_at is not None and watch.due_at + 4 * TICK <= now
        return due if watch.alert_id is None else super().is_due(watch, now)


class ResolvesOnAnError(Simulation):
    """It takes a read that failed for good news."""

    def read(self, watch: Watch, now: datetime, *, readable: bool) -> Readings:
        """What cannot be read is well."""
        if readable:
            return super().read(watch, now, readable=readable)
        return {watch.leaf: {(): Reading(0.0, 3, now)}}


class TellsTheEndAsARepeat(Simulation):
    """Of what is over it says that it goes on."""

    def tell(self, tellings: Sequence[Telling], now: datetime) -> Sequence[Telling]:
        """Every resolve is a repeat."""
        ends = [one for one in tellings if one.notice.reason is Reason.RESOLVED]
        rest = [one for one in tellings if one.notice.reason is not Reason.RESOLVED]
        return [*rest, *(replace(one, notice=replace(one.notice, reason=Reason.REPEAT)) for one in ends)]


class NeverResolves(Simulation):
    """What is over goes on firing."""

    def is_due(self, watch: Watch, now: datetime) -> bool:
        """Nothing that fires is looked at again."""
        return watch.alert_id is None and super().is_due(watch, now)


class SpeaksInSilences(Simulation):
    """It does not know of silences."""

    def mute(self, now: datetime, *, silenced: bool) -> Muting:
        """Nothing is silenced."""
        return super().mute(now, silenced=False)


class IsSilentWithoutReason(Simulation):
    """It goes on with a silence that is over."""

    def mute(self, now: datetime, *, silenced: bool) -> Muting:
        """Everything is silenced in the mornings."""
        scope = Scope(Withheld.SILENCED, "old", "", now + TICK)
        return Muting(now, scopes={TENANT: [scope]}) if now.hour < 12 else super().mute(now, silenced=silenced)


class SendsTwice(Simulation):
    """A channel gets the same message again."""

    def hand_over(self, message: Message, now: datetime) -> None:
        """Each is sent twice."""
        super().hand_over(message, now)
        super().hand_over(message, now)


class ForgetsWhomItTold(Simulation):
    """It does not remember that somebody was told."""

    def tell(self, tellings: Sequence[Telling], now: datetime) -> Sequence[Telling]:
        """What was told in the hour before counts no more."""
        if now.minute == 0:
            for episode in self.open.values():
                episode.told = ()
        return tellings


class ResolvesToAnyone(Simulation):
    """Whoever was never told that it fires hears that it ended."""

    owed: tuple[Telling, ...] = ()

    def tell(self, tellings: Sequence[Telling], now: datetime) -> Sequence[Telling]:
        """No first message is written, and all that follows is."""
        ends = [
            replace(one, notice=replace(one.notice, reason=Reason.RESOLVED))
            for one in tellings
            if one.notice.reason is Reason.FIRST
        ]
        owed = (*self.owed, *ends)
        self.owed = tuple(one for one in owed if self.open[one.notice.alert_id].open)
        return [one for one in owed if one not in self.owed]


class RepeatsTooOften(Simulation):
    """It takes what it told for older than it is."""

    def tell(self, tellings: Sequence[Telling], now: datetime) -> Sequence[Telling]:
        """At each tick it is three minutes older."""
        for episode in self.open.values():
            episode.told = tuple(replace(one, at=one.at - timedelta(minutes=3)) for one in episode.told)
        return tellings


FAULTY: list[tuple[type[Simulation], Fault]] = [
    (SkipsAResolve, Fault.LOST),
    (DropsAPage, Fault.LOST),
    (WritesNoPage, Fault.UNTOLD),
    (FiresWithoutCause, Fault.CAUSELESS),
    (FiresTooEarly, Fault.CAUSELESS),
    (FiresTooLate, Fault.MISSED),
    (ResolvesOnAnError, Fault.ENDED_EARLY),
    (TellsTheEndAsARepeat, Fault.OF_NOTHING),
    (NeverResolves, Fault.STUCK),
    (SpeaksInSilences, Fault.IN_A_SILENCE),
    (IsSilentWithoutReason, Fault.UNJUSTIFIED),
    (SendsTwice, Fault.TWICE),
    (ForgetsWhomItTold, Fault.TWICE),
    (ResolvesToAnyone, Fault.NO_FIRING),
    (RepeatsTooOften, Fault.TOO_OFTEN),
]


def test_every_fault_can_be_named() -> None:
    assert {fault for _, fault in FAULTY} == set(Fault)


@pytest.mark.parametrize(("faulty", "fault"), FAULTY)
def test_a_fault_is_named(world: World, faulty: type[Simulation], fault: Fault) -> None:
    assert fault in {kind for kind, _ in faulty(world, 1).run().faults}


def test_where_there_is_no_fault_none_is_named(world: World) -> None:
    done = Simulation(world, 1).run()
    assert done.faults == []
    assert done.fired > 5
