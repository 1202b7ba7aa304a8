"""What `agent-monitor doctor` asks the database about itself: sizes, indexes, bloat, queries, transactions, standbys.

Everything is read as the owner, from PostgreSQL's own statistics: https://www.postgresql.org/docs/current/monitoring-stats.html
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from monitor.db import Database

SHOWN = 5
LARGE = 100 << 20
"""Bytes of a table from which dead rows are worth a word."""
DEAD = 0.5
LONG = 15 * 60
"""Seconds that a transaction may be open: an old one keeps every dead row of the server alive."""
BEHIND = 30
"""Seconds that a standby may be behind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    well: bool
    detail: str


Check = Callable[[Database], Awaitable[Finding]]

_SIZES = """
    SELECT r.relname AS name, sum(pg_total_relation_size(p.relid))::bigint AS bytes
    FROM pg_class r CROSS JOIN LATERAL (
        SELECT relid FROM pg_partition_tree(r.oid) WHERE isleaf UNION SELECT r.oid WHERE r.relkind = 'r'
    ) AS p
    WHERE r.relnamespace = 'public'::regnamespace AND r.relkind IN ('r', 'p') AND NOT r.relispartition
    GROUP BY r.relname ORDER BY bytes DESC, name
"""
# An index that keeps something unique does its work without being read; a partition's belongs to its parent's.
_UNUSED = """
    SELECT s.relname, s.indexrelname AS name, pg_relation_size(s.indexrelid) AS bytes
    FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid JOIN pg_class c ON c.oid = i.indrelid
    WHERE s.schemaname = 'public' AND s.idx_scan = 0 AND NOT i.indisunique AND NOT c.relispartition
      AND pg_relation_size(s.indexrelid) > 1048576
    ORDER BY bytes DESC, name
"""
_INVALID = "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid ORDER BY 1"
_BLOAT = """
    SELECT relname AS name, n_dead_tup AS dead, n_live_tup AS live, pg_table_size(relid) AS bytes
    FROM pg_stat_user_tables
    WHERE pg_table_size(relid) > :large AND n_dead_tup > :dead * (n_live_tup + n_dead_tup) ORDER BY bytes DESC
"""
_REFERENCES = """
    SELECT k.conname AS name FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND NOT c.relispartition AND NOT EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid
          AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
    ) ORDER BY 1
"""
_TRANSACTIONS = """
    SELECT pid, usename, extract(epoch FROM now() - xact_start)::bigint AS seconds FROM pg_stat_activity
    WHERE xact_start < now() - make_interval(secs => :long) AND backend_type = 'client backend' ORDER BY xact_start
"""
_STANDBYS = """
    SELECT application_name AS name, state, extract(epoch FROM replay_lag)::float8 AS seconds
    FROM pg_stat_replication ORDER BY 1
"""
_SLOW = """
    SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 80) AS name, calls, mean_exec_time AS ms
    FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY total_exec_time DESC LIMIT 5
"""
_HAS_STATEMENTS = "SELECT count(*) AS n FROM pg_extension WHERE extname = 'pg_stat_statements'"


async def _rows(db: Database, query: str, **given: Any) -> Sequence[Any]:
    async with db.owner() as owner:
        return (await owner.execute(text(query), given)).all()


def _some(said: Sequence[str]) -> str:
    more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return ", ".join(said[:SHOWN]) + more


def _size(count: int) -> str:
    return f"{count / (1 << 20):,.1f} MiB"


async def sizes(db: Database) -> Finding:
    """The largest tables, partitions added up."""
    rows = await _rows(db, _SIZES)
    whole = _size(sum(row.bytes for row in rows))
    said = ", ".join(f"{row.name} {_size(row.bytes)}" for row in rows[:SHOWN])
    return Finding("table sizes", well=True, detail=f"{whole}: {said}")


async def unused(db: Database) -> Finding:
    """Indexes that no query has read since statistics began. It is no fault: they may be a report's of once a month."""
    rows = await _rows(db, _UNUSED)
    said = _some([f"{row.name} {_size(row.bytes)}" for row in rows])
    return Finding("unused indexes", well=True, detail=said or "none over 1 MiB")


async def invalid(db: Database) -> Finding:
    """Indexes whose building was broken off: they cost every write and serve no query."""
    rows = await _rows(db, _INVALID)
    said = _some([row.name for row in rows])
    return Finding("invalid indexes", well=not rows, detail=f"{said}: REINDEX or DROP" if rows else "none")


async def bloat(db: Database) -> Finding:
    """Large tables that are mostly dead rows: vacuum does not keep up, or a transaction holds it back."""
    rows = await _rows(db, _BLOAT, large=LARGE, dead=DEAD)
    said = _some([f"{row.name} {row.dead:,} dead of {row.dead + row.live:,} rows" for row in rows])
    return Finding("bloat", well=not rows, detail=said or "none")


async def references(db: Database) -> Finding:
    """Foreign keys without an index that begins with their columns: a delete reads the whole table."""
    rows = await _rows(db, _REFERENCES)
    return Finding("indexes of references", well=not rows, detail=_some([row.name for row in rows]) or "all there")


async def transactions(db: Database) -> Finding:
    """Those that have been open for long."""
    rows = await _rows(db, _TRANSACTIONS, long=LONG)
    said = _some([f"{row.usename} (pid {row.pid}) for {row.seconds // 60} minutes" for row in rows])
    return Finding("long transactions", well=not rows, detail=said or f"none over {LONG // 60} minutes")


async def standbys(db: Database) -> Finding:
    """How far standbys are behind. What a role may not see is said."""
    rows = await _rows(db, _STANDBYS)
    if not rows:
        return Finding("replication", well=True, detail="no standby")
    said = [f"{row.name} {_lag(row)}" for row in rows]
    late = [row for row in rows if row.seconds is not None and row.seconds > BEHIND]
    return Finding("replication", well=not late, detail=_some(said))


def _lag(row: Any) -> str:
    if row.state is None:
        return "is there; agent_monitor_owner may not see how far it is (GRANT pg_monitor)"
    return f"{row.state}, {row.seconds or 0.0:.1f} s behind"


async def slow(db: Database) -> Finding:
    """What takes most of the time, where the extension that counts it is installed."""
    (found,) = await _rows(db, _HAS_STATEMENTS)
    if not found.n:
        return Finding("slow queries", well=True, detail="not counted: the extension pg_stat_statements is not there")
    rows = await _rows(db, _SLOW)
    said = [f"{row.calls:,} x {row.ms:.1f} ms {row.name}" for row in rows]
    return Finding("slow queries", well=True, detail="; ".join(said) or "none yet")


CHECKS: Mapping[str, Check] = {
    "table sizes": sizes,
    "unused indexes": unused,
    "invalid indexes": invalid,
    "indexes of references": references,
    "bloat": bloat,
    "slow queries": slow,
    "long transactions": transactions,
    "replication": standbys,
}
