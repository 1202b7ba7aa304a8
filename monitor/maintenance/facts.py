"""How tables and indexes stand, from PostgreSQL's own statistics and a sample of rows."""

import math
from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import namedtuple_row

from monitor.maintenance.planning import Index, Relation

PAGE, HEADERS, FULL = 8192, 40, 0.9
"""Bytes of a page, those of them that are its header and its special space, and how full a new one is made."""
ITEM, ALIGN = 12, 8
"""Bytes of an entry beside its key: https://www.postgresql.org/docs/current/storage-page-layout.html"""
SAMPLED = 300
"""Pages that are read to know how wide a key is."""

_RELATIONS = """
    SELECT c.relname AS name, pg_table_size(c.oid) AS bytes, greatest(c.reltuples, s.n_live_tup, 0)::bigint AS rows,
           coalesce(s.n_dead_tup, 0) AS dead, coalesce(s.n_ins_since_vacuum, 0) AS written,
           coalesce(s.n_mod_since_analyze, 0) AS changed, c.relkind = 'p' AS parent
    FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND (c.relkind IN ('r', 'm') OR c.relkind = 'p' AND EXISTS (
        SELECT FROM pg_partition_tree(c.oid) p WHERE p.isleaf AND pg_relation_size(p.relid) > 0))
    ORDER BY c.relname
"""
_INDEXES = """
    SELECT c.oid, c.relname AS name, t.relname AS table, pg_relation_size(c.oid) AS bytes, c.reltuples AS entries,
           t.relpages AS pages, pg_get_expr(i.indpred, i.indrelid) AS only,
           ARRAY(SELECT pg_get_indexdef(c.oid, n, true) FROM generate_series(1, i.indnatts) n) AS keys
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_am m ON m.oid = c.relam
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'i' AND m.amname = 'btree' AND i.indisvalid
      AND pg_relation_size(c.oid) >= %s AND c.reltuples > 0
    ORDER BY c.relname
"""


async def relations(connection: AsyncConnection[Any]) -> list[Relation]:
    """Every table, partition and materialised view; parents that have rows."""
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(_RELATIONS)
        return [Relation(*row) for row in await cursor.fetchall()]


async def indexes(connection: AsyncConnection[Any], *, least: int) -> list[Index]:
    """The B-trees of at least so many bytes, and how much of each is wasted."""
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(_INDEXES, [least])
        found: list[Any] = list(await cursor.fetchall())
    return [Index(row.name, row.bytes, wasted(row.bytes, row.entries, await _width(connection, row))) for row in found]


def wasted(size: int, entries: float, width: float) -> float:
    """The share of an index that a new one of as many entries of this width would not need; 0 where it is smaller."""
    entry = ITEM + math.ceil(width / ALIGN) * ALIGN
    needed = entries * entry / ((PAGE - HEADERS) * FULL) * PAGE
    return max(0.0, 1 - needed / size) if size else 0.0


async def _width(connection: AsyncConnection[Any], row: Any) -> float:
    """Bytes of a key on the average, by a sample: the statistics of a table with policies are shown to nobody."""
    query = sql.SQL("SELECT avg({}) FROM {} TABLESAMPLE SYSTEM ({}) WHERE {}").format(
        _bytes_of(row.keys), sql.Identifier(row.table), sql.Literal(min(100.0, 100 * SAMPLED / max(1, row.pages))),
        sql.SQL(row.only or "true"),
    )  # fmt: skip
    found = await (await connection.execute(query)).fetchone()
    return float(found[0]) if found and found[0] is not None else 0.0


def _bytes_of(keys: Iterable[str]) -> sql.Composed:
    # Expressions as PostgreSQL itself wrote them down.
    return sql.SQL(" + ").join(sql.SQL("coalesce(pg_column_size({}), 0)").format(sql.SQL(key)) for key in keys)
