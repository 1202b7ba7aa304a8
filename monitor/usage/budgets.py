"""Budgets in SQL: made and changed, where they stand, and parts of them reserved.

What is reserved counts as spent until it expires, or until calls spend it: a call takes its cost or tokens off the
reservation that it names, else off those of its agent that were open when it began, the oldest first. So a call and
its reservation are counted together only from when the call is made to when it is told of, and what is never spent
only until the reservation expires. Calls of agents that reserve nothing take nothing off.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.usage import budget_spending, ledger
from monitor.usage.tables import Budget, BudgetReservation, BudgetScope, BudgetSpending, Period, Unit
from monitor.usage.verdict import Standing

_START = "date_trunc(b.period, CAST(:now AS timestamptz), b.timezone)"
# An hour ends an hour later, on the days too when clocks are changed; a day when the next one begins.
_STANDING = text(f"""
    SELECT b.id, b.name, b.scope, b.target, a.external_id AS agent, b.unit, b.period, b.timezone,
           b.limit_amount AS limit, b.warn_at, b.enabled, p.starts_at,
           CASE b.period WHEN 'hour' THEN p.starts_at + interval '1 hour'
                ELSE ((p.starts_at AT TIME ZONE b.timezone) + ('1 ' || b.period)::interval) AT TIME ZONE b.timezone
           END AS resets_at,
           coalesce(s.spent, 0) AS spent, coalesce(r.reserved, 0) AS reserved, coalesce(s.recent, 0) AS recent,
           p.recent_since
    FROM budgets b
    CROSS JOIN LATERAL (
        SELECT {_START} AS starts_at,
               date_trunc('hour', CAST(:now AS timestamptz) - interval '1 hour', 'UTC') AS recent_since
    ) p
    LEFT JOIN agents a ON a.tenant_id = b.tenant_id AND a.id = b.agent_id
    LEFT JOIN LATERAL (
        SELECT sum(x.amount) AS spent, sum(x.amount) FILTER (WHERE x.slot >= p.recent_since) AS recent
        FROM budget_spending x
        WHERE x.tenant_id = b.tenant_id AND x.budget_id = b.id AND x.period_start = p.starts_at
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT sum(y.amount - y.settled) AS reserved FROM budget_reservations y
        WHERE y.tenant_id = b.tenant_id AND y.budget_id = b.id AND y.expires_at > :now
    ) r ON true
    WHERE b.tenant_id = :tenant_id AND b.id = ANY(:ids)
    ORDER BY b.id
""")
_EXHAUSTED = text("""
    SELECT min(last_at) FROM (
        SELECT last_at, sum(amount) OVER (ORDER BY slot) AS total FROM (
            SELECT slot, max(last_at) AS last_at, sum(amount) AS amount FROM budget_spending
            WHERE tenant_id = :tenant_id AND budget_id = :budget_id AND period_start = :start GROUP BY slot
        ) slots
    ) totals WHERE total >= :limit
""")
_APPLY = """
    SELECT id FROM budgets WHERE tenant_id = :tenant_id AND enabled
      AND (scope, target) IN (SELECT * FROM unnest(CAST(:scopes AS text[]), CAST(:targets AS text[])))
    ORDER BY id
"""
_AGENT = text("SELECT id FROM agents WHERE tenant_id = :tenant_id AND external_id = :name")
_PERIOD = text(f"SELECT {_START} FROM budgets b WHERE b.tenant_id = :tenant_id AND b.id = :id")


async def find_agent(connection: AsyncConnection, tenant_id: UUID, name: str) -> UUID | None:
    """An agent by its external id."""
    found: UUID | None = (await connection.execute(_AGENT, {"tenant_id": tenant_id, "name": name})).scalar()
    return found


async def list_ids(connection: AsyncConnection, tenant_id: UUID, *, limit: int, after: UUID | None) -> Sequence[UUID]:
    """`limit + 1` ids of budgets in order, those after `after`."""
    query = select(Budget.id).where(Budget.tenant_id == tenant_id).order_by(Budget.id).limit(limit + 1)
    if after is not None:
        query = query.where(Budget.id > after)
    return list((await connection.execute(query)).scalars())


async def applying(
    connection: AsyncConnection, tenant_id: UUID, whose: Mapping[BudgetScope, str], *, lock: bool
) -> Sequence[UUID]:
    """Budgets in force for calls of this agent, model, user and workflow, and the tenant's.

    `lock`: nobody else reserves of them until the end of the transaction.
    """
    targets = {BudgetScope.TENANT: ""} | dict(whose)
    given = {"tenant_id": tenant_id, "scopes": list(targets), "targets": list(targets.values())}
    # FOR NO KEY UPDATE: rows that refer to the budget may still be written.
    query = text(_APPLY + (" FOR NO KEY UPDATE" if lock else ""))
    return list((await connection.execute(query, given)).scalars())


async def hold(connection: AsyncConnection, tenant_id: UUID, budget_id: UUID) -> None:
    """Nobody else reserves of one budget until the end of the transaction."""
    query = select(Budget.id).where(Budget.tenant_id == tenant_id, Budget.id == budget_id)
    await connection.execute(query.with_for_update(key_share=True))


async def standings(
    connection: AsyncConnection, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime
) -> list[Standing]:
    """Where budgets stand, by their ids."""
    if not ids:
        return []
    rows = await connection.execute(_STANDING, {"tenant_id": tenant_id, "ids": list(ids), "now": now})
    return [await _standing(connection, tenant_id, row) for row in rows.mappings().all()]


async def _standing(connection: AsyncConnection, tenant_id: UUID, row: RowMapping) -> Standing:
    exhausted_at = None
    if row["spent"] >= row["limit"]:
        given = {
            "tenant_id": tenant_id, "budget_id": row["id"], "start": row["starts_at"], "limit": row["limit"],
        }  # fmt: skip
        # One with nothing to spend is exhausted from its start.
        exhausted_at = (await connection.execute(_EXHAUSTED, given)).scalar() or row["starts_at"]
    return Standing(
        **{
            **row,
            "scope": BudgetScope(row["scope"]),
            "unit": Unit(row["unit"]),
            "period": Period(row["period"]),
            "exhausted_at": exhausted_at,
        }
    )


async def get_standing(connection: AsyncConnection, tenant_id: UUID, budget_id: UUID, *, now: datetime) -> Standing:
    """Where one budget stands. Raises NotFound."""
    found = await standings(connection, tenant_id, [budget_id], now=now)
    if not found:
        raise NotFound("there is no such budget")
    return found[0]


async def read_budget(
    connection: AsyncConnection, tenant_id: UUID, budget_id: UUID, *, lock: bool = False
) -> dict[str, Any]:
    """The stored row, without what was spent. Raises NotFound."""
    table = Budget.metadata.tables[Budget.__tablename__]
    query = select(table).where(table.c.tenant_id == tenant_id, table.c.id == budget_id)
    # Not FOR UPDATE: what is spent of it may still be added.
    query = query.with_for_update(key_share=True) if lock else query
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such budget")
    return dict(row)


async def insert_budget(
    connection: AsyncConnection, tenant_id: UUID, budget_id: UUID, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Make a budget and count what was spent of it in its period so far. Raises Conflict where there is such a one."""
    await ledger.own_lock(connection, tenant_id)
    await connection.execute(insert(Budget).values(tenant_id=tenant_id, id=budget_id, **values))
    start = (await connection.execute(_PERIOD, {"tenant_id": tenant_id, "id": budget_id, "now": now})).scalar_one()
    await budget_spending.count_from_ledger(
        connection,
        tenant_id,
        budget_id,
        scope=BudgetScope(values["scope"]),
        target=values["target"],
        unit=Unit(values["unit"]),
        start=start,
    )


async def update_budget(
    connection: AsyncConnection, tenant_id: UUID, budget_id: UUID, values: Mapping[str, Any]
) -> None:
    """Change its limit, when it warns, its name, or whether it is in force."""
    await connection.execute(
        update(Budget).where(Budget.tenant_id == tenant_id, Budget.id == budget_id).values(dict(values))
    )


async def delete_budget(connection: AsyncConnection, tenant_id: UUID, budget_id: UUID) -> dict[str, Any]:
    """Forget a budget, what was spent of it and what was reserved; as it was stored. Raises NotFound."""
    await ledger.own_lock(connection, tenant_id)
    old = await read_budget(connection, tenant_id, budget_id, lock=True)
    await connection.execute(delete(Budget).where(Budget.tenant_id == tenant_id, Budget.id == budget_id))
    await connection.execute(
        delete(BudgetSpending).where(BudgetSpending.tenant_id == tenant_id, BudgetSpending.budget_id == budget_id)
    )
    return old


async def insert_reservation(
    connection: AsyncConnection,
    tenant_id: UUID,
    reservation_id: UUID,
    amounts: Mapping[UUID, Decimal],
    *,
    agent_id: UUID | None,
    now: datetime,
    until: datetime,
) -> None:
    """Reserve an amount of each of these budgets, for an agent or whoever names the reservation."""
    common = {
        "tenant_id": tenant_id, "id": reservation_id, "agent_id": agent_id, "created_at": now, "expires_at": until,
    }  # fmt: skip
    rows = [common | {"budget_id": budget_id, "amount": amount} for budget_id, amount in amounts.items()]
    await connection.execute(insert(BudgetReservation), rows)


async def release(
    connection: AsyncConnection, tenant_id: UUID, reservation_id: UUID, *, now: datetime, agent_id: UUID | None = None
) -> None:
    """End a reservation: what is left of it may be spent by others. `agent_id`: only if it is this agent's.

    Raises NotFound.
    """
    query = (
        update(BudgetReservation)
        .where(BudgetReservation.tenant_id == tenant_id, BudgetReservation.id == reservation_id)
        .values(expires_at=text("least(expires_at, :now)").bindparams(now=now))
    )
    if agent_id is not None:
        query = query.where(BudgetReservation.agent_id == agent_id)
    if not (await connection.execute(query)).rowcount:
        raise NotFound("there is no such reservation")
