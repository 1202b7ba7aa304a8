"""Sums of usage by hour: read by any labels, and folded, so that one row is left of many."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database

BATCH = 2_000
"""Sums that one transaction folds."""
AT_ONCE = 50
"""Transactions that one run of the job makes at most: rows are added all the time."""
COUNTS = (
    "calls", "failed", "unpriced", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
    "reasoning_tokens", "cost_usd",
)  # fmt: skip
_LABELS = "agent_id, model, provider, user_ref, workflow, environment"
_KEY = "tenant_id, hour, key"
# Rows that others add meanwhile are not seen, and stay for the next time.
_FOLD = text(f"""
    WITH fresh AS (SELECT DISTINCT {_KEY} FROM usage_hours WHERE NOT folded LIMIT :batch),
    gone AS (
        DELETE FROM usage_hours h USING fresh f
        WHERE h.tenant_id = f.tenant_id AND h.hour = f.hour AND h.key = f.key RETURNING h.*)
    INSERT INTO usage_hours ({_KEY}, folded, {_LABELS}, {", ".join(COUNTS)})
    SELECT {_KEY}, true, {_LABELS}, {", ".join(f"sum({name})" for name in COUNTS)}
    FROM gone GROUP BY {_KEY}, {_LABELS}
    HAVING ({", ".join(f"sum({name})" for name in COUNTS)}) <> ({", ".join("0" for _ in COUNTS)})
""")
_FRESH = text("SELECT EXISTS (SELECT FROM usage_hours WHERE NOT folded)")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('fold usage', 0))")


class Label(StrEnum):
    """What usage is grouped by."""

    AGENT = "agent"
    MODEL = "model"
    PROVIDER = "provider"
    USER = "user"
    WORKFLOW = "workflow"
    ENVIRONMENT = "environment"


class Step(StrEnum):
    """How much time one sum is for."""

    HOUR = "1h"
    DAY = "1d"


_COLUMN = {Label.AGENT: "a.external_id", Label.USER: "h.user_ref"}
_UNIT = {Step.HOUR: "hour", Step.DAY: "day"}


async def read(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    by: Sequence[Label],
    start: datetime,
    end: datetime,
    step: Step | None,
    timezone: str,
    at_most: int,
    agent_id: UUID | None = None,
) -> list[Mapping[str, Any]]:
    """Sums of the whole hours that begin in [start, end), at most so many rows, by time and labels.

    Days are those of `timezone`, as far as its hours are UTC's. `agent_id` None: of all agents.
    """
    at = f"date_trunc('{_UNIT[step]}', h.hour, :timezone)" if step is not None else "CAST(NULL AS timestamptz)"
    labels = [f"nullif({_COLUMN.get(label, f'h.{label}')}, '') AS {_quoted(label)}" for label in by]
    whose = "" if agent_id is None else " AND h.agent_id = :agent_id"
    query = f"""
        SELECT {", ".join([f"{at} AS at", *labels])}, {", ".join(f"sum(h.{name}) AS {name}" for name in COUNTS)}
        FROM usage_hours h LEFT JOIN agents a ON a.tenant_id = h.tenant_id AND a.id = h.agent_id
        WHERE h.tenant_id = :tenant_id AND h.hour >= :start AND h.hour < :end{whose}
        GROUP BY {", ".join(str(number + 1) for number in range(1 + len(by)))}
        HAVING sum(h.calls) <> 0
        ORDER BY {", ".join(str(number + 1) for number in range(1 + len(by)))} LIMIT :at_most
    """
    given = {"tenant_id": tenant_id, "start": start, "end": end, "at_most": at_most}
    if agent_id is not None:
        given["agent_id"] = agent_id
    if step is not None:
        given["timezone"] = timezone
    return [dict(row) for row in (await connection.execute(text(query), given)).mappings()]


def _quoted(label: Label) -> str:
    # USER is a word of SQL.
    return f'"{label}"'


async def fold(db: Database) -> int:
    """Leave one row of those with the same labels and hour; returns how many batches that took."""
    for batch in range(AT_ONCE):
        async with db.alerter() as connection:
            if not (await connection.execute(_ALONE)).scalar() or not (await connection.execute(_FRESH)).scalar():
                return batch
            await connection.execute(_FOLD, {"batch": BATCH})
    return AT_ONCE
