"""Exemplars: single measurements of a metric, each with the trace that it was made in. Links, kept beside the series.

They are in PostgreSQL on every store, for as long as single points are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from monitor import arrays
from monitor.db import Database
from monitor.ids import uuid7_floor, uuid7_named, uuid7_time
from monitor.series.columns import cursor, driver
from monitor.series.read import where_sql
from monitor.series.store import Tags

# A sender repeats an exemplar until it has a newer one: its id is made of what it says.
_INSERT = """
    INSERT INTO exemplars (tenant_id, id, agent_id, metric, tags, value, trace_id, span_id, attributes)
    SELECT %s, n.* FROM unnest(%s, %s, %s, %s, %s, %s, %s, %s)
        AS n (id, agent_id, metric, tags, value, trace_id, span_id, attributes)
    ON CONFLICT DO NOTHING
"""


class Exemplar(NamedTuple):
    """One to store. `at_us` is microseconds since the epoch, `attributes` a JSON object."""

    agent_id: UUID
    metric: str
    tags: Tags
    at_us: int
    value: float
    trace_id: str
    span_id: str | None
    attributes: bytes

    @property
    def id(self) -> UUID:
        """The same for the same measurement."""
        said = (self.agent_id.hex, self.metric, self.tags, self.value, self.trace_id, self.span_id)
        return uuid7_named(self.at_us, msgspec.json.encode(said).decode())


@dataclass(frozen=True, slots=True)
class Found:
    """One as it is read back. `agent` is the external id."""

    agent: str
    metric: str
    tags: Mapping[str, str]
    at: datetime
    value: float
    trace_id: str
    span_id: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which are asked for: of a metric, from `start` up to and without `end`, with these tags (as in store.Query)."""

    metric: str
    start: datetime
    end: datetime
    where: Mapping[str, str]
    limit: int


async def store(db: Database, tenant_id: UUID, found: Sequence[Exemplar]) -> None:
    """Store them in a transaction of their own. Raises DatabaseDown."""
    unique = {one.id: one for one in found}
    rows = [unique[one] for one in sorted(unique)]
    async with db.tenant(tenant_id) as connection:
        cur = cursor(await driver(connection))
        await cur.execute(
            _INSERT,
            [
                tenant_id,
                arrays.uuids([row.id for row in rows]),
                arrays.uuids([row.agent_id for row in rows]),
                arrays.texts([row.metric for row in rows]),
                arrays.jsonbs([msgspec.json.encode(dict(row.tags)) for row in rows]),
                [row.value for row in rows],
                arrays.texts([row.trace_id for row in rows]),
                arrays.texts([row.span_id for row in rows]),
                arrays.jsonbs([row.attributes for row in rows]),
            ],
        )


async def find(db: Database, tenant_id: UUID, wanted: Wanted) -> list[Found]:
    """The newest ones first. Raises DatabaseDown."""
    condition, parameters = where_sql(wanted.where)
    span = [uuid7_floor(wanted.start), uuid7_floor(wanted.end)]
    async with db.tenant(tenant_id) as connection:
        cur = cursor(await driver(connection))
        await cur.execute(
            "SELECT a.external_id, s.metric, s.tags, s.id, s.value, s.trace_id, s.span_id, s.attributes "
            "FROM exemplars s JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id "
            f"WHERE s.metric = %s AND {condition} AND s.id >= %s AND s.id < %s ORDER BY s.id DESC LIMIT %s",
            [wanted.metric, *parameters, *span, wanted.limit],
        )
        rows = await cur.fetchall()
    return [Found(row[0], row[1], row[2], uuid7_time(row[3]), *row[4:]) for row in rows]
