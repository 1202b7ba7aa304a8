"""One rule over the past of its agents: read, replay, count."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.backtest.base import History
from alerts.backtest.caveats import read_caveats
from alerts.backtest.compare import Difference, differences, read_told, told_of
from alerts.backtest.mutes import Mutes, read_mutes
from alerts.backtest.people import Response, read_responses
from alerts.backtest.read import read_history, tracks_of
from alerts.backtest.replay import Replay, Subject, replay, stride_of
from alerts.backtest.report import Report, report
from alerts.backtest.tracks import NEVER, Grid
from alerts.core.condition import MetricLeaf, leaves
from alerts.core.judge import judge
from alerts.core.rule import Rule
from alerts.directory import Directory, read_directory
from alerts.muting import Known
from alerts.outages import read_ends
from alerts.rules import LoadedRule, parse_stored
from alerts.settings import read_settings
from alerts.settings_bodies import AlertSettings
from alerts.sources import Sources
from alerts.sources.base import Fault
from alerts.targets import DueTarget, TargetKey
from monitor.db import Database
from monitor.errors import InvalidInput, Unavailable
from monitor.series.read import RAW_SPAN
from monitor.series.store import SeriesStore

AGENTS_AT_MOST = 1_000
LONGEST = timedelta(days=31)
NO_RULE = UUID(int=0)
"""Stands for a rule that is not saved."""

# As targets.py resolves a rule.
_AGENTS = text("""
    SELECT a.id, a.external_id, a.created_at, a.agent_type, a.status = 'maintenance' AS resting FROM agents a
    WHERE a.tenant_id = :tenant_id AND a.deleted_at IS NULL AND a.retired_at IS NULL AND a.status <> 'archived'
      AND (CAST(:agent_id AS uuid) IS NULL OR a.id = :agent_id)
      AND (CAST(:agent_type AS text) IS NULL OR a.agent_type = :agent_type)
      AND a.tags @> CAST(:tags AS jsonb)
    ORDER BY a.id LIMIT :at_most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A rule, whose it is, and over what time. `created_at` None: it is taken to be older than the time asked for."""

    tenant_id: UUID
    rule: Rule
    name: str
    start: datetime
    end: datetime
    tick: timedelta
    agent_id: UUID | None = None
    selector: Mapping[str, Any] | None = None
    config_id: UUID = NO_RULE
    created_at: datetime | None = None
    zone: tzinfo = UTC
    seconds: float = 20.0

    @property
    def grid(self) -> Grid:
        """The alerter's ticks."""
        return Grid(self.start, self.tick, max(0, -((self.start - self.end) // self.tick)) + 1)


def question_of(row: Any, *, start: datetime, end: datetime, tick: timedelta) -> Question:
    """The question about a stored rule, by its row. Raises ConditionError where it cannot be read any more."""
    return Question(
        tenant_id=row.tenant_id,
        rule=parse_stored(row, tick=tick),
        name=row.name,
        start=start,
        end=end,
        tick=tick,
        agent_id=row.agent_id,
        selector=row.selector,
        config_id=row.id,
        created_at=row.created_at,
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What there is besides what agents sent: whom the rule is for, who is told and how, what withholds it."""

    agents: Sequence[Any]
    directory: Directory
    mutes: Mutes
    settings: AlertSettings | None
    responses: Sequence[Response]
    caveats: Sequence[str]


async def backtest(db: Database, series: SeriesStore, asked: Question) -> Report:
    """What the rule would have done. Raises InvalidInput for too much, SeriesDown, DatabaseDown."""
    if asked.end - asked.start > LONGEST:
        raise InvalidInput(f"at most {LONGEST.days} days can be looked back", path="since")
    around = await _around(db, asked)
    names = {row.id: row.external_id for row in around.agents}
    history = await read_history(
        db,
        series,
        asked.tenant_id,
        leaves(asked.rule.condition),
        names,
        start=asked.start,
        end=asked.end + asked.tick,
        tick=asked.tick,
        # Where the alerter looks at every tick while there is anything to see, nothing wakes it sooner.
        others=(stride_of(asked.rule.condition, asked.tick) or 1) > 1,
    )
    # Off the loop: others are served meanwhile.
    done = await asyncio.to_thread(
        replay,
        [_subject(asked, row, history) for row in around.agents],
        around.directory,
        asked.grid,
        mutes=around.mutes,
        settings=around.settings,
        responses=around.responses,
        go_on=_within(asked.seconds),
    )
    different = await _compared(db, asked, list(names), done, history)
    differs = (*history.differs, *_known(asked, len(names)), *around.caveats)
    return report(done, since=asked.start, zone=asked.zone, names=names, differs=differs, different=different)


async def _around(db: Database, asked: Question) -> _Around:
    tenant_id, rule = asked.tenant_id, asked.config_id
    async with db.alerter() as connection:
        # The alerter's own outages are nobody's.
        outages = await read_ends(connection, [tenant_id])
    span = {"start": asked.start, "end": asked.end}
    async with db.tenant(tenant_id) as connection:
        agents = await _agents(connection, asked)
        settings = (await read_settings(connection, [tenant_id])).get(tenant_id)
        directory = await read_directory(connection, [tenant_id], now=asked.start, settle=2 * asked.tick)
        known = {(tenant_id, row.id): Known(row.external_id, row.agent_type, row.resting) for row in agents}
        resting = [row.external_id for row in agents if row.resting]
        return _Around(
            agents,
            replace(directory, outages=outages),
            await read_mutes(connection, tenant_id, known, rule=rule, **span),
            settings,
            await read_responses(connection, tenant_id, rule, [row.id for row in agents], **span),
            await read_caveats(connection, tenant_id, rule, settings, outages=outages, resting=resting, **span),
        )


async def _compared(
    db: Database, asked: Question, agents: Sequence[UUID], done: Replay, history: History
) -> list[Difference] | None:
    """What the alerter told otherwise; None for a rule that it has never judged."""
    if asked.config_id == NO_RULE:
        return None
    async with db.tenant(asked.tenant_id) as connection:
        alerter = await read_told(
            connection, asked.tenant_id, asked.config_id, agents, start=asked.start, end=done.until
        )
    return differences(alerter, told_of(done.sent), within=asked.tick, late=list(history.late.values()))


async def values_now(db: Database, series: SeriesStore, asked: Question, *, at_most: int) -> list[dict[str, Any]]:
    """What the rule reads at the end of the time, for its first agents: one entry for each label set."""
    async with db.tenant(asked.tenant_id) as connection:
        agents = (await _agents(connection, asked))[:at_most]
    found = leaves(asked.rule.condition)
    wanted = {leaf: [(asked.tenant_id, row.id) for row in agents] for leaf in found}
    facts = await Sources(db, series).read(wanted, now=asked.end, guard=readable)
    values = []
    for row in agents:
        readings = facts.of(found, (asked.tenant_id, row.id))
        for labels, one in judge(asked.rule.condition, readings, now=asked.end, since=row.created_at).items():
            said = {"verdict": one.verdict, "value": one.value, "points": one.points, "detail": one.detail}
            values.append({"agent": row.external_id, "labels": dict(labels), **said})
    return values


@contextmanager
def readable(doing: str) -> Iterator[Fault]:
    """A guard of reads: what a store does not answer is unknown."""
    fault = Fault()
    try:
        yield fault
    except Unavailable as error:
        fault.error = error


def _within(seconds: float) -> Callable[[int], bool]:
    ends = time.monotonic() + seconds
    return lambda judged: time.monotonic() < ends


async def _agents(connection: AsyncConnection, asked: Question) -> list[Any]:
    selector = asked.selector or {}
    given = {
        "tenant_id": asked.tenant_id,
        "agent_id": asked.agent_id,
        "agent_type": selector.get("agent_type"),
        "tags": json.dumps(selector.get("tags") or {}),
        "at_most": AGENTS_AT_MOST,
    }
    return list((await connection.execute(_AGENTS, given)).all())


def _subject(asked: Question, row: Any, history: History) -> Subject:
    key = TargetKey(asked.tenant_id, asked.config_id, row.id)
    since = row.created_at if asked.created_at is None else max(row.created_at, asked.created_at)
    loaded = LoadedRule((asked.tenant_id, asked.config_id), 1, asked.name, asked.rule, leaves(asked.rule.condition))
    target = DueTarget(key, 1, since, asked.start)
    others = history.others_us.get(row.id, NEVER)
    return Subject(target, loaded, row.external_id, tracks_of(history, row.id), others)


def _known(asked: Question, agents: int) -> list[str]:
    said = []
    metrics = [leaf for leaf in leaves(asked.rule.condition) if isinstance(leaf, MetricLeaf)]
    if metrics:
        said.append("points do not say when they came: late ones count as if they had come in time")
    if any(leaf.window > RAW_SPAN for leaf in metrics):
        said.append("the alerter reads percentiles of windows over 2h within 1 %, here they are exact")
    if agents == AGENTS_AT_MOST:
        said.append(f"of the rule's agents, the first {AGENTS_AT_MOST:,} were looked at")
    return said
