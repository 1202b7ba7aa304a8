"""The ledger: calls of models, priced and kept once, and what they come to by task and execution.

Whoever adds calls holds the tenant's lock in a shared mode, and whoever changes what counts (prices, budgets) holds it
alone: so nobody counts by what was true a moment ago. Sums by hour and what was spent of budgets are kept by triggers
on `model_calls`; those of tasks and executions that are stored already are set here, in the same transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.signals import Touch
from monitor.touched import tell
from monitor.usage import columns, prices
from monitor.usage.model import Call, Total
from monitor.usage.pricing import Price, cost, ranked, sound, valid
from monitor.usage.tables import CallSource, CostSource

_WHERE = "id, task_id, execution_id, agent_id, model, started_at"
_BEFORE = text(f"SELECT {_WHERE} FROM model_calls WHERE tenant_id = :tenant_id AND id = ANY(:ids)")
_REMOVE = text(f"""
    DELETE FROM model_calls c
    WHERE tenant_id = :tenant_id AND trace_id = ANY(:traces) AND source = 'trace'
      AND NOT EXISTS (SELECT FROM unnest(CAST(:ids AS uuid[])) AS kept (id) WHERE kept.id = c.id)
    RETURNING {_WHERE}
""")
_SHARE = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 0))")
_OWN = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
# The rows are locked first: the statement after it sees what others committed to the ledger meanwhile.
_LOCK = "SELECT id FROM {table} WHERE tenant_id = :tenant_id AND id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"
_TOTALS = """
    SELECT {column} AS id, count(*) AS calls, sum(input_tokens)::bigint AS input_tokens,
           sum(output_tokens)::bigint AS output_tokens, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM model_calls WHERE tenant_id = :tenant_id AND {column} = ANY(:ids) GROUP BY {column}
"""
_NEW = """
    unnest(CAST(:ids AS uuid[]), CAST(:calls AS bigint[]), CAST(:input AS bigint[]), CAST(:output AS bigint[]),
           CAST(:cost AS numeric[])) AS n (id, calls, input_tokens, output_tokens, cost_usd)
"""
_SET_TASKS = text(f"""
    UPDATE tasks t SET calls = n.calls, input_tokens = n.input_tokens, output_tokens = n.output_tokens,
        tokens_used = n.input_tokens + n.output_tokens, cost_usd = n.cost_usd
    FROM {_NEW}
    WHERE t.tenant_id = :tenant_id AND t.id = ANY(:ids) AND t.id = n.id
      AND (t.calls, t.input_tokens, t.output_tokens, t.cost_usd)
          <> (n.calls, n.input_tokens, n.output_tokens, n.cost_usd)
""")
_SET_EXECUTIONS = text(f"""
    UPDATE workflow_executions t SET total_tokens = n.input_tokens + n.output_tokens, total_cost_usd = n.cost_usd
    FROM {_NEW}
    WHERE t.tenant_id = :tenant_id AND t.id = ANY(:ids) AND t.id = n.id
      AND (t.total_tokens, t.total_cost_usd) <> (n.input_tokens + n.output_tokens, n.cost_usd)
""")


class Place(msgspec.Struct, frozen=True):
    """Where a call stood in the series of its agent."""

    agent_id: UUID
    model: str | None
    at: datetime


class Priced(msgspec.Struct, frozen=True):
    """A call as it stands in the ledger. `cost_usd` is None while nobody knows the price."""

    call: Call
    cost_usd: Decimal | None
    price: Price | None = None

    @property
    def source(self) -> CostSource | None:
        """Who said what it costs."""
        if self.cost_usd is None:
            return None
        return CostSource.GIVEN if self.price is None else CostSource.PRICED

    @property
    def price_id(self) -> UUID | None:
        """By which price."""
        return None if self.price is None else self.price.id


class Posted(msgspec.Struct, frozen=True):
    """What came of calls that were put into the ledger.

    `tasks` and `executions`: totals of all whose calls came, changed or went, and of those asked for.
    `gone`: where calls stood that are no longer, or no longer there.
    """

    tasks: Mapping[UUID, Total] = {}
    executions: Mapping[UUID, Total] = {}
    calls: tuple[Priced, ...] = ()
    gone: tuple[Place, ...] = ()


async def put_calls(
    connection: AsyncConnection,
    tenant_id: UUID,
    calls: Iterable[Call],
    *,
    trace_ids: Collection[str] | None = None,
    tasks: Iterable[UUID] = (),
    executions: Iterable[UUID] = (),
) -> Posted:
    """Price calls and keep them, once each however often they come.

    `trace_ids`: the calls are all that these traces have, and whatever else was made of them goes. Without it they come
    from a caller of the API. `tasks`, `executions`: of these, too, the totals are wanted, zero where they have none.
    A cost that is given wins over a computed one. Rows of tasks and executions that are stored get their totals here;
    whoever stores new ones afterwards takes them from the answer. One who does this for several tenants in one
    transaction goes by their ids, so that nobody waits for somebody who waits for them.
    """
    await share_lock(connection, tenant_id)
    raw = await connection.get_raw_connection()
    driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
    rows = sorted({call.id: sound(call) for call in calls}.values(), key=lambda call: call.id)
    priced = await _price(connection, tenant_id, rows)
    ids = arrays.uuids([call.id for call in rows])
    before: list[Any] = []
    if rows:
        before += await connection.execute(_BEFORE, {"tenant_id": tenant_id, "ids": ids})
    moved = _moved(before, rows)
    if trace_ids:
        given = {"tenant_id": tenant_id, "traces": sorted(trace_ids), "ids": ids}
        removed = list(await connection.execute(_REMOVE, given))
        before, moved = before + removed, moved + [_place(row) for row in removed]
    if rows:
        source = CallSource.API if trace_ids is None else CallSource.TRACE
        await driver.execute(columns.UPSERT, [tenant_id, str(source), *columns.columns(priced)])
    spenders = {call.agent_id for call in rows} | {place.agent_id for place in moved}
    await tell(connection, tenant_id, spenders, Touch.SPENDING)
    totals = await settle(
        connection,
        tenant_id,
        tasks={*tasks, *(row.task_id for row in (*rows, *before) if row.task_id)},
        executions={*executions, *(row.execution_id for row in (*rows, *before) if row.execution_id)},
    )
    return Posted(*totals, tuple(priced), tuple(moved))


async def share_lock(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Until the end of the transaction nobody changes what the tenant's calls are counted by."""
    await connection.execute(_SHARE, {"key": f"usage {tenant_id}"})


async def own_lock(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Until the end of the transaction nobody adds to the tenant's ledger, and all that was added is to be seen."""
    await connection.execute(_OWN, {"key": f"usage {tenant_id}"})


async def _price(connection: AsyncConnection, tenant_id: UUID, calls: Sequence[Call]) -> list[Priced]:
    models = {call.model for call in calls if call.given_cost is None and call.model}
    known = await prices.for_models(connection, tenant_id, models) if models else []
    by_model = {model: ranked(known, model) for model in models}
    return [price_of(call, by_model) for call in calls]


def price_of(call: Call, by_model: Mapping[str, Sequence[Price]]) -> Priced:
    """A call with its cost: the given one, else by the price of its model at its time. Prices are ranked, by model."""
    if call.given_cost is not None:
        return Priced(call, call.given_cost)
    price = valid(by_model[call.model], call.started_at) if call.model else None
    return Priced(call, None if price is None else cost(call.tokens, price), price)


def _place(row: Any) -> Place:
    return Place(row.agent_id, row.model, row.started_at)


def _moved(before: Sequence[Any], calls: Sequence[Call]) -> list[Place]:
    now = {call.id: Place(call.agent_id, call.model, call.started_at) for call in calls}
    return [_place(row) for row in before if now[row.id] != _place(row)]


async def settle(
    connection: AsyncConnection, tenant_id: UUID, *, tasks: Collection[UUID], executions: Collection[UUID]
) -> tuple[Mapping[UUID, Total], Mapping[UUID, Total]]:
    """Set the totals of stored tasks and executions to what their calls come to; returns them, zero for no call."""
    return (
        await _settle(connection, tenant_id, tasks, ("tasks", "task_id", _SET_TASKS)),
        await _settle(connection, tenant_id, executions, ("workflow_executions", "execution_id", _SET_EXECUTIONS)),
    )


async def _settle(
    connection: AsyncConnection, tenant_id: UUID, ids: Collection[UUID], kind: tuple[str, str, Any]
) -> Mapping[UUID, Total]:
    if not ids:
        return {}
    table, column, update = kind
    wanted = sorted(ids)
    given = {"tenant_id": tenant_id, "ids": wanted}
    stored = list(await connection.execute(text(_LOCK.format(table=table)), given))
    found = await connection.execute(text(_TOTALS.format(column=column)), given)
    totals: dict[UUID, Total] = dict.fromkeys(wanted, Total())
    totals |= {row.id: Total(row.calls, row.input_tokens, row.output_tokens, row.cost_usd) for row in found}
    if stored:
        new = [(row.id, totals[row.id]) for row in stored]
        await connection.execute(
            update,
            {
                "tenant_id": tenant_id,
                "ids": [row_id for row_id, _ in new],
                "calls": [total.calls for _, total in new],
                "input": [total.input_tokens for _, total in new],
                "output": [total.output_tokens for _, total in new],
                "cost": [total.cost_usd for _, total in new],
            },
        )
    return totals
