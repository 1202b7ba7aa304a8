"""Makes runs of traces: takes what was touched, reads all steps of it, and makes the tables equal to what they say.

Any number may run against one database. A batch is one transaction, with its claim: who is killed leaves everything as
it was. The executions of agents' logs are written before that by the way that every log takes; a log's own id is its
task's, so that it is one log however often it is written.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.registry import AgentRef
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import Unavailable
from monitor.ids import from_microseconds
from monitor.ingest.logs import LogDraft, LogKind
from monitor.ingest.payloads import Outcome
from monitor.ingest.service import Ingest
from monitor.ingest.spending import keep_spending
from monitor.principal import Principal, Scope, TenantStatus
from monitor.runs import touched
from monitor.runs.assembly import Assembled, Finished, assemble
from monitor.runs.store import put_runs
from monitor.runs.touched import Errand, Key, Told
from monitor.runs.tree import Trace
from monitor.signals import Touch
from monitor.touched import tell
from monitor.usage.ledger import put_calls

TRACES_AT_ONCE = 500
"""Traces in one transaction."""
STEPS_AT_ONCE = 20_000
"""Steps in one transaction, unless one trace has more."""
BATCHES = 2
"""At the same time, where there is more to do than one holds: while one waits for the database, the other is made."""
PATIENCE = timedelta(seconds=60)
"""How long a step waits for the parent that would say whose it is."""
REST = timedelta(milliseconds=1)
"""For each of its steps a trace is left alone after it was read: one that never ends is read ever less often."""
TURN = 10.0
"""Seconds for which one turn goes on while there is more to do."""
_FIRST_RETRY, _LAST_RETRY = timedelta(seconds=5), timedelta(hours=1)
_SHORTEST_REST = timedelta(seconds=1)
_EVERYTHING = 2**31 - 2
_LOGGED = text("""
    SELECT external_id FROM agent_log_ids
    WHERE tenant_id = :tenant AND agent_id = ANY(:agents) AND external_id = ANY(:ids)
""")
_log = structlog.get_logger(__name__)


class Made(NamedTuple):
    """What some traces of one tenant come to, by their ids. `agents`: ids by name."""

    tenant_id: UUID
    traces: Mapping[str, Trace]
    assembled: Mapping[str, Assembled]
    agents: Mapping[str, UUID]

    @property
    def finished(self) -> list[Finished]:
        """Executions for the agents' logs."""
        return [run for one in self.assembled.values() for run in one.finished]


class Assembler:
    """One process' part in it."""

    def __init__(self, db: Database, ingest: Ingest, *, clock: Clock, registry: CollectorRegistry) -> None:
        """`ingest` takes executions in and is started; it knows the agents."""
        self._db = db
        self._ingest = ingest
        self._clock = clock
        self._at_once = TRACES_AT_ONCE
        self._traces = Counter("agent_monitor_assembled_traces", "Traces made into runs", registry=registry)
        self._steps = Counter("agent_monitor_assembled_steps", "Steps of traces made into runs", registry=registry)
        self._failures = Counter("agent_monitor_assembly_failures", "Traces that were put aside", registry=registry)
        self._lag = Gauge("agent_monitor_assembly_lag_seconds", "How long the oldest news waits", registry=registry)

    async def run_once(self, now: datetime) -> int:
        """Assemble what was touched until nothing is left, or for a while; returns how many traces it was."""
        loop, total, batches = asyncio.get_running_loop(), 0, 1
        end = loop.time() + TURN
        while True:
            done = await asyncio.gather(*(self._some(now) for _ in range(batches)), return_exceptions=True)
            for one in done:
                if isinstance(one, BaseException):
                    raise one
                total += one
            if not any(done) or loop.time() >= end:
                break
            now, batches = self._clock(), BATCHES
        async with self._db.alerter() as connection:
            since = await touched.waiting_since(connection)
        self._lag.set(0 if since is None else max(0.0, (self._clock() - since).total_seconds()))
        return total

    async def _some(self, now: datetime) -> int:
        """One batch; trace by trace where that fails, so that a trace that cannot be assembled fails alone."""
        claimed: list[Key] = []
        (done,) = await asyncio.gather(self._batch(now, claimed), return_exceptions=True)
        if isinstance(done, int):
            return done
        if isinstance(done, Unavailable) or not claimed:
            raise done
        for key in claimed:
            (alone,) = await asyncio.gather(self._batch(now, [], only=key), return_exceptions=True)
            if isinstance(alone, Unavailable):
                raise alone
            if isinstance(alone, BaseException):
                await self._put_aside(key, alone, now)
        return len(claimed)

    async def _batch(self, now: datetime, claimed: list[Key], *, only: Key | None = None) -> int:
        async with self._db.alerter() as connection:
            if only is None:
                errands = await touched.claim(connection, now=now, at_most=self._at_once)
            else:
                errands = await touched.claim_one(connection, only)
            claimed += errands
            due = [key for key, rows in errands.items() if _is_due(rows, now)]
            told = await self._read(connection, due, now)
            later = [row for key, rows in errands.items() if key not in told for row in _later(key, rows, now)]
            by_tenant = [list(keys) for _, keys in groupby(sorted(told), key=lambda key: key[0])]
            made = [await self._make({key: told[key] for key in keys}, now) for keys in by_tenant]
            # Before anything is written here: the logs' transactions must not wait for this one.
            known = [await _known(connection, one) for one in made]
            await asyncio.gather(*(self._log_finished(*one) for one in zip(made, known, strict=True)))
            for one in made:
                later += await self._write(connection, one, now)
            await touched.add(connection, later)
        self._traces.inc(len(told))
        self._steps.inc(sum(len(one.steps) for one in told.values()))
        return len(errands)

    async def _read(self, connection: AsyncConnection, due: Sequence[Key], now: datetime) -> Mapping[Key, Told]:
        """The steps of as many traces as fit into one batch."""
        fresh = now - PATIENCE
        while due:
            most = STEPS_AT_ONCE if len(due) > 1 else _EVERYTHING
            found = await touched.read(connection, due, fresh_since=fresh, at_most=most)
            if found is not None:
                # Half full: the next batch may be larger.
                grown = len(due) == self._at_once and 2 * sum(len(one.steps) for one in found.values()) < STEPS_AT_ONCE
                self._at_once = min(2 * self._at_once, TRACES_AT_ONCE) if grown else self._at_once
                return found
            due = due[: len(due) // 2]
            self._at_once = max(1, len(due))
        return {}

    async def _make(self, told: Mapping[Key, Told], now: datetime) -> Made:
        """What some traces of one tenant come to."""
        tenant_id = next(iter(told))[0]
        traces = {key[1]: Trace(one.steps, fresh=one.fresh) for key, one in told.items()}
        names = {name for trace in traces.values() for name in trace.agents}
        refs = await self._ingest.registry.resolve(tenant_id, names, now=now)
        agents = {name: ref.id for name, ref in refs.items() if isinstance(ref, AgentRef)}
        if len(agents) < len(names):
            refused = sorted(names - agents.keys())
            _log.warning("steps of agents that are refused make no runs", tenant=str(tenant_id), agents=refused[:20])
        return Made(tenant_id, traces, {key: assemble(trace, agents) for key, trace in traces.items()}, agents)

    async def _log_finished(self, made: Made, known: Collection[str]) -> None:
        """Put what is over into its agents' logs, unless it is `known` there."""
        window, outcome = self._ingest.window(), Outcome()
        drafts: list[LogDraft] = []
        for run in made.finished:
            # What is older than any log that is kept has none.
            if str(run.task_id) not in known and run.ended_us >= window.oldest_us:
                drafts.append(_draft(len(drafts), run))
        await self._ingest.keep_logs(_principal(made.tenant_id), drafts, outcome)
        for index, error in outcome.rejected:
            _log.warning("the execution of a task was refused", task=str(drafts[index].external_id), error=error)

    async def _write(self, connection: AsyncConnection, made: Made, now: datetime) -> list[Errand]:
        """Make the tables equal to what a tenant's traces say; returns what is to be done later."""
        trace_ids = list(made.traces)
        runs = [one.runs for one in made.assembled.values()]
        calls = [call for one in runs for call in one.calls]
        tasks = [task.id for one in runs for task in one.tasks]
        executions = [execution.id for one in runs for execution in one.executions]
        posted = await put_calls(
            connection, made.tenant_id, calls, trace_ids=trace_ids, tasks=tasks, executions=executions
        )
        totals = {**posted.tasks, **posted.executions}
        starts = [node.step.started_us for trace in made.traces.values() for node in trace.nodes]
        within = (from_microseconds(min(starts)), from_microseconds(max(starts))) if starts else None
        await keep_spending(self._ingest, _principal(made.tenant_id), posted)
        await put_runs(
            connection, made.tenant_id, runs, trace_ids=trace_ids, within=within, totals=totals, received_at=now
        )
        agents = {task.agent_id for one in runs for task in one.tasks}
        agents |= {tool.agent_id for one in runs for tool in one.tools}
        await tell(connection, made.tenant_id, agents, Touch.RUN)
        return [
            errand
            for trace_id, trace in made.traces.items()
            for errand in _next((made.tenant_id, trace_id), trace, made.assembled[trace_id], now)
        ]

    async def _put_aside(self, key: Key, fault: BaseException, now: datetime) -> None:
        """Leave a trace that cannot be assembled alone for a while, ever longer."""
        self._failures.inc()
        async with self._db.alerter() as connection:
            errands = (await touched.claim_one(connection, key)).get(key, [])
            if not errands:
                return
            tries = max(row.tries for row in errands) + 1
            wait = min(_LAST_RETRY, _FIRST_RETRY * 2 ** min(tries - 1, 20))
            error = f"{type(fault).__name__}: {fault}"[:1000]
            await touched.add(connection, [Errand(*key, now + wait, holds=True, tries=tries, error=error)])
        _log.error("a trace could not be assembled", trace=key[1], tenant=str(key[0]), tries=tries, exc_info=fault)


def _hold(rows: Sequence[Errand], now: datetime) -> datetime | None:
    """Until when a trace is to be left alone."""
    return max((row.due_at for row in rows if row.holds and row.due_at > now), default=None)


def _is_due(rows: Sequence[Errand], now: datetime) -> bool:
    """Whether a trace is to be read now."""
    return _hold(rows, now) is None and any(row.news and row.due_at <= now for row in rows)


def _later(key: Key, rows: Sequence[Errand], now: datetime) -> list[Errand]:
    """What remains to be done for a trace that is not read now, in one row."""
    hold, tries = _hold(rows, now), max(row.tries for row in rows)
    if hold is not None:
        return [Errand(*key, hold, news=any(row.news for row in rows), holds=True, tries=tries)]
    due = min((row.due_at for row in rows if row.news), default=None)
    return [] if due is None else [Errand(*key, due, tries=tries)]


def _next(key: Key, trace: Trace, assembled: Assembled, now: datetime) -> Iterator[Errand]:
    """What is to be done for a trace that was assembled, whether or not more of it comes."""
    rest = len(trace.nodes) * REST
    if rest > _SHORTEST_REST:
        yield Errand(*key, now + rest, news=False, holds=True)
    if assembled.waits:
        yield Errand(*key, now + PATIENCE)


async def _known(connection: AsyncConnection, made: Made) -> Collection[str]:
    """Which executions are in their agents' logs already."""
    finished = made.finished
    if not finished:
        return ()
    given = {
        "tenant": made.tenant_id,
        "agents": list({made.agents[run.agent] for run in finished}),
        "ids": [str(run.task_id) for run in finished],
    }
    return frozenset((await connection.execute(_LOGGED, given)).scalars())


def _principal(tenant_id: UUID) -> Principal:
    return Principal(tenant_id, TenantStatus.ACTIVE, frozenset({Scope.INGEST}))


def _draft(index: int, run: Finished) -> LogDraft:
    """An agent's run as an execution of its log."""
    details = msgspec.json.encode({"task_id": str(run.task_id), "trace_id": run.trace_id})
    return LogDraft(
        row_index=index,
        agent=run.agent,
        at_us=run.ended_us,
        started_us=run.started_us,
        completed_us=run.ended_us,
        duration=(run.ended_us - run.started_us + 500) // 1000,
        kind=LogKind.EXECUTION.value,
        status="error" if run.failed else "success",
        level=None,
        external_id=str(run.task_id),
        message=run.message,
        details=details,
    )
