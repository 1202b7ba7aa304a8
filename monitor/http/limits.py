"""How often somebody may do something: counted in Redis for all collectors together, in memory where Redis does not
answer.
"""

from collections.abc import Hashable
from datetime import datetime

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from redis.asyncio import Redis

from monitor.errors import ConfigError, RateLimited
from monitor.live import Live

RATE_PREFIX = "ratelimit:api"

# The counters are asked about this share of a window's requests at one time: each question costs as much as decoding
# a log does. Below a thousand requests a window they are asked about every single one.
_PORTION = 1000


class RateGate:
    """Lets each of them through so many times in each window, which begins with the first time."""

    def __init__(self, rate: str, live: Live, *, prefix: str = RATE_PREFIX) -> None:
        """`rate` as in `1000/minute` or `10/15 minutes`; `prefix`: where in Redis. Raises ConfigError for no rate."""
        try:
            self._rate: RateLimitItem = parse(rate)
        except ValueError:
            raise ConfigError(f"AGENT_MONITOR_RATE_LIMIT is wrong: {rate!r} is no <count>/<unit>") from None
        self._live = live
        self._own = MemoryStorage()
        self._prefix = prefix
        self._shared = live.counters(prefix)
        self._portion = max(1, self._rate.amount // _PORTION)
        self._passes: dict[Hashable, int] = {}

    async def enter(self, who: Hashable, *, now: datetime) -> None:
        """Count one request; raises RateLimited, with the seconds to wait, when there were too many."""
        if left := self._passes.get(who, 0):
            self._passes[who] = left - 1
            return
        key, span = str(who), self._rate.get_expiry()
        # In memory always: then this process' own count is there at the moment Redis is not.
        count = await self._own.incr(key, span, amount=self._portion)
        shared = None if self._shared is None else await self._count_shared(self._shared, key)
        if (count if shared is None else shared) <= self._rate.amount:
            if self._portion > 1:
                self._passes[who] = self._portion - 1
            return
        wait = None if shared is None else await self._rest_of_window(key)
        if wait is None:
            wait = await self._own.get_expiry(key) - now.timestamp()
        raise RateLimited(f"more than {self._rate}", retry_after=min(max(1.0, wait), span))

    async def _count_shared(self, shared: Storage, key: str) -> int | None:
        count = await self._live.ask(lambda _: shared.incr(key, self._rate.get_expiry(), amount=self._portion))
        if count is None and self._live.ready:
            # It answers, but cannot count here: something else lies under our key.
            self._live.tell(lambda redis: redis.delete(f"{self._prefix}:{key}"))
        return count

    async def _rest_of_window(self, key: str) -> float | None:
        """Seconds until the shared window ends. A counter without an end, which is not ours, gets one."""
        name = f"{self._prefix}:{key}"

        async def left(redis: Redis) -> float:
            seconds = float(await redis.ttl(name))
            if seconds < 0:
                await redis.expire(name, self._rate.get_expiry())
            return seconds

        return await self._live.ask(left)
