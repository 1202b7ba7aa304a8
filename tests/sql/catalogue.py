"""What a database's catalogue says, as facts that can be compared, and what a change of them would break."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_OURS = "n.nspname IN ('public', 'dashboards') AND NOT c.relispartition AND c.relname <> 'alembic_version'"
_COLUMNS = text(f"""
    SELECT c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AS needed, pg_get_expr(d.adbin, d.adrelid) AS otherwise, c.relkind::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE {_OURS} AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
""")
# Not-null constraints have names of their own from PostgreSQL 18 on; the columns say the same on every version.
_CONSTRAINTS = text(f"""
    SELECT c.oid::regclass::text, k.conname, k.contype::text AS contype, pg_get_constraintdef(k.oid) AS said,
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) AS columns
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_OURS} AND k.contype <> 'n'
""")
_UNIQUE = text(f"""
    SELECT c.oid::regclass::text, i.indexrelid::regclass::text, 'u' AS contype, pg_get_indexdef(i.indexrelid) AS said,
           -- Those of expressions too.
           ARRAY(SELECT DISTINCT a.attname::text FROM pg_attribute a
                 JOIN pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
                 WHERE a.attrelid = i.indrelid AND d.objid = i.indexrelid) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_OURS} AND i.indisunique
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
""")
_GRANTS = text(f"""
    SELECT c.oid::regclass::text, '', g.grantee::regrole::text, g.privilege_type
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) g WHERE {_OURS}
    UNION ALL
    SELECT c.oid::regclass::text, a.attname, g.grantee::regrole::text, g.privilege_type
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
         aclexplode(a.attacl) g WHERE {_OURS}
""")
_POLICIES = text("""
    SELECT schemaname || '.' || tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies
""")
_TRIGGERS = text(f"""
    SELECT c.oid::regclass::text, t.tgname, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_OURS} AND NOT t.tgisinternal
""")
_FUNCTIONS = text("""
    SELECT p.oid::regprocedure::text, pg_get_function_result(p.oid) FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('public', 'dashboards')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
""")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Facts by what they are about."""

    columns: Mapping[tuple[str, str], Any]
    constraints: Mapping[tuple[str, str], Any]
    grants: frozenset[tuple[Any, ...]]
    policies: frozenset[tuple[Any, ...]]
    triggers: frozenset[tuple[Any, ...]]
    functions: frozenset[tuple[Any, ...]]

    @property
    def tables(self) -> set[str]:
        """Tables, without views."""
        return {table for (table, _column), row in self.columns.items() if row.relkind != "v"}


async def read(owner: AsyncConnection) -> Catalogue:
    """All facts."""
    constraints = [*await owner.execute(_CONSTRAINTS), *await owner.execute(_UNIQUE)]
    return Catalogue(
        columns={(row[0], row[1]): row for row in await owner.execute(_COLUMNS)},
        constraints={(row[0], row[1]): row for row in constraints},
        grants=frozenset(tuple(row) for row in await owner.execute(_GRANTS)),
        policies=frozenset(tuple(row) for row in await owner.execute(_POLICIES)),
        triggers=frozenset(tuple(row) for row in await owner.execute(_TRIGGERS)),
        functions=frozenset(tuple(row) for row in await owner.execute(_FUNCTIONS)),
    )


def broken(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """What a program written for `before` would stumble over in `after`."""
    yield from _columns(before, after)
    yield from _constraints(before, after)
    for kind in ("grants", "policies", "functions"):
        for fact in sorted(getattr(before, kind) - getattr(after, kind), key=str):
            yield f"{kind}: gone: {fact}"
    for table, name, said in after.triggers - before.triggers:
        # What goes with a deleted row goes as by the cascade of a new table's foreign key: no write is refused.
        if table in before.tables and "AFTER DELETE ON" not in said:
            yield f"triggers: new on {table}: {name} {said}"
    for policy in after.policies - before.policies:
        if policy[2] != "PERMISSIVE" and policy[0].removeprefix("public.") in before.tables:
            yield f"policies: restricts: {policy}"


def _columns(before: Catalogue, after: Catalogue) -> Iterator[str]:
    for place, old in before.columns.items():
        new = after.columns.get(place)
        if new is None:
            yield f"column gone: {place}"
        elif new.type != old.type:
            yield f"column of another type: {place}: {old.type}, {new.type}"
        elif old.otherwise is not None and new.otherwise is None and new.needed:
            yield f"column without its default: {place}"
        elif new.needed and not old.needed:
            yield f"column must be given now: {place}"
    for place in after.columns.keys() - before.columns.keys():
        new = after.columns[place]
        if place[0] in before.tables and new.needed and new.otherwise is None:
            yield f"new column must be given: {place}"


def _constraints(before: Catalogue, after: Catalogue) -> Iterator[str]:
    for place, new in after.constraints.items():
        table, name = place
        old = before.constraints.get(place)
        if table not in before.tables or (old is not None and old.said == new.said):
            continue
        added = [column for column in new.columns if (table, column) not in before.columns]
        if old is not None:
            if not _wider(old.said, new.said):
                yield f"constraint changed: {table}.{name}: {old.said} became {new.said}"
        elif not added or (new.contype == "c" and len(added) < len(new.columns)):
            # A key or a reference that needs a new column passes over rows that do not have it; a check does not.
            yield f"new constraint: {table}.{name}: {new.said}"


def _wider(old: str, new: str) -> bool:
    """Whether a check is the same but for more words that it allows."""
    word = re.compile(r"'[^']*'(?:::text)?")
    one = re.compile(r"WORD(, WORD)*")
    same = one.sub("WORDS", word.sub("WORD", old)) == one.sub("WORDS", word.sub("WORD", new))
    return same and set(word.findall(old)) <= set(word.findall(new))
