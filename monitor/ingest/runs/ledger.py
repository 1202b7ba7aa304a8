"""What posted tasks say of tokens and cost, as lines of the ledger: one a task, by the task's own id."""

from collections.abc import Collection, Sequence
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.usage.ledger import Posted, put_calls
from monitor.usage.model import Call, Tokens

_BEFORE = text("""
    SELECT id, agent_id, model, provider, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
           reasoning_tokens, started_at, CASE WHEN cost_source = 'given' THEN cost_usd END AS given_cost
    FROM model_calls WHERE tenant_id = :tenant AND id = ANY (:ids) AND source = 'api'
""")
_WORKFLOWS = text("SELECT id, name FROM workflow_executions WHERE tenant_id = :tenant AND id = ANY (:ids)")


async def calls_before(connection: AsyncConnection, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, Call]:
    """What was said before of these tasks."""
    found = await connection.execute(_BEFORE, {"tenant": tenant_id, "ids": list(ids)})
    return {
        row.id: Call(
            id=row.id,
            agent_id=row.agent_id,
            model=row.model,
            provider=row.provider,
            tokens=Tokens(
                input=row.input_tokens,
                output=row.output_tokens,
                cache_read=row.cache_read_tokens,
                cache_write=row.cache_write_tokens,
                reasoning=row.reasoning_tokens,
            ),
            started_at=row.started_at,
            given_cost=row.given_cost,
        )
        for row in found
    }


async def post_calls(connection: AsyncConnection, tenant_id: UUID, calls: Sequence[Call]) -> Posted:
    """Keep them; the tasks and executions that are stored get their totals."""
    executions = {call.execution_id for call in calls if call.execution_id is not None}
    found = await connection.execute(_WORKFLOWS, {"tenant": tenant_id, "ids": list(executions)})
    called = {row.id: row.name for row in found}
    return await put_calls(
        connection,
        tenant_id,
        [replace(call, workflow=called.get(call.execution_id) if call.execution_id else None) for call in calls],
    )
