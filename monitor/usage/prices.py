"""Prices in SQL: the tenant's own and the platform's, and what is to be priced anew when one comes or goes."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.ids import PLATFORM_TENANT
from monitor.usage.pricing import ANY, Price, forms
from monitor.usage.tables import ModelPrice

_PRICE = (
    ModelPrice.id, ModelPrice.model, ModelPrice.valid_from, ModelPrice.input, ModelPrice.output, ModelPrice.cache_read,
    ModelPrice.cache_write, ModelPrice.reasoning, (ModelPrice.tenant_id != PLATFORM_TENANT).label("own"),
)  # fmt: skip


async def for_models(connection: AsyncConnection, tenant_id: UUID, models: Collection[str]) -> list[Price]:
    """Every price that one of these models might have, the tenant's and the platform's."""
    names = sorted({name for model in models for name in forms(model)})
    query = select(*_PRICE).where(
        ModelPrice.tenant_id.in_([tenant_id, PLATFORM_TENANT]),
        or_(ModelPrice.model == func.any(names), func.right(ModelPrice.model, 1) == ANY),
    )
    return [Price(**row) for row in (await connection.execute(query)).mappings()]
