"""Names that came over the wire and that no dialect knows, and values that did not fit: stored, listed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.pipeline import Pipeline, Statement
from monitor.runs.trace_tables import UnmappedName

_ADD = Statement("""
INSERT INTO unmapped_names AS u (tenant_id, kind, dialect, name, seen, first_seen_at, last_seen_at)
SELECT :tenant::uuid, n.kind, n.dialect, n.name, n.seen, n.at, n.at
FROM unnest(:kinds::text[], :dialects::text[], :names::text[], :seen::bigint[], :at::timestamptz[])
    AS n (kind, dialect, name, seen, at)
ON CONFLICT (tenant_id, kind, dialect, name) DO UPDATE SET
    seen = u.seen + excluded.seen, last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at)
""")


class NameRow(NamedTuple):
    """A name, `unknown` or a `misfit`, and how often it was seen until `at_us`."""

    kind: str
    dialect: str
    name: str
    seen: int
    at_us: int


def write_unmapped(pipeline: Pipeline, tenant_id: UUID, rows: Iterable[NameRow]) -> None:
    """Add to what was seen of each name, in the caller's transaction."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for row in rows:
        seen, at_us = sums.get(row[:3], (0, 0))
        sums[row[:3]] = (seen + row.seen, max(at_us, row.at_us))
    # In order, so that two collectors take turns.
    ordered = sorted(sums.items())
    pipeline.add(
        _ADD,
        tenant=tenant_id,
        kinds=arrays.texts([key[0] for key, _ in ordered]),
        dialects=arrays.texts([key[1] for key, _ in ordered]),
        names=arrays.texts([key[2] for key, _ in ordered]),
        seen=arrays.int8s_or_null([seen for _, (seen, _) in ordered]),
        at=arrays.times_or_null([at_us for _, (_, at_us) in ordered]),
    )


async def list_unmapped(
    connection: AsyncConnection, tenant_id: UUID, *, after: Sequence[str] | None, limit: int
) -> list[Mapping[str, Any]]:
    """By dialect, name and kind, from behind `after`."""
    table = UnmappedName
    key = (table.dialect, table.name, table.kind)
    query = select(*key, table.seen, table.first_seen_at, table.last_seen_at).where(table.tenant_id == tenant_id)
    if after is not None:
        query = query.where(tuple_(*key) > tuple(after))
    found = await connection.execute(query.order_by(*key).limit(limit))
    return [dict(row) for row in found.mappings()]
