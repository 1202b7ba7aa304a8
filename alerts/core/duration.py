"""Durations as people write them: `90s`, `5m`, `2h`, `1d`, or a number of seconds."""

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATTERN = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([smhd])", re.ASCII)
_LONGEST = 1e11  # seconds, about 3,000 years; timedelta itself ends at 86,399,999,999,999


def parse_duration(raw: object) -> timedelta:
    """The timedelta of `"90s"`, `"5m"`, `"2h"`, `"1d"` or of a number of seconds.

    Raises ValueError, with a message for people, for anything else; negative, NaN and endless ones too.
    """
    if isinstance(raw, str) and (match := _PATTERN.fullmatch(raw.strip())):
        seconds = float(match[1]) * _SECONDS[match[2]]
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        # Compared before it is converted: an integer may be too long for a float.
        seconds = float(raw) if 0 <= raw <= _LONGEST else -1.0
    else:
        raise ValueError('must be a duration such as "90s", "5m", "2h" or "1d", or a number of seconds')
    if not 0 <= seconds <= _LONGEST:
        raise ValueError("must be a duration of zero or more, and not endless")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """A duration of zero or more in its largest whole unit, exact to the microsecond: `5m`, `90s`, `1.5s`."""
    micros = duration // timedelta(microseconds=1)
    if micros % 1_000_000:
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}".rstrip("0") + "s"
    seconds = micros // 1_000_000
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"
