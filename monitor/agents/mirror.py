"""Agents' live state in Redis, as PostgreSQL had it a moment ago.

::

    agent:{id}:status                  online, offline or error
    agent:{id}:metrics                 hash: what heartbeats measured, and last_execution_time in milliseconds
    tenant:{id}:agent:{agent}:status   an answer of the API, by the name it was asked for

All three are written from one read of PostgreSQL and gone `LIFE` after it, by the clock of Redis: a command that a
hanging server carries out later comes too late to be believed. What silence alone changes ends at that moment.
Keys that callers can name carry the tenant; the others have an id of ours in them and are read by no route.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.typing import EncodableT, FieldT

from monitor.agents.presence import LiveRow, list_live
from monitor.agents.status import assess, presence_of
from monitor.agents.store import AgentRow
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import DatabaseDown
from monitor.live import Live

# Seconds: how old anything here can be, and the least rest between two rounds of writing.
LIFE = 8.0
EVERY = 1.0
# Agents in one read and one write, and so many times as long as it took is rested after it: what comes in needs this
# process more than the cache does.
TOGETHER = 50
RESTED = 4
# Agents that wait to be written at most; news of others is dropped.
WAITING = 50_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    read_at: datetime
    row: LiveRow


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Reading:
    """Some agents of a tenant as PostgreSQL had them. `began`: the loop's time before it was asked."""

    tenant_id: UUID
    rows: Sequence[LiveRow]
    now: datetime
    began: float


def _answer_key(tenant_id: UUID, agent: str) -> str:
    return f"tenant:{tenant_id}:agent:{agent}:status"


def _keys(tenant_id: UUID, agent_id: UUID, name: str | None) -> list[str]:
    """Everything about one agent. `name`: its external id."""
    keys = [f"agent:{agent_id}:status", f"agent:{agent_id}:metrics", _answer_key(tenant_id, str(agent_id))]
    return keys if name is None else [*keys, _answer_key(tenant_id, name)]


async def find(live: Live, tenant_id: UUID, agent: str, *, now: datetime) -> LiveRow | None:
    """What was answered when somebody of this tenant asked for this agent by this name, if it is fresh."""
    if not live.ready:
        return None
    text = await live.ask(lambda redis: redis.get(_answer_key(tenant_id, agent)))
    row = None if text is None else _fresh(text, now)
    live.found("status", hit=row is not None)
    return row


def _fresh(text: bytes | str, now: datetime) -> LiveRow | None:
    try:
        answer = _ANSWER.decode(text)
    except msgspec.MsgspecError:
        return None
    return answer.row if 0 <= (now - answer.read_at).total_seconds() <= LIFE else None


def keep(live: Live, agent: str, reading: Reading) -> None:
    """Have the answer to a question for one agent remembered, and its live state with it."""

    async def tell(redis: Redis) -> None:
        await _write(redis, reading, asked=agent)

    live.tell(tell)


def forget(live: Live, tenant_id: UUID, row: AgentRow) -> None:
    """An agent was changed or deleted by somebody."""
    live.tell(lambda redis: redis.delete(*_keys(tenant_id, row.id, row.external_id)))


async def _write(redis: Redis, reading: Reading, *, asked: str | None = None, gone: Iterable[UUID] = ()) -> None:
    seconds, microseconds = await redis.time()
    age = asyncio.get_running_loop().time() - reading.began
    read_ms = seconds * 1000 + microseconds // 1000 - round(age * 1000)
    tenant_id, end_ms = reading.tenant_id, read_ms + round(LIFE * 1000)
    old = [key for agent_id in gone for key in _keys(tenant_id, agent_id, None)]
    old += [key for row in reading.rows for key in _keys(tenant_id, row.id, row.external_id)]
    async with redis.pipeline(transaction=True) as pipe:
        # Whatever lies under a key, of whatever type, is replaced and not merged with.
        pipe.delete(*old)
        for row in reading.rows:
            found = assess(row.evidence, reading.now)
            left = LIFE if found.changes_at is None else (found.changes_at - reading.now).total_seconds()
            until = min(end_ms, read_ms + max(1, round(left * 1000)))
            pipe.set(f"agent:{row.id}:status", presence_of(found.state), pxat=until)
            metrics = _metrics(row)
            if metrics:
                pipe.hset(f"agent:{row.id}:metrics", mapping=metrics)
                pipe.pexpireat(f"agent:{row.id}:metrics", end_ms)
            if asked is not None:
                answer = _Answer(reading.now, replace(row, metrics={}))
                pipe.set(_answer_key(tenant_id, asked), msgspec.json.encode(answer), pxat=end_ms)
        await pipe.execute()


def _metrics(row: LiveRow) -> dict[FieldT, EncodableT]:
    found: dict[FieldT, EncodableT] = {
        name: value for name, value in row.metrics.items() if isinstance(value, int | float)
    }
    if row.last_duration is not None:
        found["last_execution_time"] = row.last_duration
    return found


class Mirror:
    """Brings into Redis what was committed, behind everybody's back: whoever committed it does not wait."""

    def __init__(self, db: Database, live: Live, clock: Clock) -> None:
        """Does nothing until something changes."""
        self._db = db
        self._live = live
        self._clock = clock
        self._waiting: dict[UUID, UUID] = {}
        self._task: asyncio.Task[None] | None = None

    def changed(self, tenant_id: UUID, agent_ids: Iterable[UUID]) -> None:
        """Something about these agents was committed."""
        if not self._live.ready:
            return
        waiting = self._waiting
        for agent_id in agent_ids:
            if len(waiting) < WAITING:
                waiting[agent_id] = tenant_id
        if self._task is None:
            self._task = asyncio.create_task(self._work())
            self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop. What was not written yet is not."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        """Write at once, then rest, then write what gathered meanwhile, until there is nothing."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            ordered = sorted(waiting, key=lambda agent_id: waiting[agent_id].int)
            for tenant_id, group in groupby(ordered, key=waiting.__getitem__):
                agent_ids = list(group)
                for start in range(0, len(agent_ids), TOGETHER):
                    began = loop.time()
                    await self._write(tenant_id, agent_ids[start : start + TOGETHER])
                    await asyncio.sleep(RESTED * (loop.time() - began))
            await asyncio.sleep(EVERY)

    async def _write(self, tenant_id: UUID, agent_ids: Sequence[UUID]) -> None:
        if not self._live.ready:
            return
        now, began = self._clock(), asyncio.get_running_loop().time()
        try:
            async with self._db.tenant(tenant_id) as connection:
                rows = await list_live(connection, tenant_id, agent_ids, now)
        except DatabaseDown:
            return  # what is in Redis ends by itself
        reading = Reading(tenant_id, rows, now, began)
        gone = set(agent_ids) - {row.id for row in rows}
        await self._live.ask(lambda redis: _write(redis, reading, gone=gone))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("live state could not be written", exc_info=fault)
