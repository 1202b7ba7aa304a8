"""Requests per key and time, counted in memory."""

from datetime import datetime
from uuid import UUID

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from monitor.errors import ConfigError, RateLimited

# The limiter is asked about this share of a window's requests at one time: each question costs as much as decoding
# a log does. Below a thousand requests a window it is asked about every single one.
_PORTION = 1000


class RateGate:
    """Lets a key through so many times in each window."""

    def __init__(self, rate: str) -> None:
        """`rate` as in `1000/minute`. Raises ConfigError for one that cannot be read."""
        try:
            self._rate: RateLimitItem = parse(rate)
        except ValueError:
            raise ConfigError(f"AGENT_MONITOR_RATE_LIMIT is wrong: {rate!r} is no <count>/<unit>") from None
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._portion = max(1, self._rate.amount // _PORTION)
        self._passes: dict[UUID | None, int] = {}

    async def enter(self, who: UUID | None, *, now: datetime) -> None:
        """Count one request; raises RateLimited, with the seconds to wait, when there were too many."""
        left = self._passes.get(who, 0)
        if left:
            self._passes[who] = left - 1
            return
        if await self._limiter.hit(self._rate, str(who), cost=self._portion):
            self._passes[who] = self._portion - 1
            return
        window = await self._limiter.get_window_stats(self._rate, str(who))
        wait = min(max(1.0, window.reset_time - now.timestamp()), self._rate.get_expiry())
        raise RateLimited(f"more than {self._rate}", retry_after=wait)
