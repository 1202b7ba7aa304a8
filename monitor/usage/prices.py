"""Prices in SQL: the tenant's own and the platform's, and what is to be priced anew when one comes or goes."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.errors import InvalidInput, NotFound
from monitor.ids import PLATFORM_TENANT, microseconds, uuid7_named
from monitor.usage import lists
from monitor.usage.pricing import ANY, MAX_TEXT, PLACES, Price, forms
from monitor.usage.tables import ModelPrice, PriceChange, PriceSource

AMOUNTS = ("input", "output", "cache_read", "cache_write", "reasoning")
MAX_PRICE = Decimal(10_000)
"""US dollars for a million tokens that a price may say at most."""

_PRICE = (
    ModelPrice.id, ModelPrice.model, ModelPrice.valid_from, ModelPrice.input, ModelPrice.output, ModelPrice.cache_read,
    ModelPrice.cache_write, ModelPrice.reasoning, (ModelPrice.tenant_id != PLATFORM_TENANT).label("own"),
)  # fmt: skip
_UNPRICED = text("""
    SELECT model, count(*) AS calls, sum(input_tokens)::bigint AS input_tokens,
           sum(output_tokens)::bigint AS output_tokens,
           min(started_at) AS first_seen_at, max(started_at) AS last_seen_at
    FROM model_calls WHERE tenant_id = :tenant_id AND cost_usd IS NULL
    GROUP BY model ORDER BY calls DESC, model LIMIT :at_most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A price as people write it: US dollars for a million tokens."""

    model: str
    valid_from: datetime
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow(Listed):
    """A price as it is stored."""

    id: UUID
    source: PriceSource


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Calls of a model that nobody knows the price of. `model` is None where the calls name none."""

    model: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    first_seen_at: datetime
    last_seen_at: datetime


def shipped() -> list[Listed]:
    """The list that comes with the product."""
    return parse(lists.shipped("prices"))


def parse(document: str) -> list[Listed]:
    """Prices in TOML, as `prices.toml` is written. Raises InvalidInput, which names the fault."""
    found = [_listed(row, f"prices.{number}") for number, row in enumerate(lists.rows_of(document, "prices"))]
    keys = Counter((row.model, row.valid_from) for row in found)
    if twice := [model for (model, _from), times in keys.items() if times > 1]:
        raise InvalidInput(f"{twice[0]} stands there twice for the same time", path="prices")
    return found


def _listed(row: Any, path: str) -> Listed:
    if not isinstance(row, dict) or not {"model", "from", "input", "output"} <= row.keys():
        raise InvalidInput("model, from, input and output are needed", path=path)
    unknown = row.keys() - {"model", "from", "provider", *AMOUNTS}
    if unknown:
        raise InvalidInput(f"{min(unknown)} is not known", path=path)
    begin = row["from"]
    if isinstance(begin, date) and not isinstance(begin, datetime):
        begin = datetime(begin.year, begin.month, begin.day, tzinfo=UTC)
    if not isinstance(begin, datetime) or begin.tzinfo is None:
        raise InvalidInput("a date, or a time with its zone, is expected", path=f"{path}.from")
    amounts = {name: _amount(row[name], f"{path}.{name}") for name in AMOUNTS if name in row}
    return Listed(model=key_of(str(row["model"]), path), valid_from=begin, provider=row.get("provider"), **amounts)


def _amount(value: Any, path: str) -> Decimal:
    given = Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else Decimal("NaN")
    if not (given.is_finite() and 0 <= given <= MAX_PRICE and given == given.quantize(PLACES)):
        raise InvalidInput("US dollars for a million tokens are expected, to ten decimal places", path=path)
    return given


def key_of(model: str, path: str = "model") -> str:
    """The name under which a price is stored. Raises InvalidInput."""
    name = model.strip().lower()
    if not 0 < len(name) <= MAX_TEXT or ANY in name[:-1]:
        raise InvalidInput(f"a name of at most {MAX_TEXT} characters, with {ANY} at its end only", path=path)
    return name


async def for_models(connection: AsyncConnection, tenant_id: UUID, models: Collection[str]) -> list[Price]:
    """Every price that one of these models might have, the tenant's and the platform's."""
    names = sorted({name for model in models for name in forms(model)})
    query = select(*_PRICE).where(
        ModelPrice.tenant_id.in_([tenant_id, PLATFORM_TENANT]),
        or_(ModelPrice.model == func.any(names), func.right(ModelPrice.model, 1) == ANY),
    )
    return [Price(**row) for row in (await connection.execute(query)).mappings()]


_ROW = (
    ModelPrice.id, ModelPrice.model, ModelPrice.valid_from, ModelPrice.input, ModelPrice.output, ModelPrice.cache_read,
    ModelPrice.cache_write, ModelPrice.reasoning, ModelPrice.provider, ModelPrice.source,
)  # fmt: skip


def _row(row: RowMapping) -> PriceRow:
    return PriceRow(**{**row, "source": PriceSource(row["source"])})


async def list_prices(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    after: tuple[str, UUID] | None = None,
    search: str | None = None,
) -> Sequence[PriceRow]:
    """`limit + 1` prices by model, the tenant's own and the platform's, those after this model and id."""
    query = (
        select(*_ROW)
        .where(ModelPrice.tenant_id.in_([tenant_id, PLATFORM_TENANT]))
        .order_by(ModelPrice.model, ModelPrice.id)
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(tuple_(ModelPrice.model, ModelPrice.id) > after)
    if search:
        query = query.where(ModelPrice.model.icontains(search, autoescape=True))
    return [_row(row) for row in (await connection.execute(query)).mappings()]


async def get_price(connection: AsyncConnection, tenant_id: UUID, price_id: UUID) -> PriceRow:
    """A price of the tenant's own, or the platform's. Raises NotFound."""
    query = select(*_ROW).where(ModelPrice.tenant_id.in_([tenant_id, PLATFORM_TENANT]), ModelPrice.id == price_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such price")
    return _row(row)


async def insert_price(
    connection: AsyncConnection, tenant_id: UUID, price_id: UUID, price: Listed, *, source: PriceSource
) -> PriceRow:
    """Keep a price, and have the calls that it is for priced anew. Raises Conflict where there is one for that time."""
    values = asdict(price) | {"tenant_id": tenant_id, "id": price_id, "source": source}
    row = (await connection.execute(insert(ModelPrice).values(**values).returning(*_ROW))).mappings().one()
    await note_change(connection, tenant_id, [price])
    return _row(row)


async def delete_price(connection: AsyncConnection, tenant_id: UUID, price_id: UUID) -> PriceRow:
    """Forget one of the tenant's own prices, and have its calls priced anew. Raises NotFound."""
    query = delete(ModelPrice).where(ModelPrice.tenant_id == tenant_id, ModelPrice.id == price_id).returning(*_ROW)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such price of this tenant's own")
    gone = _row(row)
    await note_change(connection, tenant_id, [gone])
    return gone


async def note_change(connection: AsyncConnection, tenant_id: UUID, prices: Sequence[Listed]) -> None:
    """Have the calls priced anew that these prices may be for, since they came or went."""
    if prices:
        models, since = sorted({price.model for price in prices}), min(price.valid_from for price in prices)
        await connection.execute(insert(PriceChange).values(tenant_id=tenant_id, models=models, since=since))


async def replace_prices(
    connection: AsyncConnection, tenant_id: UUID, prices: Iterable[Listed], *, source: PriceSource, whole: bool
) -> tuple[int, int]:
    """Make a tenant's prices of this source equal to a list; how many were kept anew or changed, and how many went.

    `whole`: those that the list does not have go. A shipped price never takes the place of one that was imported.
    """
    query = select(*_ROW).where(ModelPrice.tenant_id == tenant_id)
    stored = {(row.model, row.valid_from): row for row in map(_row, (await connection.execute(query)).mappings())}
    wanted = {(price.model, price.valid_from): price for price in prices}
    changed = [
        price
        for key, price in wanted.items()
        if key not in stored or (_may(source, stored[key]) and _differ(price, stored[key], source))
    ]
    for price in changed:
        price_id = uuid7_named(microseconds(price.valid_from), f"{source} {price.model}")
        values = asdict(price) | {"source": source}
        made = upsert(ModelPrice).values(tenant_id=tenant_id, id=price_id, **values)
        await connection.execute(
            made.on_conflict_do_update(index_elements=["tenant_id", "model", "valid_from"], set_=values)
        )
    gone = [row for key, row in stored.items() if whole and row.source is source and key not in wanted]
    if gone:
        ids = [row.id for row in gone]
        await connection.execute(delete(ModelPrice).where(ModelPrice.tenant_id == tenant_id, ModelPrice.id.in_(ids)))
    await note_change(connection, tenant_id, [*changed, *gone])
    return len(changed), len(gone)


def _may(source: PriceSource, stored: PriceRow) -> bool:
    return source is not PriceSource.SHIPPED or stored.source is PriceSource.SHIPPED


def _differ(price: Listed, stored: PriceRow, source: PriceSource) -> bool:
    return stored.source is not source or any(
        getattr(price, name) != getattr(stored, name) for name in (*AMOUNTS, "provider")
    )


async def load_shipped(db: Database) -> tuple[int, int]:
    """Bring the platform's prices to the list of this release. Says what changed, as `replace_prices`."""
    async with db.owner() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('shipped prices', 0))"))
        return await replace_prices(connection, PLATFORM_TENANT, shipped(), source=PriceSource.SHIPPED, whole=True)


async def list_unpriced(connection: AsyncConnection, tenant_id: UUID, *, at_most: int) -> list[Unpriced]:
    """Models whose calls have no cost, those with most calls first."""
    rows = await connection.execute(_UNPRICED, {"tenant_id": tenant_id, "at_most": at_most})
    return [Unpriced(*row) for row in rows]
