"""References: each has an index to follow it back by, and says what becomes of its rows."""

import pytest
from sqlalchemy import text

from monitor.db import Database

_OURS = "k.contype = 'f' AND k.conparentid = 0 AND k.connamespace = 'public'::regnamespace"
_UNRULED = text(f"SELECT k.conname::text FROM pg_constraint k WHERE {_OURS} AND k.confdeltype = 'a'")
# A partial index counts where it leaves out only rows that refer to nothing.
_WITHOUT_INDEX = text(f"""
    SELECT k.conname::text FROM pg_constraint k
    WHERE {_OURS} AND NOT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = k.conrelid AND i.indisvalid
          AND (i.indkey::int2[])[0:array_length(k.conkey, 1) - 1] @> k.conkey
          AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = (
              SELECT '(' || a.attname || ' IS NOT NULL)' FROM pg_attribute a
              WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[array_length(k.conkey, 1)]))
    )
""")


async def test_every_reference_has_an_index_that_begins_with_its_columns(db: Database) -> None:
    """Or deleting what it refers to reads the whole table."""
    async with db.owner() as owner:
        assert list((await owner.execute(_WITHOUT_INDEX)).scalars()) == []


async def test_every_reference_says_what_becomes_of_its_rows(db: Database) -> None:
    async with db.owner() as owner:
        assert list((await owner.execute(_UNRULED)).scalars()) == []


@pytest.mark.parametrize(
    ("columns", "index", "found"),
    [
        ("tenant_id uuid, other uuid", "(tenant_id, other)", []),
        ("tenant_id uuid, other uuid", "(tenant_id, other) WHERE other IS NOT NULL", []),
        ("tenant_id uuid, other uuid", "(tenant_id)", ["probes_tenant_id_other_fkey"]),
        ("tenant_id uuid, other uuid, kind text", "(tenant_id, kind, other)", ["probes_tenant_id_other_fkey"]),
        ("tenant_id uuid, other uuid", "(tenant_id, other) WHERE tenant_id IS NULL", ["probes_tenant_id_other_fkey"]),
    ],
)
async def test_what_is_missing_is_found(db: Database, columns: str, index: str, found: list[str]) -> None:
    async with db.owner() as owner:
        refers = "FOREIGN KEY (tenant_id, other) REFERENCES agents (tenant_id, id)"
        await owner.execute(text(f"CREATE TABLE probes ({columns}, {refers})"))
        await owner.execute(text(f"CREATE INDEX ON probes {index}"))
        assert list((await owner.execute(_WITHOUT_INDEX)).scalars()) == found
        assert list((await owner.execute(_UNRULED)).scalars()) == ["probes_tenant_id_other_fkey"]
