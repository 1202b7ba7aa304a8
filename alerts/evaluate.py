"""One pass over the due rules: take the news, read set-based, judge, step, decide, save in one transaction."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import leases, outages, outbox, rules, store, system, targets, timelines
from alerts.closing import close_targets
from alerts.core.condition import Leaf
from alerts.judging import Judging
from alerts.meters import Meters
from alerts.paces import due_tenants
from alerts.rules import LoadedRule, RuleCache, RuleKey
from alerts.sieve import Sieve, Sifted
from alerts.sources import Sources
from alerts.sources.base import Agent, Facts, Fault
from alerts.targets import DueTarget, News, TargetKey, agent_of, rule_of
from alerts.transition import Outcome, Plan
from monitor.db import Database
from monitor.errors import Unavailable
from monitor.series import spool
from monitor.series.store import SeriesStore

_log = structlog.get_logger(__name__)

LEASE = "evaluate"
TARGETS_AT_MOST = 20_000
AFTER_A_FAULT = timedelta(minutes=5)
SHORTEST_THIRD = timedelta(seconds=4)
"""Of a lease. A pass renews it, however short the interval: a busy machine must not lose it between two."""
FORGETS = 0.9  # how much of the slowest pass counts after one more


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did. `shards`: how many it looked at; other alerters have the others. `more`: more is due."""

    shards: int = leases.SHARDS
    evaluated: int = 0
    fired: int = 0
    resolved: int = 0
    queued: int = 0
    more: bool = False


@dataclass(slots=True)
class _Work:
    """What the first transaction leaves to the second."""

    shards: frozenset[int]
    news: News
    due: list[DueTarget]
    rules: dict[RuleKey, LoadedRule]
    queued: int
    held: list[UUID]
    """Tenants of which something that was held back is to be told now."""
    more: bool


class Evaluator:
    """Judges rules. Any number may run against one database: each has a share of the tenants, by leases."""

    def __init__(
        self,
        db: Database,
        series: SeriesStore,
        *,
        holder: str,
        interval: timedelta,
        public_url: str,
        meters: Meters,
    ) -> None:
        """`holder` names this process in the leases, `interval` is the distance between two passes."""
        self._db = db
        self._sources = Sources(db, series)
        self._holder = holder
        self._interval = interval
        self._public_url = public_url
        self._meters = meters
        self._cache = RuleCache(tick=interval)
        self._sieve = Sieve(series)
        self._slowest = timedelta(0)

    async def run_once(self, now: datetime) -> Pass:
        """Judge what is due at `now`. Raises DatabaseDown, or LeaseLost when another took over: nothing is saved."""
        started = time.perf_counter()
        try:
            return await self._pass(now, started)
        finally:
            took = timedelta(seconds=time.perf_counter() - started)
            self._slowest = max(took, FORGETS * self._slowest)

    async def _pass(self, now: datetime, started: float) -> Pass:
        work = await self._collect(now)
        if work is None:
            return Pass(shards=0)
        done = Pass(shards=len(work.shards), queued=work.queued, more=work.more)
        facts = await self._sources.read(self._wanted(work), now=now, guard=self._guard)
        due = [one.key for one in work.due]
        sifted = await self._sieve.sift(due, facts, now=now, guard=self._guard, at_most=TARGETS_AT_MOST)
        if work.due or work.held or sifted.found or facts.history_failed or facts.history_read:
            done = await self._save(work, facts, sifted, now)
        self._sieve.settle(sifted, now=now, interval=self._interval)
        waited = now - work.due[0].due_at if work.due else timedelta(0)
        self._meters.lag_seconds.set(max(0.0, waited.total_seconds()))
        self._meters.tick_seconds.observe(time.perf_counter() - started)
        self._meters.evaluated.inc(done.evaluated + sifted.targets)
        self._meters.events.labels("fired").inc(done.fired)
        self._meters.events.labels("resolved").inc(done.resolved)
        return done

    async def give_up(self) -> None:
        """Let another alerter take over at once, on a clean stop."""
        async with self._db.alerter() as connection:
            await leases.give_up(connection, LEASE, holder=self._holder)

    async def _collect(self, now: datetime) -> _Work | None:
        """The first transaction: news becomes due targets, which they stay if it is all that is done."""
        async with self._db.alerter() as connection:
            # Long enough for a slow pass, short enough that another alerter takes over before anybody minds.
            lasts = 3 * max(self._interval, self._slowest, SHORTEST_THIRD)
            there = 3 * self._interval
            shards = await leases.take(connection, LEASE, holder=self._holder, now=now, lasts=lasts, there=there)
            if not shards:
                self._sieve.leave()
                return None
            await outages.note_pass(connection, shards, now=now, at_most=lasts + self._interval)
            news = await targets.take_news(connection, shards)
            changed, dropped = await targets.refresh(connection, news, shards, now=now)
            queued = await close_targets(connection, dropped, now=now, public_url=self._public_url)
            await targets.wake(connection, news, now=now)
            await self._sieve.follow(connection, shards, news, changed, now=now, until=now + lasts)
            due = await targets.list_due(connection, shards, now=now, at_most=TARGETS_AT_MOST)
            held = await due_tenants(connection, shards, now=now)
            more = len(changed.rules) >= targets.RULES_AT_MOST or len(due) >= TARGETS_AT_MOST
            return _Work(shards, news, due, await self._cache.load(connection, due), queued, held, more)

    def _wanted(self, work: _Work) -> dict[Leaf, list[Agent]]:
        wanted: dict[Leaf, list[Agent]] = defaultdict(list)
        for target in work.due:
            for leaf in _rule_of(work, target).leaves:
                if not self._sieve.holds(target.key, leaf):
                    wanted[leaf].append(agent_of(target.key))
        return wanted

    async def _save(self, work: _Work, facts: Facts, sifted: Sifted, now: datetime) -> Pass:
        """The second transaction: judge against locked states, and save all that follows, or nothing."""
        async with self._db.alerter() as connection:
            await leases.fence(connection, LEASE, work.shards, holder=self._holder)
            await self._take_up(connection, work, sifted, now)
            valid = await rules.lock(connection, list(work.rules.values()))
            due = [one for one in work.due if (one.key.tenant_id, one.key.config_id) in valid]
            states = await store.lock_states(connection, [one.key for one in due])
            if facts.history_failed or facts.history_read:
                await outages.note_history(connection, failed=facts.history_failed, read=facts.history_read, now=now)
            judging = Judging(connection, work.rules, self._guard, now, self._interval)
            outcomes = await judging.judge(due, facts, states, news=work.news)
            plan = await judging.plan(outcomes)
            queued, faults = await self._write(connection, plan, work.held, now), judging.faults
            await targets.save_due(connection, _next(due, outcomes, faults, now))
            await rules.mark_faults(connection, faults)
            # While points wait for the store, it cannot be said to be well, whatever it answers; nor while another
            # alerter, who reads other tenants' history, cannot.
            well = facts.history_read and not await spool.tenants(connection) and not await outages.blind(connection)
            if facts.history_failed or well:
                await system.report(
                    connection,
                    system.SystemFault.HISTORY_BLIND,
                    active=bool(facts.history_failed),
                    detail="rules that read metrics cannot be judged; they keep their state",
                    tenants=facts.history_failed,
                    now=now,
                    public_url=self._public_url,
                )
        return Pass(
            shards=len(work.shards),
            evaluated=len(due),
            fired=plan.fired,
            resolved=plan.resolved,
            queued=work.queued + queued,
            more=work.more or sifted.more,
        )

    async def _take_up(self, connection: AsyncConnection, work: _Work, sifted: Sifted, now: datetime) -> None:
        """Judge also what the sieve has found, by rules that still are what was read."""
        found = await targets.list_named(connection, sifted.found, now=now)
        loaded = await self._cache.load(connection, found)
        work.rules = loaded | work.rules
        work.due += [one for one in found if _rule_of(work, one).leaves == (sifted.found[one.key],)]

    async def _write(self, connection: AsyncConnection, plan: Plan, held: Sequence[UUID], now: datetime) -> int:
        prepared = await outbox.prepare(connection, plan.tellings, now=now, muted=plan.muted, due_of=held)
        # A row that is changed in the transaction that made it has all of its references checked once more.
        await store.insert_alerts(connection, plan.opened, now=now, heard=prepared.heard)
        await store.save_states(connection, plan.states, now=now)
        await store.drop_states(connection, plan.dropped)
        await store.update_alerts(connection, plan.updated)
        await timelines.insert_events(connection, [*plan.events, *prepared.events], now=now)
        return await outbox.send(connection, prepared, now=now, public_url=self._public_url, opened=plan.opened)

    @contextmanager
    def _guard(self, doing: str) -> Iterator[Fault]:
        """One rule's or one read's fault stays its own: it is logged and counted, and the others go on."""
        fault = Fault()
        try:
            yield fault
        except Unavailable as error:
            _log.warning("could not be read", doing=doing, error=error.message)
            fault.error = error
        except Exception as error:  # noqa: BLE001 - one of the three places: a poisoned rule harms itself only
            _log.exception("evaluation failed", doing=doing)
            fault.error = error
        if fault.error is not None:
            self._meters.faults.inc()


def _rule_of(work: _Work, target: DueTarget) -> LoadedRule:
    return work.rules[rule_of(target.key)]


def _next(
    due: Sequence[DueTarget], outcomes: Sequence[Outcome], faults: Mapping[RuleKey, str | None], now: datetime
) -> list[tuple[TargetKey, datetime | None]]:
    """When each target is due next; a rule that failed is put off, so that it cannot hold up every pass."""
    at = {outcome.target.key: outcome.due_at for outcome in outcomes}
    return [(one.key, now + AFTER_A_FAULT if faults.get(rule_of(one.key)) else at.get(one.key)) for one in due]
