"""The spool: points that were taken in while InfluxDB could not take them. drain.py brings them there.

Until a tenant's last row is gone its new points queue behind it: a value that was corrected must not come back. What
is read from InfluxDB meanwhile is not all there is, so no rule may be judged by it.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.errors import SeriesDown
from monitor.pipeline import Pipeline, Statement
from monitor.series.store import Columns

LOCK = 0x5E121E6
"""Writers share this advisory lock from their look at the spool to their commit; who empties it holds it alone. Else,
under steady writing, each would find the row that the one before it left, for ever."""

_SHARE = Statement(f"SELECT pg_advisory_xact_lock_shared({LOCK})")
_WAITING = Statement("SELECT 1 FROM spool WHERE tenant_id = :tenant::uuid LIMIT 1")
_ADD = Statement(
    "INSERT INTO spool (tenant_id, points, series_ids, at, values) VALUES (:tenant::uuid, "
    "cardinality(:series::bigint[]), :series::bigint[], :at::timestamptz[], :values::float8[])"
)
_OF_ANY = text("SELECT EXISTS (SELECT FROM spool WHERE tenant_id = ANY(:tenants))").bindparams(
    bindparam("tenants", type_=ARRAY(PG_UUID(as_uuid=True)))
)
_TENANTS = text("SELECT DISTINCT tenant_id FROM spool")
_LEVEL = text("SELECT count(*), coalesce(sum(points), 0)::bigint, min(created_at) FROM spool")


class Level(NamedTuple):
    """What is in the spool: rows, points, and since when the oldest waits."""

    rows: int
    points: int
    since: datetime | None


async def waits(pipeline: Pipeline, tenant_id: UUID) -> bool:
    """Whether points of the pipeline's tenant wait; it stays so until its transaction ends. Sends what was added."""
    pipeline.add(_SHARE)
    pipeline.add(_WAITING, tenant=tenant_id)
    return bool(await pipeline.fetch())


def add(pipeline: Pipeline, tenant_id: UUID, points: Columns) -> None:
    """Keep points until InfluxDB takes them."""
    series, at, values = points
    columns = {"series": arrays.int8s(series), "at": arrays.times(at), "values": arrays.float8s(values)}
    pipeline.add(_ADD, tenant=tenant_id, **columns)


async def check(connection: AsyncConnection, tenants: Collection[UUID]) -> None:
    """Raise SeriesDown while points of one of these tenants wait. Before reading what a rule is to be judged by."""
    if (await connection.execute(_OF_ANY, {"tenants": list(tenants)})).scalar():
        raise SeriesDown("points wait to be written to InfluxDB")


async def level(connection: AsyncConnection) -> Level:
    """What is in the spool, of all tenants that the connection may see."""
    row = (await connection.execute(_LEVEL)).one()
    return Level(*row)


async def tenants(connection: AsyncConnection) -> set[UUID]:
    """Whose points wait."""
    return set((await connection.execute(_TENANTS)).scalars())
