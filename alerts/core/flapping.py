"""Alerts that open and close again and again: said once, then nothing until it is calm. Pure, kept in the state."""

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from alerts.core.vocabulary import Event

FIRINGS = 4
"""So many firings `WITHIN` this time are flapping. Times and not evaluations are counted, as Nagios and Kapacitor
count them: rules are judged when there is news, not so many times an hour."""
WITHIN = timedelta(hours=1)

CALM = timedelta(minutes=15)
"""It is calm when nothing has changed for so long, firing or not."""

SAID_AGAIN = timedelta(hours=4)
"""Flapping that goes on is said once more by the first firing after this time."""


class Flaps(msgspec.Struct, frozen=True):
    """What is remembered of an alert's latest changes.

    - `fired`: its latest firings, FIRINGS at most.
    - `changed_at`: when it last fired or resolved.
    - `since`: since when it flaps; None: it does not.
    - `said_at`: the firing that says, or last said, that it flaps.
    """

    fired: tuple[datetime, ...] = ()
    changed_at: datetime | None = None
    since: datetime | None = None
    said_at: datetime | None = None

    def hold(self, now: datetime) -> bool:
        """Whether it flaps and is not calm yet."""
        return self.since is not None and self.changed_at is not None and now - self.changed_at < CALM

    @property
    def speak(self) -> bool:
        """Whether its latest firing is one that says that it flaps."""
        return self.said_at is not None and self.said_at == self.fired[-1]

    def recent(self, now: datetime) -> bool:
        """Whether a firing that counts lies behind."""
        return bool(self.fired) and now - self.fired[-1] <= WITHIN


STEADY = Flaps()
"""What has never changed."""


def flap(flaps: Flaps, event: Event | None, at: datetime) -> Flaps:
    """What is remembered after a step at `at` that announced `event`."""
    if event is None:
        return flaps
    if flaps.since is not None and not flaps.hold(at):
        flaps = STEADY
    if event is Event.RESOLVED:
        return replace(flaps, changed_at=at)
    fired = (*flaps.fired, at)[-FIRINGS:]
    often = len(fired) == FIRINGS and at - fired[0] <= WITHIN
    since = flaps.since or (at if often else None)
    said_at = flaps.said_at
    if since is not None and (said_at is None or at - said_at >= SAID_AGAIN):
        said_at = at
    return Flaps(fired, at, since, said_at)
