"""`?window=24h`: a span that ends now."""

import re
from datetime import timedelta

from monitor.errors import InvalidInput

_WINDOW = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=400)


def window_of(text: str) -> timedelta:
    """A span such as `24h`. Raises InvalidInput."""
    match = _WINDOW.fullmatch(text)
    span = timedelta(seconds=int(match[1]) * _SECONDS[match[2]]) if match else timedelta(0)
    if not timedelta(0) < span <= _LONGEST:
        raise InvalidInput("a span such as 15m, 24h or 7d is expected, 400d at most", path="window")
    return span
