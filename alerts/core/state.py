"""The state machine of one rule x agent x label set: what one evaluation changes, and what it announces."""

from datetime import datetime, timedelta
from functools import partial

import msgspec
from msgspec.structs import replace

from alerts.core.flapping import STEADY, Flaps, flap
from alerts.core.reading import Evaluation
from alerts.core.rule import Timing
from alerts.core.vocabulary import Event, Phase, Verdict

_NONE = timedelta(0)


class AlertState(msgspec.Struct, frozen=True):
    """Where one rule x agent x label set stands; everything `step` has to remember.

    - `since`: when the phase began; None for one that was never left.
    - `at`: the newest evaluation stepped; an evaluation that is not newer changes nothing.
    - `known_at`: the newest one that was not UNKNOWN.
    - `held`: PENDING: how long it has been known to be breached; RECOVERING: how long known to be OK.
    - `latched_until`: it was resolved by hand and opens again at this time at the earliest, or after one OK.
    - `reopened`: it was resolved by hand, and is open again because it stayed breached; messages say so.
    - `flaps`: its latest changes, by which it is known to open and close again and again.
    """

    phase: Phase = Phase.INACTIVE
    since: datetime | None = None
    at: datetime | None = None
    known_at: datetime | None = None
    held: timedelta = _NONE
    latched_until: datetime | None = None
    reopened: bool = False
    flaps: Flaps = STEADY

    @property
    def firing(self) -> bool:
        """Whether an episode is open: FIRING or RECOVERING."""
        return self.phase in (Phase.FIRING, Phase.RECOVERING)

    @property
    def stale_since(self) -> datetime | None:
        """Since when nothing is known about an open episode; None while its evaluations are not UNKNOWN."""
        return self.known_at if self.firing and self.known_at != self.at else None


def step(state: AlertState, evaluation: Evaluation, timing: Timing) -> tuple[AlertState, Event | None]:
    """The state after an evaluation, and the event to announce, if any.

    UNKNOWN changes no phase, and its time counts neither towards `for` nor towards `keep_firing_for`; a gap
    longer than these starts their count anew. An evaluation that is not newer than the last one is ignored.
    """
    stepped, event = _step(state, evaluation, timing)
    if not timing.flapping:
        return (stepped if stepped.flaps == STEADY else replace(stepped, flaps=STEADY)), event
    return (stepped if event is None else replace(stepped, flaps=flap(state.flaps, event, evaluation.at))), event


def _step(state: AlertState, evaluation: Evaluation, timing: Timing) -> tuple[AlertState, Event | None]:
    at = evaluation.at
    if state.at is not None and at <= state.at:
        return state, None
    if evaluation.verdict is Verdict.UNKNOWN:
        return replace(state, at=at), None
    seen = partial(replace, state, at=at, known_at=at)
    enter = partial(seen, since=at, held=_NONE)
    match state.phase, evaluation.verdict:
        case Phase.INACTIVE, Verdict.BREACHED:
            if state.latched_until is not None and at < state.latched_until:
                return seen(), None
            phase, event = (Phase.FIRING, Event.FIRED) if timing.hold_for <= _NONE else (Phase.PENDING, None)
            return enter(phase=phase, latched_until=None, reopened=state.latched_until is not None), event
        case Phase.INACTIVE, _:
            return seen(latched_until=None), None
        case Phase.PENDING, Verdict.BREACHED:
            held = _held(state, at, timing.gap_while_pending)
            if held is None and timing.hold_for > _NONE:
                return enter(phase=Phase.PENDING), None
            if held is None or held >= timing.hold_for:
                return enter(phase=Phase.FIRING), Event.FIRED
            return seen(held=held), None
        case Phase.PENDING, _:
            return enter(phase=Phase.INACTIVE, reopened=False), None
        case Phase.RECOVERING, Verdict.BREACHED:
            return enter(phase=Phase.FIRING), None
        case Phase.FIRING, Verdict.BREACHED:
            return seen(), None
        case Phase.FIRING, _ if timing.keep_firing_for > _NONE:
            return enter(phase=Phase.RECOVERING), None
        case Phase.FIRING, _:
            return enter(phase=Phase.INACTIVE, reopened=False), Event.RESOLVED
        case _:  # RECOVERING and OK
            held = _held(state, at, timing.gap_while_recovering)
            if held is None and timing.keep_firing_for > _NONE:
                return enter(phase=Phase.RECOVERING), None
            if held is None or held >= timing.keep_firing_for:
                return enter(phase=Phase.INACTIVE, reopened=False), Event.RESOLVED
            return seen(held=held), None


def resolve_by_hand(state: AlertState, at: datetime, *, repeat: timedelta) -> tuple[AlertState, Event | None]:
    """Close an open episode and latch it: it opens again after one OK evaluation, or after `repeat`."""
    if not state.firing:
        return state, None
    return replace(_closed(state, at), latched_until=at + repeat), Event.RESOLVED


def close(state: AlertState, at: datetime) -> tuple[AlertState, Event | None]:
    """End whatever goes on, because the rule or the agent it is about has changed or is gone; no latch."""
    return _closed(state, at), Event.RESOLVED if state.firing else None


def _closed(state: AlertState, at: datetime) -> AlertState:
    newest = at if state.at is None else max(at, state.at)
    return AlertState(phase=Phase.INACTIVE, since=at, at=newest, known_at=state.known_at)


def _held(state: AlertState, at: datetime, longest_gap: timedelta) -> timedelta | None:
    """The time known to be held up to `at`, or None after a gap that starts the count anew."""
    if state.known_at is None or at - state.known_at > longest_gap:
        return None
    return state.held + (at - state.known_at if state.known_at == state.at else _NONE)
