"""Writing points to PostgreSQL: one upsert for many points."""

from uuid import UUID

import numpy as np

from monitor import arrays
from monitor.pipeline import Pipeline, Statement
from monitor.series.store import Columns

UPSERT = Statement(
    "INSERT INTO samples (tenant_id, series_id, at, value) "
    "SELECT :tenant::uuid, n.series_id, n.at, n.value "
    "FROM unnest(:series::bigint[], :at::timestamptz[], :values::float8[]) AS n (series_id, at, value) "
    "ON CONFLICT (tenant_id, series_id, at) DO UPDATE SET value = excluded.value"
)


def upsert(pipeline: Pipeline, tenant_id: UUID, points: Columns) -> None:
    """Add to the caller's transaction, whose tenant is set. The same (series, time) overwrites; the last one wins. Rows
    go in key order, so that two collectors cannot deadlock."""
    series, at, values = unique_in_order(points)
    if len(series) == 0:
        return
    columns = {"series": arrays.int8s(series), "at": arrays.times(at), "values": arrays.float8s(values)}
    pipeline.add(UPSERT, tenant=tenant_id, **columns)


def unique_in_order(points: Columns) -> Columns:
    """The points sorted by (series, time), the last of equal keys kept."""
    series, at, values = points
    # lexsort is stable: among equal keys the order of arrival stays.
    order = np.lexsort((at, series))
    series, at, values = series[order], at[order], values[order]
    if len(series) > 1:
        last = np.empty(len(series), dtype=bool)
        last[-1] = True
        np.logical_or(series[1:] != series[:-1], at[1:] != at[:-1], out=last[:-1])
        if not last.all():
            series, at, values = series[last], at[last], values[last]
    return Columns(series, at, values)
