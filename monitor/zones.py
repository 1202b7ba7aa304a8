"""Time zones by name, and the times that clocks on walls stand for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from monitor.errors import InvalidInput

_LONGEST = 64


def zone_of(name: str, *, path: str) -> ZoneInfo:
    """The zone with an IANA name such as Europe/Berlin. Raises InvalidInput with `path`."""
    try:
        if not 0 < len(name) <= _LONGEST or not name.isascii():
            raise ValueError
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput("an IANA time zone such as Europe/Berlin is expected", path=path) from None


def instants(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A wall time, without a zone, by the offset before a change of the clocks and by the one after it; in UTC.

    The same twice on any usual day. The first is the later one where the clocks skip that time: it is as much later
    as they were put forward. The second is the later one where it comes twice.
    """
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return before, after
