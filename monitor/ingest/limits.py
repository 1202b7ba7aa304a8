"""Requests per key and time, counted in memory."""

from datetime import datetime

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from monitor.errors import ConfigError, RateLimited


class RateGate:
    """Lets a key through so many times in each window."""

    def __init__(self, rate: str) -> None:
        """`rate` as in `1000/minute`. Raises ConfigError for one that cannot be read."""
        try:
            self._rate: RateLimitItem = parse(rate)
        except ValueError:
            raise ConfigError(f"AGENT_MONITOR_RATE_LIMIT is wrong: {rate!r} is no <count>/<unit>") from None
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def enter(self, who: str, *, now: datetime) -> None:
        """Count one request; raises RateLimited, with the seconds to wait, when there were too many."""
        if await self._limiter.hit(self._rate, who):
            return
        window = await self._limiter.get_window_stats(self._rate, who)
        wait = min(max(1.0, window.reset_time - now.timestamp()), self._rate.get_expiry())
        raise RateLimited(f"more than {self._rate}", retry_after=wait)
