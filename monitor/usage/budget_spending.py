"""What was spent of budgets: counted from the ledger when one is made, then kept by triggers and folded by a job."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.ids import uuid7_floor
from monitor.usage.pricing import plain_name
from monitor.usage.tables import BudgetScope, Unit

BATCH = 2_000
"""Sums that one transaction folds."""
AT_ONCE = 50
"""Transactions that one run of the job makes at most."""

_HOUR = timedelta(hours=1)
_KEY = "tenant_id, budget_id, period_start, slot"
_FOLD = text(f"""
    WITH fresh AS (SELECT DISTINCT {_KEY} FROM budget_spending WHERE NOT folded LIMIT :batch),
    gone AS (
        DELETE FROM budget_spending s USING fresh f
        WHERE s.tenant_id = f.tenant_id AND s.budget_id = f.budget_id AND s.period_start = f.period_start
          AND s.slot = f.slot
        RETURNING s.*)
    INSERT INTO budget_spending ({_KEY}, folded, last_at, amount)
    SELECT {_KEY}, true, max(last_at), sum(amount) FROM gone GROUP BY {_KEY} HAVING sum(amount) <> 0
""")
_FRESH = text("SELECT EXISTS (SELECT FROM budget_spending WHERE NOT folded)")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('fold budgets', 0))")
_MODELS = text("SELECT DISTINCT model FROM usage_hours WHERE tenant_id = :tenant_id AND hour >= :start AND model <> ''")

# Whose calls a budget counts: in the sums of hours, and among the calls themselves.
_OF_HOURS = {
    BudgetScope.TENANT: "true", BudgetScope.AGENT: "agent_id = CAST(:target AS uuid)",
    BudgetScope.MODEL: "model = ANY(CAST(:models AS text[]))", BudgetScope.USER: "user_ref = :target",
    BudgetScope.WORKFLOW: "workflow = :target",
}  # fmt: skip
_OF_CALLS = _OF_HOURS | {BudgetScope.MODEL: "model_name = :target"}
_AMOUNT = {Unit.TOKENS: "input_tokens + output_tokens", Unit.COST_USD: "cost_usd"}


def _count(scope: BudgetScope, unit: Unit) -> str:
    return f"""
        INSERT INTO budget_spending ({_KEY}, last_at, amount)
        SELECT :tenant_id, :budget_id, :start, slot, max(slot), sum(amount) FROM (
            SELECT hour AS slot, {_AMOUNT[unit]} AS amount FROM usage_hours
            WHERE tenant_id = :tenant_id AND hour >= :whole AND {_OF_HOURS[scope]}
            UNION ALL
            SELECT CAST(:start AS timestamptz), {_AMOUNT[unit]} FROM model_calls
            WHERE tenant_id = :tenant_id AND id >= :first_id AND started_at >= :start AND started_at < :whole
              AND {_OF_CALLS[scope]}
        ) spent WHERE amount <> 0 GROUP BY slot
    """


async def count_from_ledger(
    connection: AsyncConnection,
    tenant_id: UUID,
    budget_id: UUID,
    *,
    scope: BudgetScope,
    target: str,
    unit: Unit,
    start: datetime,
) -> None:
    """Count what was spent since `start`, when the budget's period began. The caller holds the ledger alone.

    Whole hours from their sums, which outlive the calls; a part of an hour from its calls.
    """
    whole = start.replace(minute=0, second=0, microsecond=0)
    whole = whole if whole == start else whole + _HOUR
    given: dict[str, Any] = {
        "tenant_id": tenant_id,
        "budget_id": budget_id,
        "start": start,
        "whole": whole,
        "first_id": uuid7_floor(start),
    }
    if scope is not BudgetScope.TENANT:
        given["target"] = target
    if scope is BudgetScope.MODEL:
        given["models"] = await _models(connection, tenant_id, target, start)
    await connection.execute(text(_count(scope, unit)), given)


async def _models(connection: AsyncConnection, tenant_id: UUID, name: str, start: datetime) -> Sequence[str]:
    known = await connection.execute(_MODELS, {"tenant_id": tenant_id, "start": start})
    return [model for model in known.scalars() if plain_name(model) == name]


async def fold(db: Database) -> int:
    """Leave one row of those of one budget and time; returns how many batches that took."""
    for batch in range(AT_ONCE):
        async with db.alerter() as connection:
            if not (await connection.execute(_ALONE)).scalar() or not (await connection.execute(_FRESH)).scalar():
                return batch
            await connection.execute(_FOLD, {"batch": BATCH})
    return AT_ONCE
