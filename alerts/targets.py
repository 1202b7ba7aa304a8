"""Rules resolved to agents, and which of them are due: what a tick has to look at, and nothing else."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.due import Touched
from alerts.core.vocabulary import CloseReason
from alerts.leases import IN_SHARDS, given
from monitor import arrays

NEWS_AT_MOST = 20_000
"""Rows of `touched` that one tick takes; after a long stop the next ticks take the rest."""

RULES_AT_MOST = 5_000
"""Changed rules that one tick resolves. By the limit the planner takes the index of changed rules, mostly empty."""

News = Mapping[tuple[UUID, UUID], int]
"""What was touched, as the bits of Touched, by (tenant, agent)."""

_AGENT = int(Touched.AGENT)
_OURS = IN_SHARDS.format(tenant_id="tenant_id")
_TAKE_NEWS = text(f"""
    DELETE FROM touched WHERE ctid = ANY (ARRAY(SELECT ctid FROM touched WHERE {_OURS} LIMIT :at_most))
    RETURNING tenant_id, agent_ids, kinds
""")
# Not `deleted_at IS NULL`: while the tables are young the planner would take the partial index on status for it,
# and look through all of a tenant's agents for each one.
_ALIVE = "coalesce(a.deleted_at, a.retired_at) IS NULL AND a.status <> 'archived'"
_SELECTED = """
    (c.selector IS NULL OR (
        coalesce(a.agent_type = c.selector->>'agent_type', c.selector->>'agent_type' IS NULL)
        AND a.tags @> coalesce(c.selector->'tags', '{}')))
"""
_LIVE_RULE = "c.enabled AND c.deleted_at IS NULL"
_CHANGED = "unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS changed (tenant_id, id)"
# What is sifted is looked at without being due.
_NEW = """
    SELECT c.tenant_id, c.id, a.id, c.reads, c.sifted, CASE WHEN c.sifted THEN NULL ELSE CAST(:now AS timestamptz) END,
           CAST(:now AS timestamptz)
"""
_CHANGED_RULES = text(f"""
    UPDATE alert_configs SET targets_version = version
    WHERE (tenant_id, id) IN (
        SELECT tenant_id, id FROM alert_configs WHERE targets_version <> version AND {_OURS}
        ORDER BY tenant_id, id LIMIT :at_most FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING tenant_id, id
""")
# Rules that name an agent and rules that select some are two branches, and what changed is read first: left to the
# planner on tables that it does not know yet, every rule meets every agent of its tenant.
_ADD_FOR_RULES = text(f"""
    WITH c AS MATERIALIZED (
        SELECT c.tenant_id, c.id, c.agent_id, c.selector, c.reads, c.sifted
        FROM {_CHANGED} JOIN alert_configs c ON c.tenant_id = changed.tenant_id AND c.id = changed.id
        WHERE {_LIVE_RULE})
    INSERT INTO alert_targets AS t (tenant_id, config_id, agent_id, reads, sifted, due_at, created_at)
    {_NEW} FROM c JOIN agents a ON a.tenant_id = c.tenant_id AND a.id = c.agent_id WHERE {_ALIVE}
    UNION ALL
    {_NEW} FROM c JOIN agents a ON a.tenant_id = c.tenant_id WHERE c.agent_id IS NULL AND {_ALIVE} AND {_SELECTED}
    ON CONFLICT (tenant_id, config_id, agent_id)
        DO UPDATE SET reads = EXCLUDED.reads, sifted = EXCLUDED.sifted, due_at = EXCLUDED.created_at
""")
_ADD_FOR_AGENTS = text(f"""
    WITH a AS MATERIALIZED (
        SELECT a.tenant_id, a.id, a.agent_type, a.tags
        FROM {_CHANGED} JOIN agents a ON a.tenant_id = changed.tenant_id AND a.id = changed.id
        WHERE {_ALIVE})
    INSERT INTO alert_targets (tenant_id, config_id, agent_id, reads, sifted, due_at, created_at)
    {_NEW} FROM a JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.agent_id = a.id WHERE {_LIVE_RULE}
    UNION ALL
    {_NEW} FROM a JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.agent_id IS NULL
    WHERE {_LIVE_RULE} AND {_SELECTED}
    ON CONFLICT (tenant_id, config_id, agent_id) DO NOTHING
""")
_WRONG = f"""
    DELETE FROM alert_targets t
    USING had, alert_configs c, agents a
    WHERE t.tenant_id = had.tenant_id AND t.config_id = had.config_id AND t.agent_id = had.agent_id
      AND c.tenant_id = had.tenant_id AND c.id = had.config_id AND a.tenant_id = had.tenant_id AND a.id = had.agent_id
      AND NOT ({_LIVE_RULE} AND {_ALIVE} AND (c.agent_id IS NULL OR c.agent_id = a.id) AND {_SELECTED})
    RETURNING t.tenant_id, t.config_id, t.agent_id
"""
_DROP_FOR_RULES = text(f"""
    WITH had AS MATERIALIZED (
        SELECT t.tenant_id, t.config_id, t.agent_id
        FROM {_CHANGED} JOIN alert_targets t ON t.tenant_id = changed.tenant_id AND t.config_id = changed.id)
    {_WRONG}
""")
_DROP_FOR_AGENTS = text(f"""
    WITH had AS MATERIALIZED (
        SELECT t.tenant_id, t.config_id, t.agent_id
        FROM {_CHANGED} JOIN alert_targets t ON t.tenant_id = changed.tenant_id AND t.agent_id = changed.id)
    {_WRONG}
""")
_GONE = text("""
    SELECT a.tenant_id, a.id
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)
    JOIN agents a ON a.tenant_id = wanted.tenant_id AND a.id = wanted.id
    WHERE a.deleted_at IS NOT NULL OR a.retired_at IS NOT NULL OR a.status = 'archived'
""")
_WAKE = text("""
    UPDATE alert_targets t SET due_at = :now
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:kinds AS bigint[])) AS news (tenant_id, id, kinds)
    WHERE t.tenant_id = news.tenant_id AND t.agent_id = news.id AND NOT t.sifted AND t.reads & news.kinds <> 0
      AND (t.due_at IS NULL OR t.due_at > :now)
""")
_BY_KEY = """
    unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:agents AS uuid[]))
        AS named (tenant_id, config_id, agent_id)
"""
_WAKE_TARGETS = text(f"""
    UPDATE alert_targets t SET due_at = :now FROM {_BY_KEY}
    WHERE t.tenant_id = named.tenant_id AND t.config_id = named.config_id AND t.agent_id = named.agent_id
      AND (t.due_at IS NULL OR t.due_at > :now)
""")
_DUE_TARGETS = """
    SELECT due.*, c.version, greatest(c.created_at, a.created_at) AS since
    FROM due
    JOIN alert_configs c ON c.tenant_id = due.tenant_id AND c.id = due.config_id
    JOIN agents a ON a.tenant_id = due.tenant_id AND a.id = due.agent_id
    WHERE c.enabled AND c.deleted_at IS NULL
"""
# The due ones first, by their index: the planner would begin with every rule of tables that it does not know yet.
_DUE = text(f"""
    WITH due AS MATERIALIZED (
        SELECT t.tenant_id, t.config_id, t.agent_id, t.due_at, t.sifted
        FROM alert_targets t WHERE t.due_at <= :now AND {_OURS} ORDER BY t.due_at LIMIT :at_most)
    {_DUE_TARGETS}
    ORDER BY due.due_at
""")
_NAMED = text(f"""
    WITH due AS MATERIALIZED (
        SELECT tenant_id, config_id, agent_id, CAST(:now AS timestamptz) AS due_at, t.sifted
        FROM {_BY_KEY} JOIN alert_targets t USING (tenant_id, config_id, agent_id))
    {_DUE_TARGETS}
""")
_SAVE_DUE = text("""
    UPDATE alert_targets t SET due_at = d.due_at
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:agents AS uuid[]),
                CAST(:due AS timestamptz[])) AS d (tenant_id, config_id, agent_id, due_at)
    WHERE t.tenant_id = d.tenant_id AND t.config_id = d.config_id AND t.agent_id = d.agent_id
""")


@dataclass(frozen=True, slots=True, order=True)
class TargetKey:
    """One rule for one agent."""

    tenant_id: UUID
    config_id: UUID
    agent_id: UUID


class DueTarget(msgspec.Struct, frozen=True):
    """A target to be judged now, due at `due_at`. `since` is the later of the rule's and the agent's creation.

    `sifted`: see sieve.py; it is due by itself only while it is not INACTIVE."""

    key: TargetKey
    version: int
    since: datetime
    due_at: datetime
    sifted: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """Rules, as (tenant, rule), and agents, as (tenant, agent), whose targets are not what they were."""

    rules: Collection[tuple[UUID, UUID]] = ()
    agents: Collection[tuple[UUID, UUID]] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A target that is no more, and what that means to its open alerts."""

    key: TargetKey
    reason: CloseReason


def agent_of(key: TargetKey) -> tuple[UUID, UUID]:
    """(tenant, agent)."""
    return key.tenant_id, key.agent_id


def rule_of(key: TargetKey) -> tuple[UUID, UUID]:
    """(tenant, rule)."""
    return key.tenant_id, key.config_id


async def take_news(connection: AsyncConnection, shards: Collection[int]) -> News:
    """Take what collectors have written since the last tick for tenants in these shards, by agent."""
    news: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for row in await connection.execute(_TAKE_NEWS, {"at_most": NEWS_AT_MOST, "shards": given(shards)}):
        for agent_id, kinds in zip(row.agent_ids, row.kinds, strict=True):
            news[row.tenant_id, agent_id] |= kinds
    return news


async def refresh(
    connection: AsyncConnection, news: News, shards: Collection[int], *, now: datetime
) -> tuple[Changed, list[Dropped]]:
    """Bring targets up to date with changed rules and with new, changed and retired agents.

    New targets and those of changed rules are due now. Returns what has changed, and the targets that are no more.
    """
    gone: list[tuple[TargetKey, CloseReason]] = []
    found = await connection.execute(_CHANGED_RULES, {"at_most": RULES_AT_MOST, "shards": given(shards)})
    rules = [(row.tenant_id, row.id) for row in found]
    if rules:
        named = pairs_of(rules)
        await connection.execute(_ADD_FOR_RULES, named | {"now": now})
        dropped = await connection.execute(_DROP_FOR_RULES, named)
        gone += [(TargetKey(*row), CloseReason.RULE_CHANGED) for row in dropped]
    agents = [key for key, kinds in news.items() if kinds & _AGENT]
    if agents:
        named = pairs_of(agents)
        await connection.execute(_ADD_FOR_AGENTS, named | {"now": now})
        dropped = await connection.execute(_DROP_FOR_AGENTS, named)
        gone += [(TargetKey(*row), CloseReason.AGENT_UNSELECTED) for row in dropped]
    retired = await _retired(connection, [key for key, _ in gone])
    return Changed(rules, agents), [
        Dropped(key, CloseReason.AGENT_RETIRED if agent_of(key) in retired else reason) for key, reason in gone
    ]


async def wake(connection: AsyncConnection, news: News, *, now: datetime) -> None:
    """Make those targets due that read what was touched."""
    if news:
        kinds = arrays.int8s(np.fromiter(news.values(), np.int64, len(news)))
        await connection.execute(_WAKE, pairs_of(news) | {"now": now, "kinds": kinds})


async def wake_targets(connection: AsyncConnection, keys: Sequence[TargetKey], *, now: datetime) -> None:
    """Make these due."""
    if keys:
        await connection.execute(_WAKE_TARGETS, columns_of(keys) | {"now": now})


async def list_due(
    connection: AsyncConnection, shards: Collection[int], *, now: datetime, at_most: int
) -> list[DueTarget]:
    """The targets of tenants in these shards that are due, longest waiting first."""
    rows = await connection.execute(_DUE, {"now": now, "at_most": at_most, "shards": given(shards)})
    return [_due_target(row) for row in rows]


async def list_named(connection: AsyncConnection, keys: Collection[TargetKey], *, now: datetime) -> list[DueTarget]:
    """These targets, as far as they are still there, as if they were due now."""
    if not keys:
        return []
    return [_due_target(row) for row in await connection.execute(_NAMED, columns_of(keys) | {"now": now})]


def _due_target(row: Any) -> DueTarget:
    key = TargetKey(row.tenant_id, row.config_id, row.agent_id)
    return DueTarget(key, row.version, row.since, row.due_at, row.sifted)


def columns_of(keys: Collection[TargetKey]) -> dict[str, Any]:
    """Targets as parameters of statements."""
    return {
        "tenants": arrays.uuids(key.tenant_id for key in keys),
        "rules": arrays.uuids(key.config_id for key in keys),
        "agents": arrays.uuids(key.agent_id for key in keys),
    }


def pairs_of(keys: Collection[tuple[UUID, UUID]]) -> dict[str, Any]:
    """Whatever a tenant and an id name, as parameters of statements."""
    return {"tenants": arrays.uuids(tenant for tenant, _ in keys), "ids": arrays.uuids(one for _, one in keys)}


async def save_due(connection: AsyncConnection, due: Sequence[tuple[TargetKey, datetime | None]]) -> None:
    """Set when each target is due next; None: when news arrives."""
    if due:
        ordered = sorted(due, key=lambda one: (one[0].tenant_id.int, one[0].config_id.int, one[0].agent_id.int))
        await connection.execute(
            _SAVE_DUE,
            columns_of([key for key, _ in ordered]) | {"due": arrays.moments([at for _, at in ordered])},
        )


async def _retired(connection: AsyncConnection, keys: Sequence[TargetKey]) -> set[tuple[UUID, UUID]]:
    if not keys:
        return set()
    rows = await connection.execute(_GONE, pairs_of([agent_of(key) for key in keys]))
    return {(row.tenant_id, row.id) for row in rows}
