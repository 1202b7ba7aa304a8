"""What the core cannot know of a rule: whether its metrics can be reduced so, and what is likely not meant."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import (
    All,
    AnomalyLeaf,
    BurnRateLeaf,
    Condition,
    ConditionError,
    HeartbeatLeaf,
    Leaf,
    MetricLeaf,
    Not,
    RateLeaf,
    leaves,
)
from alerts.core.condition import Any as AnyOf
from alerts.core.due import Touched
from alerts.core.rule import Rule
from alerts.core.terms import Reducer
from alerts.core.vocabulary import NoData
from alerts.directory import read_directory

_GAUGE = text("""
    SELECT 1 FROM series
    WHERE tenant_id = :tenant_id AND metric = :metric AND kind = 'gauge'
      AND (CAST(:agent_id AS uuid) IS NULL OR agent_id = :agent_id)
    LIMIT 1
""")
_LIVENESS = text("""
    SELECT 1 FROM alert_configs
    WHERE tenant_id = :tenant_id AND enabled AND deleted_at IS NULL AND reads & :heartbeat <> 0
      AND (agent_id IS NULL OR agent_id = :agent_id)
    LIMIT 1
""")
_RETIRED = text("""
    SELECT 1 FROM agents
    WHERE tenant_id = :tenant_id AND id = :agent_id
      AND (retired_at IS NOT NULL OR deleted_at IS NOT NULL OR status = 'archived')
""")


def leaf_paths(condition: Condition, path: str = "conditions") -> Iterator[tuple[str, Leaf]]:
    """Every leaf with its path in the body, as the parser spells it."""
    match condition:
        case All(children) | AnyOf(children):
            word = "all" if isinstance(condition, All) else "any"
            for index, child in enumerate(children):
                yield from leaf_paths(child, f"{path}.{word}[{index}]")
        case Not(child):
            yield from leaf_paths(child, f"{path}.not")
        case _:
            yield path, condition


async def refuse_rates_of_gauges(
    connection: AsyncConnection, tenant_id: UUID, agent_id: UUID | None, condition: Condition
) -> None:
    """Raise ConditionError for `rate` or `increase` of a metric that is known to be a gauge."""
    for path, leaf in leaf_paths(condition):
        if isinstance(leaf, MetricLeaf | AnomalyLeaf) and leaf.reduce in (Reducer.RATE, Reducer.INCREASE):
            given = {"tenant_id": tenant_id, "metric": leaf.metric, "agent_id": agent_id}
            if (await connection.execute(_GAUGE, given)).first() is not None:
                raise ConditionError(
                    f"{path}.reduce", f"{leaf.metric} is a gauge: {leaf.reduce} needs a counter or a delta"
                )


async def warnings(connection: AsyncConnection, tenant_id: UUID, row: Any, rule: Rule, *, now: datetime) -> list[str]:
    """What is allowed and likely not meant, in sentences."""
    found = []
    given = {"tenant_id": tenant_id, "agent_id": row.agent_id, "heartbeat": int(Touched.HEARTBEAT)}
    if _silent_when_dead(rule.condition) and (await connection.execute(_LIVENESS, given)).first() is None:
        found.append(
            "when the data stops, this rule keeps its state, and no heartbeat rule watches over the agent: add one,"
            ' or say "no_data": "alert"'
        )
    directory = await read_directory(connection, [tenant_id], now=now)
    named = rule.channels.targets or rule.channels.named
    if not named and not directory.fallback(tenant_id) and not directory.resolve(tenant_id, rule.channels):
        found.append("nobody is told: the rule names no channel and the tenant has no fallback channel")
    if row.agent_id is not None and (await connection.execute(_RETIRED, given)).first() is not None:
        found.append("the agent is retired: the rule will not be judged")
    return found


def _silent_when_dead(condition: Condition) -> bool:
    """Whether a condition reads windows that may run empty unnoticed, and no heartbeat beside them."""
    all_leaves = leaves(condition)
    windows = MetricLeaf | RateLeaf | AnomalyLeaf | BurnRateLeaf
    keeps = any(isinstance(leaf, windows) and leaf.no_data is NoData.KEEP for leaf in all_leaves)
    return keeps and not any(isinstance(leaf, HeartbeatLeaf) for leaf in all_leaves)
