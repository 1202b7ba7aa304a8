"""What HTTP answers mean to a channel: which failures pass, and when to come back."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from alerts.core.wording import one_line
from monitor.errors import ChannelError
from monitor.http.outbound import refusal

TIMEOUT = 20.0
"""Seconds for one exchange with a mail server, Slack or a webhook."""

_PASSING = frozenset([408, 425, 429])


def failure(who: str, status: int, *, said: str, headers: Mapping[str, str], now: datetime) -> ChannelError:
    """The error for an answer that is not 2xx. 408, 425, 429 and 5xx pass; all others are permanent."""
    passing = status in _PASSING or status >= 500
    detail = f": {one_line(said, 200)}" if said.strip() else ""
    wait = retry_after(headers.get("Retry-After"), now=now) if passing else None
    return ChannelError(f"{who} answered {status}{detail}", permanent=not passing, retry_after=wait)


def unreachable(who: str, error: BaseException) -> ChannelError:
    """The error for an exchange that broke or timed out: it passes. One with a refused address is permanent."""
    if (refused := refusal(error)) is not None:
        return ChannelError(f"{who} is not called: {refused}", permanent=True)
    return ChannelError(f"{who} cannot be reached: {one_line(str(error), 200) or type(error).__name__}")


def retry_after(header: str | None, *, now: datetime) -> float | None:
    """Seconds to wait, from a `Retry-After` of seconds or of an HTTP date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds()) if at.tzinfo is not None else None
