"""Writing history to PostgreSQL: which series a point belongs to, and one upsert for many points."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.types import Text

from monitor import arrays
from monitor.db import Database
from monitor.errors import DatabaseDown, SeriesDown
from monitor.pipeline import Pipeline, Statement
from monitor.series.store import Kind, Point, Prepared, Refused, SeriesName, Tags

CACHE_SIZE = 200_000

_INSERT = text(
    "INSERT INTO series (tenant_id, agent_id, metric, tags, tags_hash, kind, unit) "
    "SELECT :tenant_id, n.agent_id, n.metric, n.tags, n.tags_hash, n.kind, n.unit "
    "FROM unnest(:agent_ids, :metrics, :tags, :hashes, :kinds, :units) "
    "AS n (agent_id, metric, tags, tags_hash, kind, unit) "
    "ORDER BY n.agent_id, n.metric, n.tags_hash "
    "ON CONFLICT (tenant_id, agent_id, metric, tags_hash) DO NOTHING"
).bindparams(
    bindparam("tenant_id", type_=PG_UUID(as_uuid=True)),
    bindparam("agent_ids", type_=ARRAY(PG_UUID(as_uuid=True))),
    bindparam("metrics", type_=ARRAY(Text)),
    bindparam("tags", type_=ARRAY(JSONB)),
    bindparam("hashes", type_=ARRAY(LargeBinary)),
    bindparam("kinds", type_=ARRAY(Text)),
    bindparam("units", type_=ARRAY(Text)),
)
_SELECT = text(
    "SELECT n.i, s.id, s.kind, s.unit "
    "FROM unnest(:agent_ids, :metrics, :hashes) WITH ORDINALITY AS n (agent_id, metric, tags_hash, i) "
    "JOIN series s ON s.agent_id = n.agent_id AND s.metric = n.metric AND s.tags_hash = n.tags_hash"
).bindparams(
    bindparam("agent_ids", type_=ARRAY(PG_UUID(as_uuid=True))),
    bindparam("metrics", type_=ARRAY(Text)),
    bindparam("hashes", type_=ARRAY(LargeBinary)),
)
_SET_UNIT = text("UPDATE series SET unit = :unit WHERE id = :id AND unit IS NULL RETURNING unit")
_GET_UNIT = text("SELECT unit FROM series WHERE id = :id")
UPSERT = Statement(
    "INSERT INTO samples (tenant_id, series_id, at, value) "
    "SELECT :tenant::uuid, n.series_id, n.at, n.value "
    "FROM unnest(:series::bigint[], :at::timestamptz[], :values::float8[]) AS n (series_id, at, value) "
    "ON CONFLICT (tenant_id, series_id, at) DO UPDATE SET value = excluded.value"
)


class _Known(NamedTuple):
    id: int
    kind: Kind
    unit: str | None


_Key = tuple[UUID, UUID, str, Tags]


def tags_hash(tags: Tags) -> bytes:
    """The 16 bytes that stand for a set of tags in the series' key: BLAKE2b of their JSON, sorted by name."""
    return hashlib.blake2b(msgspec.json.encode(dict(tags)), digest_size=16).digest()


class SeriesWriter:
    """Finds or makes series, and writes points. One for each process; remembers up to `size` series."""

    def __init__(self, db: Database, *, size: int = CACHE_SIZE) -> None:
        """`size` bounds the memory: about 400 bytes a series."""
        self._db = db
        self._size = size
        self._known: OrderedDict[_Key, _Known] = OrderedDict()

    async def prepare(self, tenant_id: UUID, points: Sequence[Point]) -> tuple[Prepared, list[Refused]]:
        """Find or make the series of each point, in short transactions of its own, and check kind and unit."""
        # By identity, which costs less than comparing names; equal ones meet in the cache.
        names = {id(point.series): point.series for point in points}
        ids, faults = await self._resolve(tenant_id, names)
        if not faults:
            return _columns([ids[id(point.series)] for point in points], points), []
        kept = [point for point in points if id(point.series) in ids]
        refused = [
            Refused(index, faults[id(point.series)]) for index, point in enumerate(points) if id(point.series) in faults
        ]
        return _columns([ids[id(point.series)] for point in kept], kept), refused

    async def _resolve(self, tenant_id: UUID, names: dict[int, SeriesName]) -> tuple[dict[int, int], dict[int, str]]:
        """The series' id, or why the name is refused, for each entry."""
        keys: dict[int, _Key] = {one: (tenant_id, name.agent_id, name.metric, name.tags) for one, name in names.items()}
        found = {one: self._known.get(key) for one, key in keys.items()}
        wanted: dict[_Key, SeriesName] = {}
        for one, series in found.items():
            if series is None:
                # The first point of a series decides its kind and unit.
                wanted.setdefault(keys[one], names[one])
        # Held apart from the cache, which may drop some of them before they are used.
        fresh = await self._register(tenant_id, wanted) if wanted else {}
        ids: dict[int, int] = {}
        faults: dict[int, str] = {}
        for one, name in names.items():
            series = found[one] or fresh[keys[one]]
            if name.unit is not None and series.unit is None:
                series = await self._adopt(tenant_id, keys[one], series, name.unit)
            fault = _mismatch(name, series)
            if fault is None:
                ids[one] = series.id
            else:
                faults[one] = fault
        return ids, faults

    def _remember(self, key: _Key, series: _Known) -> None:
        self._known[key] = series
        self._known.move_to_end(key)
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    async def _register(self, tenant_id: UUID, wanted: dict[_Key, SeriesName]) -> dict[_Key, _Known]:
        """Series that are not in the cache: looked up, made where missing, in one transaction."""
        keys = list(wanted)
        hashes = {key: tags_hash(key[3]) for key in keys}
        columns: dict[str, list[Any]] = {
            "agent_ids": [key[1] for key in keys],
            "metrics": [key[2] for key in keys],
            "hashes": [hashes[key] for key in keys],
        }
        found: dict[_Key, _Known] = {}
        try:
            async with self._db.tenant(tenant_id) as connection:
                rows = (await connection.execute(_SELECT, columns)).all()
                if len(rows) < len(keys):
                    new: dict[str, Any] = {
                        **columns,
                        "tenant_id": tenant_id,
                        "tags": [dict(key[3]) for key in keys],
                        "kinds": [(wanted[key].kind or Kind.GAUGE).value for key in keys],
                        "units": [wanted[key].unit for key in keys],
                    }
                    await connection.execute(_INSERT, new)
                    rows = (await connection.execute(_SELECT, columns)).all()
        except DatabaseDown as fault:
            raise SeriesDown(fault.message) from fault
        for number, series_id, kind, unit in rows:
            key = keys[number - 1]
            found[key] = _Known(series_id, Kind(kind), unit)
            self._remember(key, found[key])
        return found

    async def _adopt(self, tenant_id: UUID, key: _Key, series: _Known, unit: str) -> _Known:
        """A series whose first points named no unit takes the first one that is named."""
        known = self._known.get(key)
        if known is not None and known.unit is not None:
            return known
        try:
            async with self._db.tenant(tenant_id) as connection:
                taken = (await connection.execute(_SET_UNIT, {"unit": unit, "id": series.id})).scalar()
                if taken is None:
                    taken = (await connection.execute(_GET_UNIT, {"id": series.id})).scalar()
        except DatabaseDown as fault:
            raise SeriesDown(fault.message) from fault
        series = series._replace(unit=taken)
        self._remember(key, series)
        return series

    def write(self, pipeline: Pipeline, tenant_id: UUID, batch: Sequence[Prepared]) -> None:
        """Add to the caller's transaction, whose tenant is set. The same (series, time) overwrites; the last
        of a batch wins. Rows go in key order, so that two collectors cannot deadlock."""
        series, at, values = unique_in_order(batch)
        if len(series) == 0:
            return
        columns = {"series": arrays.int8s(series), "at": arrays.times(at), "values": arrays.float8s(values)}
        pipeline.add(UPSERT, tenant=tenant_id, **columns)


def _mismatch(name: SeriesName, series: _Known) -> str | None:
    if name.kind is not None and name.kind is not series.kind:
        return f"kind: {name.metric} is a {series.kind}, not a {name.kind}"
    if name.unit is not None and name.unit != series.unit:
        return f"unit: {name.metric} is in {series.unit}, not in {name.unit}"
    return None


def _columns(ids: list[int], points: Sequence[Point]) -> Prepared:
    return Prepared(
        np.array(ids, dtype=np.int64),
        np.array([point.at_us for point in points], dtype=np.int64),
        np.array([point.value for point in points], dtype=np.float64),
    )


def unique_in_order(batch: Sequence[Prepared]) -> tuple[Any, Any, Any]:
    """The batch as three columns, sorted by (series, time), the last of equal keys kept."""
    if not batch:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)
    one = batch[0]
    series, at, values = one.series_ids, one.at_us, one.values
    if len(batch) > 1:
        series = np.concatenate([part.series_ids for part in batch])
        at = np.concatenate([part.at_us for part in batch])
        values = np.concatenate([part.values for part in batch])
    # lexsort is stable: among equal keys the order of arrival stays.
    order = np.lexsort((at, series))
    series, at, values = series[order], at[order], values[order]
    if len(series) > 1:
        last = np.empty(len(series), dtype=bool)
        last[-1] = True
        np.logical_or(series[1:] != series[:-1], at[1:] != at[:-1], out=last[:-1])
        if not last.all():
            series, at, values = series[last], at[last], values[last]
    return series, at, values
