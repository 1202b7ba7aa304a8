"""Redis as a cache of what PostgreSQL knows. Optional, and never the truth.

Every failure means the same as nothing found: `ask` gives None, `tell` does nothing, and whoever called goes on with
PostgreSQL. The first failure turns Redis off, so that only the requests of that moment wait, for `PATIENCE` at most;
from then on a task of its own asks every `REST` whether it answers again.

::

    agent:{id}:status      online, offline or error           monitor.agents.mirror
    agent:{id}:metrics     hash of cpu, memory, …             monitor.agents.mirror
    tenant:{id}:agent:{agent}:status   an answer of the API   monitor.agents.mirror
    session:{id}           hash of who is signed in           monitor.identity.session_cache
    ratelimit:api:{key}    requests in this window            monitor.http.limits
    ratelimit:sign-in:{who}   attempts in this window         monitor.identity.attempts
    queue:scheduled_jobs   list of runs that are due          monitor.schedules.runner

Every key has a time to live.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from limits.aio.storage import RedisStorage
from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from monitor.errors import ConfigError, Unavailable

T = TypeVar("T")

# Seconds: how long anybody waits for Redis, and how long it is left alone after a failure.
PATIENCE = 0.2
REST = 1.0
CONNECTIONS = 16
# Answers that are on their way into the cache at one time; more are dropped.
TELLING = 64
_log = structlog.get_logger(__name__)

Question = Callable[["Redis"], Awaitable[T]]


class Live:
    """The only way to Redis. One for each process; without a URL it never finds anything."""

    def __init__(self, url: str | None = None, *, registry: CollectorRegistry | None = None) -> None:
        """`url` as `redis://`, `rediss://` or `unix://`; connects when first asked. Raises ConfigError."""
        self._redis: Redis | None = None
        self._off = False
        self._complained = 0.0
        self._probing: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._figures = _Figures(registry or CollectorRegistry())
        if url is not None:
            try:
                pool = BlockingConnectionPool.from_url(
                    url,
                    max_connections=CONNECTIONS,
                    timeout=PATIENCE,
                    socket_timeout=PATIENCE,
                    socket_connect_timeout=PATIENCE,
                    retry=Retry(NoBackoff(), 0),
                    # Without introductions: they take ten times as long as connecting does.
                    protocol=2,
                    driver_info=None,
                    # Should the address ask for texts, what others left under our keys may be none.
                    encoding_errors="replace",
                )
            except ValueError as fault:
                raise ConfigError(f"AGENT_MONITOR_REDIS_URL is wrong: {fault}") from None
            self._redis = Redis.from_pool(pool)

    @property
    def ready(self) -> bool:
        """Whether there is a Redis that answered last time."""
        return self._redis is not None and not self._off

    async def ask(self, question: Question[T]) -> T | None:
        """What Redis answers, or None when there is no answer, whatever the reason."""
        if self._redis is None or self._off:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await question(self._redis)
        except ResponseError as fault:
            # It answers, but not this: a value of another type under our key, no memory left.
            self._figures.errors.inc()
            self._complain(fault)
        except (RedisError, OSError) as fault:
            self._figures.errors.inc()
            self._turn_off(self._redis, fault)
        return None

    def tell(self, question: Question[object]) -> None:
        """Have Redis told something, without waiting for it and without knowing whether it was."""
        if self.ready and len(self._telling) < TELLING:
            task = asyncio.create_task(self._tell(question))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, question: Question[object]) -> None:
        await self.ask(question)

    def found(self, kind: str, *, hit: bool) -> None:
        """Count one look into the cache."""
        if self._redis is not None:
            (self._figures.hits if hit else self._figures.misses).labels(kind).inc()

    def counters(self, prefix: str) -> RedisStorage | None:
        """Where something is counted for all collectors; its calls are to be made within `ask`."""
        if self._redis is None:
            return None
        # The address serves to choose the kind of server: the connections are our own.
        return RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=prefix,
            connection_pool=self._redis.connection_pool,  # type: ignore[arg-type]
        )

    async def replace_list(self, key: str, values: Sequence[str], *, seconds: float) -> None:
        """Make this list hold these values and nothing else, for so long."""

        async def replace(redis: Redis) -> None:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                if values:
                    pipe.rpush(key, *values)
                    pipe.pexpire(key, round(seconds * 1000))
                await pipe.execute()

        await self.ask(replace)

    async def version(self) -> str:
        """The server's version. Raises Unavailable when it does not answer, or nobody named one."""
        if self._redis is None:
            raise Unavailable("there is no Redis")
        try:
            async with asyncio.timeout(PATIENCE * 10):
                return str((await self._redis.info("server"))["redis_version"])
        except (RedisError, OSError) as fault:
            raise Unavailable(f"Redis does not answer: {str(fault) or type(fault).__name__}") from fault

    async def close(self) -> None:
        """Close every connection, for good. What was being told is left."""
        self._off = True
        tasks = [*self._telling, *([self._probing] if self._probing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._redis is not None:
            await self._redis.aclose(close_connection_pool=True)

    def _complain(self, fault: Exception) -> None:
        """Say it once a second: a key of the wrong type is met by every request."""
        now = asyncio.get_running_loop().time()
        if now - self._complained > REST:
            self._complained = now
            _log.warning("Redis refuses a command", error=str(fault))

    def _turn_off(self, redis: Redis, fault: Exception) -> None:
        if self._off:
            return
        self._off = True
        self._figures.off.set(1)
        _log.warning("Redis does not answer: going on without it", error=f"{type(fault).__name__}: {fault}")
        self._probing = asyncio.create_task(self._probe(redis))

    async def _probe(self, redis: Redis) -> None:
        """Turn Redis on again when it answers."""
        while True:
            await asyncio.sleep(REST)
            try:
                async with asyncio.timeout(PATIENCE):
                    await redis.ping()
            except (RedisError, OSError):
                continue
            self._off = False
            self._figures.off.set(0)
            _log.warning("Redis answers again")
            return


class _Figures:
    def __init__(self, registry: CollectorRegistry) -> None:
        kind = ["kind"]
        self.hits = Counter("agent_monitor_redis_hits", "Found in Redis", kind, registry=registry)
        self.misses = Counter("agent_monitor_redis_misses", "Looked for in Redis in vain", kind, registry=registry)
        self.errors = Counter("agent_monitor_redis_errors", "Questions that Redis failed", registry=registry)
        self.off = Gauge("agent_monitor_redis_off", "1 while Redis is left alone after a failure", registry=registry)
