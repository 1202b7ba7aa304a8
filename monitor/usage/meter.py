"""Whether a request may still send something: counted in memory, in portions that are taken from PostgreSQL.

A tenant without a limit is counted, and what was counted is written once a second. One with a limit gets a portion of
the day's rest before it is used, so that all collectors together never let more through than the limit. What a
process holds and nobody uses is given back within two seconds; what a killed one held (see `quota.portion`: about two
seconds of its requests, and a small part of the rest) is lost until the day ends, and what a killed one had counted in
the last second of a tenant without a limit was never counted.

Tokens are known after the call alone: the request that crosses the limit is kept and the next one is refused. What
this process was told is held against what the ledger said last; before anybody is refused, the ledger is asked.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import MonitorError
from monitor.usage import quotas
from monitor.usage.ledger import Posted
from monitor.usage.purse import Purse
from monitor.usage.quota import Standing, State, period, portion, refusal
from monitor.usage.quota_tables import Resource

EVERY = 1.0
"""Seconds between two settlements."""
REFUSED = 1.0
"""Seconds for which a refusal is repeated without asking again."""
FORGET = 60
"""Settlements after which a tenant that sends nothing is forgotten."""
_NOBODY: Mapping[Resource, quotas.Limit] = {}
_log = structlog.get_logger(__name__)


class Meter:
    """Counts the requests of every tenant. One for each process, started and closed by `Ingest`."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Asks nothing yet."""
        self._db = db
        self._clock = clock
        self._purses: dict[UUID, Purse] = {}
        self._ended: list[tuple[UUID, Purse]] = []
        self._asking: dict[UUID, asyncio.Task[None]] = {}
        self._settling: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Settle from now on, once a second."""
        self._settling = asyncio.create_task(self._settle_for_ever(), name="quotas")

    async def close(self) -> None:
        """Write what was counted, give back what is held, and stop."""
        self._stopped.set()
        if self._settling is not None:
            await asyncio.wait({self._settling})
        if self._asking:
            await asyncio.wait(set(self._asking.values()))
        for tenant_id, purse in self._purses.items():
            self._ended.append((tenant_id, purse))
        self._purses = {}
        with contextlib.suppress(MonitorError):
            await self._write()

    async def enter(self, tenant_id: UUID, now: datetime) -> None:
        """Count a request that sends something. Raises QuotaExceeded when the tenant's requests or tokens are used up,
        and DatabaseDown when it cannot be known whether they are."""
        purse = self._purses.get(tenant_id)
        if purse is None or not purse.let_through(now):
            await self._wait(tenant_id, now)
        elif purse.low and tenant_id not in self._asking:
            self._ask_for(tenant_id, now)

    def spent(self, tenant_id: UUID, posted: Posted) -> None:
        """Note what calls used: the ledger is asked again before somebody is refused for it."""
        purse = self._purses.get(tenant_id)
        if purse is not None:
            purse.told += sum(one.call.tokens.input + one.call.tokens.output for one in posted.calls)

    async def _wait(self, tenant_id: UUID, now: datetime) -> None:
        purse = self._purse(tenant_id, now)
        if purse.refusal is not None and time.monotonic() - purse.refused_at < REFUSED:
            raise purse.refusal
        # Others may have had what was taken: then it is asked for again.
        while not purse.let_through(now):
            purse.waiting += 1
            try:
                await asyncio.shield(self._asking.get(tenant_id) or self._ask_for(tenant_id, now))
            finally:
                purse.waiting -= 1
            if purse.refusal is not None:
                raise purse.refusal
            purse = self._purse(tenant_id, now)

    def _purse(self, tenant_id: UUID, now: datetime) -> Purse:
        purse = self._purses.get(tenant_id)
        if purse is None or now >= purse.ends:
            if purse is not None:
                self._ended.append((tenant_id, purse))
            day = period(Resource.REQUESTS, now)[0] or now
            purse = self._purses[tenant_id] = Purse(day=day, ends=day + timedelta(days=1))
        return purse

    def _ask_for(self, tenant_id: UUID, now: datetime) -> asyncio.Task[None]:
        """One question for all requests of a tenant that wait."""

        def done(task: asyncio.Task[None]) -> None:
            self._asking.pop(tenant_id, None)
            fault = None if task.cancelled() else task.exception()
            if fault is not None:
                # Whoever waits is told; where nobody does, the next request asks again.
                _log.debug("a portion could not be taken", tenant=str(tenant_id), error=str(fault))

        task = self._asking[tenant_id] = asyncio.create_task(self._ask(tenant_id, self._purse(tenant_id, now), now))
        task.add_done_callback(done)
        return task

    async def _ask(self, tenant_id: UUID, purse: Purse, now: datetime) -> None:
        """Read what limits the tenant and what it used, and take a portion of the rest."""
        granted, over = 0, None
        async with self._db.tenant(tenant_id) as connection:
            purse.limited(await quotas.limits_of(connection, tenant_id))
            if purse.token_limit is not None:
                over = await self._tokens_over(connection, tenant_id, purse, now)
            if over is None and purse.limit is not None:
                wanted = portion(max(0, purse.limit - purse.used), waiting=purse.waiting, rate=purse.rate)
                granted, purse.used = await quotas.take(
                    connection, tenant_id, purse.day, wanted=wanted, limit=purse.limit
                )
        # Only what is committed may be used.
        purse.held += granted
        if over is None and purse.limit is not None and not purse.held:
            over = Standing(resource=Resource.REQUESTS, limit=purse.limit, used=purse.used, resets_at=purse.ends)
        purse.read_at = time.monotonic()
        purse.refusal = None if over is None else refusal(over, now)
        purse.refused_at = purse.read_at

    async def _tokens_over(
        self, connection: AsyncConnection, tenant_id: UUID, purse: Purse, now: datetime
    ) -> Standing | None:
        """How the month's tokens stand, where they are used up."""
        start, end = period(Resource.TOKENS, now)
        told = purse.told
        purse.tokens = (await quotas.tokens_of(connection, [tenant_id], start or now)).get(tenant_id, 0)
        purse.told -= told
        standing = Standing(resource=Resource.TOKENS, limit=purse.token_limit, used=purse.tokens, resets_at=end)
        return standing if standing.state is State.EXHAUSTED else None

    async def _settle_for_ever(self) -> None:
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout(EVERY):
                    await self._stopped.wait()
            except TimeoutError:
                await self._settle_now()

    async def _settle_now(self) -> None:
        try:
            await self.settle()
        except MonitorError as fault:
            _log.warning("requests are not counted yet", error=fault.message)

    async def settle(self) -> None:
        """Write what was counted, give back what nobody uses, and read again what limits those who send."""
        now, elapsed = self._clock(), time.monotonic()
        for tenant_id, purse in list(self._purses.items()):
            purse.quiet = 0 if purse.passed or purse.waiting else purse.quiet + 1
            purse.rate, purse.passed = purse.passed, 0
            if now >= purse.ends or purse.quiet > FORGET:
                self._ended.append((tenant_id, self._purses.pop(tenant_id)))
        await self._write()
        stale = [
            (tenant_id, purse)
            for tenant_id, purse in self._purses.items()
            if not purse.quiet and elapsed - purse.read_at > purse.fresh
        ]
        if stale:
            await self._read_again(dict(stale), now)

    async def _write(self) -> None:
        """Count what is owed and give back what nobody uses; what cannot be written stays for the next time."""
        live = list(self._purses.items())
        owed = [(tenant_id, purse, purse.owed) for tenant_id, purse in [*self._ended, *live] if purse.owed]
        idle = [(tenant_id, purse, purse.held) for tenant_id, purse in self._ended if purse.held]
        idle += [(tenant_id, purse, purse.spare) for tenant_id, purse in live if purse.spare]
        for _, purse, number in idle:
            purse.held -= number
        try:
            if owed or idle:
                async with self._db.alerter() as connection:
                    if owed:
                        await quotas.count(connection, _summed(owed))
                    if idle:
                        await quotas.give_back(connection, _summed(idle))
        except MonitorError:
            for _, purse, number in idle:
                purse.held += number
            raise
        for _, purse, number in owed:
            purse.owed -= number
        self._ended = [(tenant_id, purse) for tenant_id, purse in self._ended if purse.owed or purse.held]

    async def _read_again(self, purses: Mapping[UUID, Purse], now: datetime) -> None:
        """What limits these tenants now, and what all processes used of their tokens."""
        start, _ = period(Resource.TOKENS, now)
        told = {tenant_id: purse.told for tenant_id, purse in purses.items()}
        async with self._db.alerter() as connection:
            limits = await quotas.limits_of_many(connection, list(purses))
            counted = [one for one, known in limits.items() if known[Resource.TOKENS].binding is not None]
            tokens = await quotas.tokens_of(connection, counted, start or now) if counted else {}
        for tenant_id, purse in purses.items():
            purse.limited(limits.get(tenant_id, _NOBODY))
            purse.tokens, purse.read_at = tokens.get(tenant_id, 0), time.monotonic()
            purse.told -= told[tenant_id]


def _summed(rows: list[tuple[UUID, Purse, int]]) -> list[quotas.Counted]:
    """One row for each tenant and day: one statement cannot change a row twice."""
    sums: dict[tuple[UUID, datetime], int] = {}
    for tenant_id, purse, number in rows:
        sums[tenant_id, purse.day] = sums.get((tenant_id, purse.day), 0) + number
    return [(tenant_id, day, number) for (tenant_id, day), number in sums.items()]
