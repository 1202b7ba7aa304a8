"""The steps of an erasure in one tenant: declared places, the search through all other texts, the audit trail.

A step does a batch at a time and says up to which key it came, so that it goes on there whatever happens between.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.ids import uuid7
from monitor.subjects.places import FACTS, STEPS, TEXTS, THEMSELVES, TRAIL, Place

BATCH = 5_000
Key = list[str]
"""The primary key of a row, each part as text."""
Work = Callable[[AsyncConnection, Mapping[str, Any], Key], Awaitable[tuple[int, Key | None]]]
"""Does the batch after a key: rows that changed, and the key it came to; None: the step is through."""

_OF = "FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
_KEY = """FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place), pg_attribute a
    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.number ORDER BY k.place"""
_CATALOGUE = text(f"""
    SELECT c.relname,
        ARRAY(SELECT a.attname::text {_OF} AND a.atttypid = 'text'::regtype),
        ARRAY(SELECT a.attname::text {_OF} AND a.atttypid = 'jsonb'::regtype),
        ARRAY(SELECT a.attname::text {_OF} AND a.atttypid = 'text[]'::regtype),
        ARRAY(SELECT a.attname::text {_KEY}),
        ARRAY(SELECT format_type(a.atttypid, NULL) {_KEY})
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND (c.relname IN ('tenants', 'users', 'user_identities') OR EXISTS (SELECT {_OF} AND a.attname = 'tenant_id'))
""")
# Rules and channels first: what they are told of meanwhile names nobody then.
_FIRST = {"tenants", "channels", "alert_configs", "escalations", "alert_settings", "rule_packs"}
_NOT_SEARCHED = {TRAIL.table, *(place.table for place in THEMSELVES)}
_EVER = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the database has it. `key`: its primary key, `types` of that; the others are columns by type."""

    name: str
    texts: tuple[str, ...]
    documents: tuple[str, ...]
    lists: tuple[str, ...]
    key: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def tenant(self) -> str:
        """The column that says whose a row is."""
        return "id" if self.name == "tenants" else "tenant_id"

    @property
    def row(self) -> str:
        """The key of the row `t`."""
        return f"({', '.join(f't.{name}' for name in self.key)})"

    def given(self, prefix: str) -> str:
        """The same as parameters `prefix0` and so on, which are texts."""
        parts = (f"CAST(CAST(:{prefix}{place} AS text) AS {kind})" for place, kind in enumerate(self.types))
        return f"({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Step:
    """One of them. `table`: whose rows it changes, for the report."""

    name: str
    table: str
    work: Work


async def tables(connection: AsyncConnection) -> dict[str, Table]:
    """Every table that has tenants, themselves and people, by name."""
    rows = await connection.execute(_CATALOGUE)
    return {row[0]: Table(row[0], *(tuple(part) for part in row[1:])) for row in rows}


def steps_of(known: Mapping[str, Table]) -> list[Step]:
    """All steps in their order."""
    made = [
        Step(f"{place.table} {number}", place.table, partial(_place, place, known[place.table]))
        for number, place in enumerate(STEPS)
    ]
    for table in sorted(known.values(), key=lambda one: (one.name not in _FIRST, one.name)):
        if table.name not in _NOT_SEARCHED and (table.texts or table.documents or table.lists):
            made.append(Step(f"search {table.name}", table.name, partial(_search, table)))
    return [*made, Step("trail", TRAIL.table, _trail)]


def condition(place: Place) -> str:
    """The rows of a place that an erasure has yet to change: `tenant` and others are parameters."""
    whose = f"({place.whose})"
    if place.tenant is not None:
        whose = f"t.{place.tenant} = CAST(:tenant AS uuid) AND {whose}"
    if place.blank is None or place.goes_with is not None:
        return whose
    changed = " OR ".join(f"t.{column} IS DISTINCT FROM {value}" for column, value in place.blank.items())
    return f"{whose} AND ({changed})"


async def _place(
    place: Place, table: Table, connection: AsyncConnection, given: Mapping[str, Any], _: Key
) -> tuple[int, Key | None]:
    some = f"{table.row} IN (SELECT {table.row[1:-1]} FROM {place.table} t WHERE {condition(place)} LIMIT {BATCH})"
    if place.blank is None:
        statement = f"DELETE FROM {place.table} t WHERE {some}"
    else:
        values = ", ".join(f"{column} = {value}" for column, value in place.blank.items())
        statement = f"UPDATE {place.table} t SET {values} WHERE {some}"
    rows = (await connection.execute(text(statement), given)).rowcount
    return rows, None if rows < BATCH else []


async def _search(
    table: Table, connection: AsyncConnection, given: Mapping[str, Any], after: Key
) -> tuple[int, Key | None]:
    scope = f"t.{table.tenant} = :tenant"
    bounds = {f"first{place}": part for place, part in enumerate(after)}
    if after:
        scope += f" AND {table.row} > {table.given('first')}"
    last = await _end_of_batch(connection, table, scope, {"tenant": given["tenant"], **bounds})
    if last is not None:
        scope += f" AND {table.row} <= {table.given('last')}"
        bounds |= {f"last{place}": part for place, part in enumerate(last)}
    found = [f"t.{name} ~* :pattern" for name in table.texts]
    found += [f"t.{name}::text ~* :document" for name in table.documents]
    found += [f"t.{name}::text ~* :pattern" for name in table.lists]
    values = [f"{name} = erased(t.{name}, :patterns, :words)" for name in table.texts]
    values += [f"{name} = erased(t.{name}::text, :documents, :words)::jsonb" for name in table.documents]
    values += [
        f"{name} = ARRAY(SELECT erased(o.one, :patterns, :words) FROM unnest(t.{name})"
        " WITH ORDINALITY AS o (one, place) ORDER BY o.place)"
        for name in table.lists
    ]
    statement = f"UPDATE {table.name} t SET {', '.join(values)} WHERE {scope} AND ({' OR '.join(found)})"
    rows = (await connection.execute(text(statement), {**given, **bounds})).rowcount
    return rows, last


async def _end_of_batch(connection: AsyncConnection, table: Table, scope: str, given: Mapping[str, Any]) -> Key | None:
    """The key of the last row of a whole batch; None: there is no whole one."""
    parts = ", ".join(f"t.{name}::text" for name in table.key)
    ordered = ", ".join(f"t.{name}" for name in table.key)
    query = f"SELECT {parts} FROM {table.name} t WHERE {scope} ORDER BY {ordered} OFFSET {BATCH - 1} LIMIT 1"
    row = (await connection.execute(text(query), given)).one_or_none()
    return None if row is None else list(row)


async def _trail(connection: AsyncConnection, given: Mapping[str, Any], after: Key) -> tuple[int, Key | None]:
    first = after[0] if after else _EVER
    query = text(
        "SELECT id FROM audit_logs WHERE tenant_id = :tenant AND id > CAST(:first AS uuid) "
        f"ORDER BY id OFFSET {BATCH - 1} LIMIT 1"
    )
    last: UUID | None = (await connection.execute(query, {"tenant": given["tenant"], "first": first})).scalar()
    statement = text("""
        SELECT forget_in_trail(:alias, :tenant, :entry, CAST(:first AS uuid), CAST(:last AS uuid), :documents, :words,
                               :texts, :facts)
    """)
    values = {name: given[name] for name in ("alias", "tenant", "documents", "words")}
    values |= {"first": first, "last": last or UUID(int=2**128 - 1), "texts": list(TEXTS), "facts": list(FACTS)}
    rows = (await connection.execute(statement, values | {"entry": uuid7(given["now"])})).scalar_one()
    return int(rows), None if last is None else [str(last)]


def count_of(places: Sequence[Place]) -> dict[str, str]:
    """Statements that count what an erasure would find, by table."""
    found: dict[str, list[str]] = {}
    for place in places:
        found.setdefault(place.table, []).append(f"(SELECT count(*) FROM {place.table} t WHERE {condition(place)})")
    return {table: f"SELECT {' + '.join(parts)}" for table, parts in found.items()}
