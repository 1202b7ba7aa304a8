"""Silences in SQL, and what matchers would withhold."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError, LabelLeaf, leaves
from alerts.core.matchers import Matcher, matches
from alerts.core.muting import labels_of
from alerts.core.parse import parse_condition
from alerts.core.vocabulary import Severity
from alerts.lines import PLATFORM_AGENT
from alerts.muting_tables import Silence
from monitor.errors import NotFound

_OF_AGENT = frozenset({"agent", "agent_type"})
_OPEN = text("""
    SELECT a.id, a.rule, a.severity, a.labels, a.triggered_at, g.external_id AS agent, g.agent_type
    FROM alerts a LEFT JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    WHERE a.tenant_id = :tenant_id AND a.resolved_at IS NULL
    ORDER BY a.id DESC
""")
_RULES = text("""
    SELECT id, name, severity, labels, conditions FROM alert_configs
    WHERE tenant_id = :tenant_id AND enabled AND deleted_at IS NULL
""")
_AGENTS = text("SELECT id, external_id, agent_type FROM agents WHERE tenant_id = :tenant_id AND deleted_at IS NULL")
_TARGETS = text("""
    SELECT t.config_id, c.name AS rule, t.agent_id, g.external_id AS agent, count(*) OVER () AS total
    FROM alert_targets t
    JOIN alert_configs c ON c.tenant_id = t.tenant_id AND c.id = t.config_id
    JOIN agents g ON g.tenant_id = t.tenant_id AND g.id = t.agent_id
    WHERE t.tenant_id = :tenant_id AND t.config_id = ANY (:rules) AND t.agent_id = ANY (:agents)
    ORDER BY c.name, g.external_id
    LIMIT :limit
""")


class SilenceState(StrEnum):
    """Where a silence stands."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


def state_of(row: Any, now: datetime) -> SilenceState:
    """Where a silence stands at `now`."""
    if now >= row.ends_at:
        return SilenceState.EXPIRED
    return SilenceState.ACTIVE if now >= row.starts_at else SilenceState.PENDING


async def insert_silence(connection: AsyncConnection, tenant_id: UUID, values: dict[str, Any]) -> None:
    """Add a silence."""
    await connection.execute(insert(Silence).values(tenant_id=tenant_id, **values))


async def update_silence(connection: AsyncConnection, row: Any, values: dict[str, Any]) -> None:
    """Change a locked silence."""
    where = (Silence.tenant_id == row.tenant_id, Silence.id == row.id)
    await connection.execute(update(Silence).where(*where).values(**values))


async def get_silence(connection: AsyncConnection, tenant_id: UUID, silence_id: UUID, *, lock: bool = False) -> Any:
    """The row of a silence. Raises NotFound."""
    query = _select(tenant_id).where(Silence.id == silence_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        raise NotFound("there is no such silence")
    return row


async def list_silences(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    before: UUID | None,
    state: SilenceState | None,
    now: datetime,
) -> Sequence[Any]:
    """Up to `limit + 1` silences, newest first; those in a state."""
    query = _select(tenant_id).order_by(Silence.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Silence.id < before)
    match state:
        case SilenceState.PENDING:
            query = query.where(Silence.starts_at > now, Silence.ends_at > now)
        case SilenceState.ACTIVE:
            query = query.where(Silence.starts_at <= now, Silence.ends_at > now)
        case SilenceState.EXPIRED:
            query = query.where(Silence.ends_at <= now)
    rows: Sequence[Any] = (await connection.execute(query)).all()
    return rows


async def open_alerts(connection: AsyncConnection, tenant_id: UUID, matchers: Sequence[Matcher]) -> list[Any]:
    """The open alerts that matchers match, newest first."""
    rows = await connection.execute(_OPEN, {"tenant_id": tenant_id})
    return [row for row in rows if matches(matchers, _labels(row))]


async def muted_targets(
    connection: AsyncConnection, tenant_id: UUID, matchers: Sequence[Matcher], *, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """The rules x agents whose alerts matchers would withhold, the first `limit` and how many there are.

    What is asked of the agent and what is asked of the rule are looked at apart: rules and agents are read, not each
    with each.
    """
    of_agent = [one for one in matchers if one.name in _OF_AGENT]
    of_rule = [one for one in matchers if one.name not in _OF_AGENT]
    given: dict[str, Any] = {"tenant_id": tenant_id}
    agents = [
        row.id
        for row in await connection.execute(_AGENTS, given)
        if matches(of_agent, {"agent": row.external_id, "agent_type": row.agent_type or ""})
    ]
    some: dict[UUID, bool] = {}
    for row in await connection.execute(_RULES, given):
        varying = _varying(row.conditions)
        fixed = [one for one in of_rule if one.name not in varying]
        if matches(fixed, {**row.labels, "rule": row.name, "severity": row.severity}):
            some[row.id] = len(fixed) < len(of_rule)
    found = (await connection.execute(_TARGETS, given | {"rules": list(some), "agents": agents, "limit": limit})).all()
    items = [{**row._mapping, "some": some[row.config_id]} for row in found]
    return items, found[0].total if found else 0


def _varying(conditions: Any) -> frozenset[str]:
    """The labels whose values only the data knows."""
    try:
        found = leaves(parse_condition(conditions))
    except ConditionError:
        return frozenset()
    return frozenset(name for leaf in found if isinstance(leaf, LabelLeaf) for name in leaf.by)


def _labels(row: Any) -> dict[str, str]:
    return labels_of(
        row.labels,
        agent=row.agent or PLATFORM_AGENT,
        agent_type=row.agent_type,
        rule=row.rule,
        severity=Severity(row.severity),
    )


def _select(tenant_id: UUID) -> Select[Any]:
    return select(*Silence.__table__.columns).where(Silence.tenant_id == tenant_id)
