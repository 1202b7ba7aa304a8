"""Why notify now? One target of one alert at a time, from the facts that are stored."""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec

from alerts.core.vocabulary import Reason, Severity

ACK_LASTS = timedelta(hours=24)
"""How long an acknowledgement holds unless said otherwise."""

STALE_REPEATS_LAST = timedelta(hours=24)
"""How long an alert whose data stopped goes on repeating."""

_URGENCY = {severity: rank for rank, severity in enumerate(Severity)}
_Target = TypeVar("_Target", bound=Hashable)


class Withheld(StrEnum):
    """What keeps a notification back that would otherwise be sent now."""

    SILENCED = "silence"
    SNOOZED = "snooze"
    MAINTENANCE = "maintenance"
    INHIBITED = "inhibited"
    FLAPPING = "flapping"
    ACKNOWLEDGED = "acknowledged"
    STALE = "stale"
    SETTLING = "settling"
    GROUP = "group"
    DIGEST = "digest"
    BUDGET = "budget"
    QUIET_HOURS = "quiet hours"


def urgency(severity: Severity) -> int:
    """Rank of a severity; a larger one is worse."""
    return _URGENCY[severity]


class Heard(msgspec.Struct, frozen=True):
    """The last notification of this episode that this target got, and why it was sent."""

    at: datetime
    reason: Reason


class Acknowledgement(msgspec.Struct, frozen=True):
    """Somebody has it: no repeats and no escalation before `until`, while it is not worse than `severity`."""

    until: datetime
    severity: Severity

    def holds(self, now: datetime, severity: Severity) -> bool:
        """Whether it still counts for an alert of this severity."""
        return now < self.until and urgency(severity) <= urgency(self.severity)


class Reach(msgspec.Struct, frozen=True):
    """How an alert reaches a target: as one of the rule's own (`base`), by an escalation step, or both.

    `escalated_at` is when the latest passed step that names the target came due.
    """

    base: bool
    escalated_at: datetime | None = None


class Decision(msgspec.Struct, frozen=True):
    """Send for `reason`, or send nothing because of `withheld_by`; both None: there is nothing to say.

    `withheld` is the reason for which a withheld notification would have been sent.
    """

    reason: Reason | None = None
    withheld_by: Withheld | None = None
    withheld: Reason | None = None


def recipients(
    base: Iterable[_Target],
    steps: Iterable[tuple[timedelta, Sequence[_Target]]],
    *,
    opened_at: datetime,
    now: datetime,
) -> dict[_Target, Reach]:
    """Whom an open alert addresses now: the rule's own targets, and those of each escalation step passed."""
    reached = {target: Reach(base=True) for target in base}
    for after, targets in sorted(steps, key=lambda step: step[0]):
        due = opened_at + after
        if now < due:
            break
        for target in targets:
            reached[target] = Reach(base=target in reached and reached[target].base, escalated_at=due)
    return reached


def decide(
    *,
    now: datetime,
    firing: bool,
    severity: Severity,
    repeat: timedelta,
    heard: Heard | None = None,
    reach: Reach = Reach(base=True),
    acknowledged: Acknowledgement | None = None,
    muted_by: Withheld | None = None,
    unmuted_at: datetime | None = None,
    stale_since: datetime | None = None,
    settling: bool = False,
    on_call: bool = False,
    quiet: bool = False,
) -> Decision:
    """Why this target is notified of this episode now, or what withholds it.

    `firing`: the episode is open. `heard`: the last notification of *this episode* that was written for the
    target, None for none. `muted_by`: what withholds the alert's messages now (core/muting.py).
    `unmuted_at`: when the last mute that people asked for ended: whoever heard before it hears once more after it.
    `stale_since`: since when the alert's data has been missing (`AlertState.stale_since`). `settling`: it opened just
    after an outage, and may be but a trace of that: its first message waits.
    `on_call`: the target is reached as whoever is on call, and only so: what somebody has acknowledged is not theirs.
    `quiet`: it is a person's who has quiet hours now, in which only what is critical is told.

    Only who heard that it fires hears its resolve, mute or not: nothing is left to send when the mute ends after that.
    """
    if not firing:
        told = heard is not None and heard.reason is not Reason.RESOLVED
        return Decision(reason=Reason.RESOLVED if told else None)
    reason = _due(now=now, repeat=repeat, heard=heard, reach=reach, unmuted_at=unmuted_at)
    if reason is None:
        return Decision()
    withheld_by = muted_by or (Withheld.SETTLING if settling and reason is Reason.FIRST else None)
    if withheld_by is None and (reason is not Reason.FIRST or on_call):
        if acknowledged is not None and acknowledged.holds(now, severity):
            withheld_by = Withheld.ACKNOWLEDGED
        elif reason is Reason.REPEAT and stale_since is not None and now - stale_since >= STALE_REPEATS_LAST:
            withheld_by = Withheld.STALE
    if withheld_by is None and quiet and severity is not Severity.CRITICAL:
        withheld_by = Withheld.QUIET_HOURS
    if withheld_by is not None:
        return Decision(withheld_by=withheld_by, withheld=reason)
    return Decision(reason=reason)


def _due(
    *, now: datetime, repeat: timedelta, heard: Heard | None, reach: Reach, unmuted_at: datetime | None
) -> Reason | None:
    if heard is None and reach.base:
        return Reason.FIRST
    if reach.escalated_at is not None and (heard is None or heard.at < reach.escalated_at):
        return Reason.ESCALATED
    if heard is None:
        return None
    unmuted = unmuted_at is not None and heard.at < unmuted_at <= now
    return Reason.REPEAT if unmuted or now - heard.at >= repeat else None
