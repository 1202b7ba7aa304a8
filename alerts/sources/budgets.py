"""What agents have spent in a period so far, added up from the ledger's hours."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import TextClause, text

from alerts.core.condition import BudgetLeaf
from alerts.core.labels import make_labels
from alerts.core.reading import Reading
from alerts.core.spending import bounds, forecast, recent_since
from alerts.core.terms import SpendingUnit
from alerts.sources.base import Batch, Shape, Source
from monitor.ids import uuid7_floor

_HOUR = timedelta(hours=1)
COLUMNS = {
    "model": "model", "provider": "provider", "user": "user_ref", "workflow": "workflow", "environment": "environment",
}  # fmt: skip
"""Where the ledger has the labels of calls."""

AMOUNT = {SpendingUnit.TOKENS: "input_tokens + output_tokens", SpendingUnit.COST_USD: "cost_usd"}
UNPRICED = {SpendingUnit.TOKENS: "0", SpendingUnit.COST_USD: "unpriced"}


def _spent(leaf: BudgetLeaf, *, whole: bool) -> TextClause:
    """Whole hours from their sums; a part of an hour at the start, as half-hour time zones have it, from its calls."""
    names = [COLUMNS[name] for name in leaf.by]
    picked = "".join(f", {name}" for name in names)
    asked = "".join(f" AND {COLUMNS[name]} = :where_{name}" for name, _ in leaf.where)
    part = f"""
        UNION ALL
        SELECT CAST(:start AS timestamptz), coalesce({AMOUNT[leaf.budget]}, 0), calls - priced, calls {picked}
        FROM (
            SELECT input_tokens, output_tokens, cost_usd, 1 AS calls, (cost_usd IS NOT NULL)::int AS priced,
                   coalesce(model, '') AS model, coalesce(provider, '') AS provider,
                   coalesce(user_ref, '') AS user_ref, coalesce(workflow, '') AS workflow,
                   coalesce(environment, '') AS environment
            FROM model_calls c
            WHERE c.tenant_id = d.tenant_id AND c.agent_id = d.agent_id AND c.id >= :first_id AND c.id < :whole_id
              AND c.started_at >= :start AND c.started_at < :whole) AS c
        WHERE true {asked}
    """
    return text(f"""
        SELECT d.tenant_id, d.agent_id, s.*
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
        CROSS JOIN LATERAL (
            SELECT sum(amount) AS spent, coalesce(sum(amount) FILTER (WHERE hour >= :recent), 0) AS recent,
                   sum(unpriced) AS unpriced, sum(calls) AS calls {picked}
            FROM (
                SELECT hour, {AMOUNT[leaf.budget]} AS amount, {UNPRICED[leaf.budget]} AS unpriced, calls {picked}
                FROM usage_hours h
                WHERE h.tenant_id = d.tenant_id AND h.agent_id = d.agent_id AND h.hour >= :whole {asked}
                {"" if whole else part}
            ) AS spent {"GROUP BY " + ", ".join(names) if names else ""}) AS s
    """)


async def _read(batch: Batch[BudgetLeaf]) -> None:
    leaf = batch.leaf
    start, end = bounds(leaf.period, leaf.timezone, batch.now)
    floor = start.replace(minute=0, second=0, microsecond=0)
    whole = floor if floor == start else floor + _HOUR
    given: dict[str, Any] = {"whole": whole, "recent": recent_since(start, batch.now)}
    given |= {f"where_{name}": value for name, value in leaf.where}
    if whole != start:
        given |= {"start": start, "first_id": uuid7_floor(start), "whole_id": uuid7_floor(whole)}
    for row in await batch.rows(_spent(leaf, whole=whole == start), batch.agents | given):
        labels = make_labels((name, getattr(row, COLUMNS[name])) for name in leaf.by)
        for each in batch.by_agent[row.tenant_id, row.agent_id]:
            reading = _reading(each, row, start, end, batch.now)
            batch.facts.sets[each, (row.tenant_id, row.agent_id)][labels] = reading


def _reading(leaf: BudgetLeaf, row: Any, start: datetime, end: datetime, now: datetime) -> Reading:
    spent, calls, unpriced = float(row.spent or 0), int(row.calls or 0), int(row.unpriced or 0)
    notes = [forecast(leaf, spent, float(row.recent), start=start, end=end, now=now)] if spent else []
    if unpriced:
        notes.append(f"the price of {unpriced} of {calls} calls is not known")
    return Reading(
        value=None if calls and unpriced == calls else spent,
        count=max(1, calls),
        last_at=start,
        changes_at=end,
        note="; ".join(notes),
    )


def _shape(leaf: BudgetLeaf) -> Shape:
    return (BudgetLeaf, leaf.budget, leaf.period, leaf.timezone, leaf.by, leaf.where)


SOURCE = Source(_shape, _read)
