"""Prices calls anew after a price came or went: in batches, each with its sums in a transaction of its own.

A batch holds the tenant's ledger alone: what others are adding is committed before it or priced by the new price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.ids import PLATFORM_TENANT, uuid7_floor
from monitor.signals import Touch
from monitor.touched import tell
from monitor.usage import ledger, prices
from monitor.usage.model import Call, Tokens
from monitor.usage.pricing import is_of, ranked

BATCH = 2_000
"""Calls that one transaction looks at."""
AT_ONCE = 200
"""Batches that one run of the job makes at most."""

_SHARE_OUT = text("""
    WITH gone AS (DELETE FROM price_changes WHERE tenant_id = :platform RETURNING models, since)
    INSERT INTO price_changes (tenant_id, models, since)
    SELECT t.id, gone.models, gone.since FROM gone, tenants t WHERE t.id <> :platform
""")
_TAKE = text("""
    SELECT tenant_id, id, models, since, done FROM price_changes WHERE tenant_id <> :platform
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_FINISHED = text("DELETE FROM price_changes WHERE tenant_id = :tenant_id AND id = :id")
_GOT_TO = text("UPDATE price_changes SET done = :done WHERE tenant_id = :tenant_id AND id = :id")
_MODELS = text("""
    SELECT DISTINCT model FROM usage_hours
    WHERE tenant_id = :tenant_id AND hour >= date_trunc('hour', CAST(:since AS timestamptz), 'UTC') AND model <> ''
""")
_UP_TO = text("""
    SELECT id FROM model_calls WHERE tenant_id = :tenant_id AND id > :done ORDER BY id OFFSET :batch - 1 LIMIT 1
""")
_CALLS = text("""
    SELECT * FROM model_calls
    WHERE tenant_id = :tenant_id AND id > :done AND (CAST(:up_to AS uuid) IS NULL OR id <= :up_to)
      AND model = ANY(:models) AND cost_source IS DISTINCT FROM 'given'
    ORDER BY id
""")
_SET = text("""
    UPDATE model_calls c SET cost_usd = n.cost_usd, cost_source = n.cost_source, price_id = n.price_id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:costs AS numeric[]), CAST(:sources AS text[]), CAST(:prices AS uuid[]))
         AS n (id, cost_usd, cost_source, price_id)
    WHERE c.tenant_id = :tenant_id AND c.id = ANY(:ids) AND c.id = n.id
""")


@dataclass(frozen=True, slots=True)
class _Change:
    tenant_id: UUID
    id: int
    models: list[str]
    since: datetime
    done: UUID | None


async def run_once(db: Database) -> int:
    """Price anew what is to be, as far as one run goes; returns how many calls changed."""
    async with db.alerter() as connection:
        await connection.execute(_SHARE_OUT, {"platform": PLATFORM_TENANT})
    changed = 0
    for _ in range(AT_ONCE):
        async with db.alerter() as connection:
            row = (await connection.execute(_TAKE, {"platform": PLATFORM_TENANT})).one_or_none()
            if row is None:
                break
            changed += await _step(connection, _Change(*row))
    return changed


async def _step(connection: AsyncConnection, change: _Change) -> int:
    given: dict[str, Any] = {"tenant_id": change.tenant_id, "id": change.id}
    await ledger.own_lock(connection, change.tenant_id)
    known = await connection.execute(_MODELS, given | {"since": change.since})
    models = [model for model in known.scalars() if any(is_of(price, model) for price in change.models)]
    if not models:
        await connection.execute(_FINISHED, given)
        return 0
    span = {"tenant_id": change.tenant_id, "done": change.done or uuid7_floor(change.since), "batch": BATCH}
    up_to = (await connection.execute(_UP_TO, span)).scalar()
    rows = list(await connection.execute(_CALLS, span | {"up_to": up_to, "models": models}))
    changed = await _price(connection, change.tenant_id, rows, models)
    await connection.execute(_FINISHED if up_to is None else _GOT_TO, given | {"done": up_to})
    return changed


async def _price(connection: AsyncConnection, tenant_id: UUID, rows: Sequence[Any], models: Sequence[str]) -> int:
    known = await prices.for_models(connection, tenant_id, models)
    by_model = {model: ranked(known, model) for model in models}
    priced = [ledger.price_of(_call(row), by_model) for row in rows]
    news = [
        (row, each)
        for row, each in zip(rows, priced, strict=True)
        if (row.cost_usd, row.price_id) != (each.cost_usd, each.price and each.price.id)
    ]
    if not news:
        return 0
    await connection.execute(
        _SET,
        {
            "tenant_id": tenant_id,
            "ids": [row.id for row, _ in news],
            "costs": [each.cost_usd for _, each in news],
            "sources": [each.source for _, each in news],
            "prices": [each.price and each.price.id for _, each in news],
        },
    )
    await tell(connection, tenant_id, {row.agent_id for row, _ in news}, Touch.SPENDING)
    await ledger.settle(
        connection,
        tenant_id,
        tasks={row.task_id for row, _ in news if row.task_id is not None},
        executions={row.execution_id for row, _ in news if row.execution_id is not None},
    )
    return len(news)


def _call(row: Any) -> Call:
    tokens = Tokens(
        input=row.input_tokens,
        output=row.output_tokens,
        cache_read=row.cache_read_tokens,
        cache_write=row.cache_write_tokens,
        reasoning=row.reasoning_tokens,
    )
    return Call(id=row.id, agent_id=row.agent_id, model=row.model, tokens=tokens, started_at=row.started_at)
