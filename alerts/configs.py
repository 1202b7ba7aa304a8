"""Rules as people write them: rows of `alert_configs` and their versions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.covering import cover, is_covered, is_secret_address
from alerts.core.due import is_sifted, kinds_read
from alerts.core.matching import parse_selector
from alerts.core.rule import Rule, parse_rule
from alerts.core.vocabulary import ChannelKind
from alerts.tables import AlertConfig, AlertConfigVersion
from monitor.agents.tables import Agent
from monitor.errors import NotFound

TIMING = ("for", "keep_firing_for", "repeat", "escalate", "flapping")
_HIDDEN = "********"
_KINDS = frozenset(map(str, ChannelKind))


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule to be stored: its columns, and what the core has made of them."""

    rule: Rule
    columns: Mapping[str, Any]


def draft(raw: Mapping[str, Any], *, agent_id: UUID | None, shown: bool = False) -> Draft:
    """Check a rule's fields. Raises ConditionError with the path of the first fault. `shown`: see `parse_rule`."""
    given = {name: value for name, value in raw.items() if value is not None}
    check_storable(given)
    rule = parse_rule(given, shown=shown)
    if "selector" in given:
        parse_selector(given["selector"])
    columns = {
        "agent_id": agent_id,
        "selector": given.get("selector"),
        "name": given["name"],
        "conditions": given["conditions"],
        "timing": {name: given[name] for name in TIMING if name in given},
        "channels": given.get("channels", {}),
        "severity": str(rule.severity),
        "labels": dict(rule.labels),
        "runbook": given.get("runbook"),
        "owner": given.get("owner"),
        "enabled": raw["enabled"],
        "reads": int(kinds_read(rule.condition)),
        "sifted": is_sifted(rule.condition),
    }
    return Draft(rule, columns)


async def insert_rule(
    connection: AsyncConnection, tenant_id: UUID, rule_id: UUID, made: Draft, *, actor: str, now: datetime
) -> None:
    """Add a rule. The next tick finds its agents."""
    times = {"created_at": now, "updated_at": now, "created_by": actor}
    await connection.execute(insert(AlertConfig).values(tenant_id=tenant_id, id=rule_id, **made.columns, **times))


async def update_rule(
    connection: AsyncConnection, row: Any, changes: Mapping[str, Any], *, condition_changed: bool
) -> None:
    """Change a locked rule and count its version up. The next tick finds its agents anew."""
    await connection.execute(
        update(AlertConfig)
        .where(AlertConfig.tenant_id == row.tenant_id, AlertConfig.id == row.id)
        .values(
            **changes,
            version=row.version + 1,
            condition_version=row.condition_version + int(condition_changed),
            last_error=None,
        )
    )


async def get_rule(
    connection: AsyncConnection, tenant_id: UUID, rule_id: UUID, *, lock: bool = False, deleted: bool = False
) -> Any:
    """A row of `alert_configs` with its agent's external id as `agent`. Raises NotFound.

    `lock`: against changes by others until the transaction ends. `deleted`: a deleted rule too.
    """
    query = _select().where(AlertConfig.tenant_id == tenant_id, AlertConfig.id == rule_id)
    if not deleted:
        query = query.where(AlertConfig.deleted_at.is_(None))
    if lock:
        # Not FOR UPDATE: rows that refer to the rule may still be added.
        query = query.with_for_update(key_share=True, of=AlertConfig)
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound("there is no such rule")
    return row


async def list_rules(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    after: UUID | None,
    agent_id: UUID | None = None,
    enabled: bool | None = None,
) -> Sequence[Any]:
    """Up to `limit + 1` rules, newest first. `agent_id`: those that name this agent."""
    query = _select().where(AlertConfig.tenant_id == tenant_id, AlertConfig.deleted_at.is_(None))
    query = query.order_by(AlertConfig.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(AlertConfig.id < after)
    if agent_id is not None:
        query = query.where(AlertConfig.agent_id == agent_id)
    if enabled is not None:
        query = query.where(AlertConfig.enabled.is_(enabled))
    return (await connection.execute(query)).all()


async def insert_version(connection: AsyncConnection, row: Any, *, actor: str, now: datetime) -> None:
    """Record a rule as it stands, without its secrets."""
    rule = {
        **{name: getattr(row, name) for name in ("name", "agent", "selector", "conditions", "severity", "labels")},
        **{name: getattr(row, name) for name in ("runbook", "owner", "enabled")},
        **without_secrets(row.timing),
        "channels": without_secrets(row.channels),
        "deleted": row.deleted_at is not None,
    }
    await connection.execute(
        insert(AlertConfigVersion).values(
            tenant_id=row.tenant_id,
            config_id=row.id,
            version=row.version,
            rule=rule,
            changed_by=actor,
            changed_at=now,
        )
    )


async def list_versions(connection: AsyncConnection, tenant_id: UUID, rule_id: UUID) -> Sequence[Any]:
    """All versions of a rule, newest first; those of a deleted rule too. Raises NotFound."""
    query = (
        select(AlertConfigVersion)
        .where(AlertConfigVersion.tenant_id == tenant_id, AlertConfigVersion.config_id == rule_id)
        .order_by(AlertConfigVersion.version.desc())
    )
    rows = (await connection.execute(query)).all()
    if not rows:
        raise NotFound("there is no such rule")
    return rows


def check_storable(raw: Any) -> None:
    """Raise ConditionError for texts that PostgreSQL cannot hold and that the core lets through."""
    try:
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ConditionError("", "half of a character pair cannot be stored") from None


def without_secrets(raw: Any) -> Any:
    """Channels, or anything that holds some, with every secret covered, and every address that is one."""
    if isinstance(raw, Mapping):
        return {
            name: _HIDDEN if name == "secret" else without_secrets(_covered(name, value)) for name, value in raw.items()
        }
    return [without_secrets(value) for value in raw] if isinstance(raw, list) else raw


def with_secrets(raw: Any, stored: Any) -> Any:
    """Channels as a caller sends them back: what is covered is filled in from `stored`."""
    return _uncovered(raw, dict(_secrets(stored)))


def _covered(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_covered(name, one) for one in value]
    # A webhook with what signs is {"url": …, "secret": …}.
    kind = ChannelKind.WEBHOOK if name == "url" else name
    secret = isinstance(value, str) and kind in _KINDS and is_secret_address(ChannelKind(kind), value)
    return cover(value) if secret else value


def _uncovered(raw: Any, known: Mapping[str, str]) -> Any:
    if isinstance(raw, Mapping):
        made = {name: _uncovered(value, known) for name, value in raw.items()}
        if made.get("secret") == _HIDDEN:
            made["secret"] = known.get(f"{_HIDDEN} {made.get('url')}", _HIDDEN)
        return made
    if isinstance(raw, list):
        return [_uncovered(value, known) for value in raw]
    return known.get(raw, raw) if isinstance(raw, str) and is_covered(raw) else raw


def _secrets(raw: Any, under: str = "") -> list[tuple[str, str]]:
    """What is covered, as it is shown (what signs for a webhook: with its URL), with what it stands for."""
    if isinstance(raw, Mapping):
        pairs = [pair for name, value in raw.items() for pair in _secrets(value, name)]
        signs = "secret" in raw and "url" in raw
        return [*pairs, (f"{_HIDDEN} {raw['url']}", raw["secret"])] if signs else pairs
    if isinstance(raw, list):
        return [pair for value in raw for pair in _secrets(value, under)]
    shown = _covered(under, raw)
    return [(shown, raw)] if shown != raw else []


def _select() -> Any:
    agent = Agent.external_id.label("agent")
    return select(*AlertConfig.__table__.columns, agent).outerjoin(
        Agent, (Agent.tenant_id == AlertConfig.tenant_id) & (Agent.id == AlertConfig.agent_id)
    )
