"""The catalogue of series in PostgreSQL, on every store: which series a point belongs to, and what it may be.

A series' id is all that a store needs to keep its points apart; its names are looked up here and nowhere else.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Text

from monitor.db import Database
from monitor.errors import DatabaseDown, SeriesDown
from monitor.series.influx_line import key_of
from monitor.series.store import Kind, SeriesName, Tags
from monitor.signals import Touch
from monitor.touched import tell

CACHE_SIZE = 200_000
SERIES_LIMIT = 100_000

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
_COUNT = text("SELECT count(*) FROM series")
# Held to the end of the transaction: two collectors that both found room would go past the limit together.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('series', ('x' || :half)::bit(64)::bigint))")
_NAMES = text(
    "SELECT s.id, s.metric, s.tags, a.external_id FROM series s "
    "JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id WHERE s.id = ANY(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


class _Known(NamedTuple):
    id: int
    kind: Kind
    unit: str | None


_Key = tuple[UUID, UUID, str, Tags]
K = TypeVar("K")
V = TypeVar("V")


class _Remembered(OrderedDict[K, V], Generic[K, V]):
    """The `size` entries that were put here last."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def keep(self, key: K, value: V) -> None:
        """Remember this, and forget the oldest when there are too many."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > self._size:
            self.popitem(last=False)


def tags_hash(tags: Tags) -> bytes:
    """The 16 bytes that stand for a set of tags in the series' key: BLAKE2b of their JSON, sorted by name."""
    return hashlib.blake2b(msgspec.json.encode(dict(tags)), digest_size=16).digest()


class Catalogue:
    """Finds or makes series. One for each process; remembers up to `size` of them."""

    def __init__(self, db: Database, *, size: int = CACHE_SIZE, limit: int = SERIES_LIMIT) -> None:
        """`size` bounds the memory: about 400 bytes a series. `limit`: series a tenant may have; further ones are
        refused, those that are there go on."""
        self._db = db
        self._limit = limit
        self._known: _Remembered[_Key, _Known] = _Remembered(size)
        self._keys: _Remembered[int, bytes] = _Remembered(size)

    async def resolve(self, tenant_id: UUID, names: Sequence[SeriesName]) -> list[int | str]:
        """See SeriesStore: found or made in short transactions of its own, kind and unit checked."""
        keys: list[_Key] = [(tenant_id, name.agent_id, name.metric, name.tags) for name in names]
        found = [self._known.get(key) for key in keys]
        wanted: dict[_Key, SeriesName] = {}
        for key, name, series in zip(keys, names, found, strict=True):
            if series is None:
                # The first point of a series decides its kind and unit.
                wanted.setdefault(key, name)
        # Held apart from the cache, which may drop some of them before they are used.
        fresh = await self._register(tenant_id, wanted) if wanted else {}
        answers: list[int | str] = []
        for key, name, remembered in zip(keys, names, found, strict=True):
            series = remembered or fresh.get(key)
            if series is None:
                answers.append(_too_many(name, self._limit))
                continue
            if name.unit is not None and series.unit is None:
                series = await self._adopt(tenant_id, key, series, name.unit)
            answers.append(_mismatch(name, series) or series.id)
        return answers

    async def keys(self, tenant_id: UUID, ids: Iterable[int]) -> Mapping[int, bytes]:
        """What a series' lines begin with in InfluxDB (see influx_line.py), by id. Erased series are absent."""
        found: dict[int, bytes] = {}
        missing: list[int] = []
        for one in ids:
            key = self._keys.get(one)
            if key is None:
                missing.append(one)
            else:
                found[one] = key
        if missing:
            try:
                async with self._db.tenant(tenant_id) as connection:
                    rows = (await connection.execute(_NAMES, {"ids": missing})).all()
            except DatabaseDown as fault:
                raise SeriesDown(fault.message) from fault
            for series_id, metric, tags, agent in rows:
                found[series_id] = key_of(metric, tags, tenant_id=tenant_id, agent=agent, series_id=series_id)
                self._keys.keep(series_id, found[series_id])
        return found

    async def _register(self, tenant_id: UUID, wanted: dict[_Key, SeriesName]) -> dict[_Key, _Known]:
        """Series that are not in the cache: looked up, made where missing and there is room, in one transaction."""
        try:
            async with self._db.tenant(tenant_id) as connection:
                found = await _look_up(connection, list(wanted))
                if len(found) < len(wanted) and await self._room(connection) > 0:
                    await connection.execute(_ALONE, {"half": tenant_id.hex[16:]})
                    room = await self._room(connection)
                    new = [key for key in wanted if key not in found][: max(room, 0)]
                    await _make(connection, tenant_id, {key: wanted[key] for key in new})
                    found |= await _look_up(connection, new)
        except DatabaseDown as fault:
            raise SeriesDown(fault.message) from fault
        for key, series in found.items():
            self._known.keep(key, series)
        return found

    async def _room(self, connection: AsyncConnection) -> int:
        return self._limit - int((await connection.execute(_COUNT)).scalar_one())

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
        self._known.keep(key, series)
        return series


async def _look_up(connection: AsyncConnection, keys: Sequence[_Key]) -> dict[_Key, _Known]:
    if not keys:
        return {}
    columns: dict[str, list[Any]] = {
        "agent_ids": [key[1] for key in keys],
        "metrics": [key[2] for key in keys],
        "hashes": [tags_hash(key[3]) for key in keys],
    }
    rows = await connection.execute(_SELECT, columns)
    return {keys[number - 1]: _Known(series_id, Kind(kind), unit) for number, series_id, kind, unit in rows}


async def _make(connection: AsyncConnection, tenant_id: UUID, wanted: Mapping[_Key, SeriesName]) -> None:
    if not wanted:
        return
    new: dict[str, Any] = {
        "tenant_id": tenant_id,
        "agent_ids": [key[1] for key in wanted],
        "metrics": [key[2] for key in wanted],
        "tags": [dict(key[3]) for key in wanted],
        "hashes": [tags_hash(key[3]) for key in wanted],
        "kinds": [(name.kind or Kind.GAUGE).value for name in wanted.values()],
        "units": [name.unit for name in wanted.values()],
    }
    await connection.execute(_INSERT, new)
    await tell(connection, tenant_id, new["agent_ids"], Touch.SERIES)


def _too_many(name: SeriesName, limit: int) -> str:
    tags = ", ".join(f"{key}={value}" for key, value in name.tags)
    return f"metric: {name.metric} {{{tags}}} would be a new series, and there are {limit:,}, as many as may be"


def _mismatch(name: SeriesName, series: _Known) -> str | None:
    if name.kind is not None and name.kind is not series.kind:
        return f"kind: {name.metric} is a {series.kind}, not a {name.kind}"
    if name.unit is not None and name.unit != series.unit:
        return f"unit: {name.metric} is in {series.unit}, not in {name.unit}"
    return None
