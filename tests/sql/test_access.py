"""The matrix of access.py, tried as each role: what is not in it is refused, what is in it works."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import text

from monitor import pgroles
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from tests.factories import make_tenant
from tests.sql.access import ACROSS, NOTHING, OWNER, SECRETS, TABLES, TENANTS, VIEWS, WITHIN, May
from tests.stage import until

Connection = psycopg.AsyncConnection
ROLES = sorted(set(pgroles.LOGIN_ROLES) - {OWNER})
OPERATOR = pgroles.OPERATOR
WORDS = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}
HARMLESS = {"idempotency_keys.body_hash", "rule_packs.digest", "series.tags_hash"}
"""Hashes of what is no secret."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view: its name, whether it is a table, and each column with its type."""

    name: str
    stored: bool
    columns: dict[str, str]

    def statements(self) -> Iterator[tuple[str, str]]:
        """A harmless statement for each verb, beside the one that reads."""
        column, kind = next(iter(self.columns.items()))
        yield "I", f'INSERT INTO {self.name} ("{column}") SELECT NULL::{kind} WHERE false'
        yield "U", f'UPDATE {self.name} SET "{column}" = NULL WHERE false'
        yield "D", f"DELETE FROM {self.name} WHERE false"
        yield "T", f"TRUNCATE {self.name}"


@pytest.fixture
async def relations(db: Database) -> list[Relation]:
    """All of ours, views and materialised ones too, which hold something; partitions are granted to nobody."""
    query = text("""
        SELECT c.oid::regclass::text AS name, c.relkind IN ('r', 'p') AS stored, a.attname,
               format_type(a.atttypid, a.atttypmod) AS kind
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace::regnamespace::text IN ('public', 'dashboards') AND NOT c.relispartition
          AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
        ORDER BY c.oid, a.attidentity = 'a', a.attnum
    """)
    found: dict[str, Relation] = {}
    async with db.owner() as owner:
        await owner.execute(text("REFRESH MATERIALIZED VIEW usage_months"))
        for row in await owner.execute(query):
            found.setdefault(row.name, Relation(row.name, row.stored, {})).columns[row.attname] = row.kind
    return list(found.values())


@pytest.fixture
async def connections(
    postgres: EmbeddedPostgres, database_name: str, db: Database
) -> AsyncIterator[dict[str, Connection]]:
    """One as each role, with a tenant set and without the safety catches that a session can take off itself."""
    tenant = await make_tenant(db)
    made: dict[str, Connection] = {}
    for role in ROLES:
        connection = made[role] = await Connection.connect(postgres.url(role, database_name), autocommit=True)
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("SELECT set_config('app.current_tenant_id', %s, false)", [str(tenant.id)])
    yield made
    for connection in made.values():
        await connection.close()


async def works(connection: Connection, statement: str) -> bool:
    """Whether the role may. Any other error is a statement of this test that is wrong."""
    try:
        await connection.execute(statement.encode())
    except pg.InsufficientPrivilege:
        return False
    return True


async def test_every_table_and_view_has_a_line(relations: list[Relation]) -> None:
    assert {relation.name for relation in relations} == set(TABLES)


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_what_the_matrix_says_and_nothing_else(
    role: str, relations: list[Relation], connections: dict[str, Connection]
) -> None:
    connection, wrong = connections[role], []
    for relation in relations:
        may = TABLES.get(relation.name, May())
        verbs, columns = may.verbs(role), may.columns(role)
        if await works(connection, f"SELECT FROM {relation.name} LIMIT 0") != bool("S" in verbs or columns):
            wrong.append(f"SELECT {relation.name}")
        for column in relation.columns if columns else ():
            if await works(connection, f'SELECT "{column}" FROM {relation.name} LIMIT 0') != (column in columns):
                wrong.append(f"SELECT {relation.name}.{column}")
        for verb, statement in relation.statements() if relation.stored else ():
            if await works(connection, statement) != (verb in verbs):
                wrong.append(statement)
    assert wrong == []


async def test_the_catalogue_says_the_same(db: Database) -> None:
    """Of views too, and of what only a catalogue tells: references, triggers, maintenance."""
    query = text("""
        SELECT role, name, verb FROM unnest(CAST(:roles AS text[])) AS role, unnest(CAST(:names AS text[])) AS name,
            unnest(CAST(:verbs AS text[])) AS verb WHERE has_table_privilege(role, name, verb)
    """)
    async with db.owner() as owner:
        maintain = (await owner.execute(text("SELECT current_setting('server_version_num')::int >= 170000"))).scalar()
        verbs = [*WORDS.values(), "TRUNCATE", "REFERENCES", "TRIGGER", *(["MAINTAIN"] if maintain else [])]
        held = await owner.execute(query, {"roles": ROLES, "names": list(TABLES), "verbs": verbs})
        found = {tuple(row) for row in held}
    expected = {(role, name, WORDS[verb]) for role in ROLES for name, may in TABLES.items() for verb in may.verbs(role)}
    assert found == expected | {(OPERATOR, name, "MAINTAIN") for name in TABLES if maintain}


async def test_the_roles_are_nobody_elses_members_and_above_nothing(db: Database) -> None:
    roles = {"roles": list(pgroles.LOGIN_ROLES)}
    flags = text("""
        SELECT rolname, rolreplication FROM pg_roles WHERE rolname = ANY (:roles) AND rolcanlogin
          AND NOT (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole)
    """)
    members = text("""
        SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members
        WHERE member::regrole::text = ANY (:roles) OR roleid::regrole::text = ANY (:roles)
    """)
    there = text("SELECT rolname FROM pg_roles WHERE rolname IN ('pg_monitor', 'pg_signal_backend', 'pg_maintain')")
    async with db.owner() as owner:
        found = {row.rolname: row.rolreplication for row in await owner.execute(flags, roles)}
        groups = {tuple(row) for row in await owner.execute(members, roles)}
        expected = {(OPERATOR, name) for name in (await owner.execute(there)).scalars()}
    assert found == {role: role == pgroles.BACKUP for role in pgroles.LOGIN_ROLES}
    assert {group for group in groups if group[0] in found} == expected | {
        ("agent_monitor_alerter", "pg_read_all_stats"), (OWNER, VIEWS),
    }  # fmt: skip
    assert not [group for group in groups if group[1] in found and group[0] != "postgres"]
    assert {*ACROSS, WITHIN, NOTHING} == set(pgroles.LOGIN_ROLES)


async def test_the_views_owner_reads_no_secret_and_tenants_read_views_alone(db: Database) -> None:
    """Neither may log in or write; a tenant's people get at no table, and at every view."""
    query = text("""
        SELECT c.oid::regclass::text || '.' || a.attname AS place, c.relkind = 'v' AS is_view, r.rolname
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_roles r ON r.rolname = ANY (:roles)
        WHERE c.relnamespace::regnamespace::text IN ('public', 'dashboards')
          AND has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    """)
    flags = text("SELECT bool_or(rolcanlogin OR rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = ANY (:roles)")
    roles = {"roles": [VIEWS, TENANTS]}
    async with db.owner() as owner:
        held = [tuple(row) for row in await owner.execute(query, roles)]
        assert (await owner.execute(flags, roles)).scalar() is False
    read = {place for place, is_view, role in held if role == VIEWS and not is_view}
    assert read & SECRETS == set()
    assert not {place for place in read if re.search(r"(message|payload|details|query_text|comment|config)$", place)}
    shown = {place.rpartition(".")[0] for place, is_view, role in held if role == TENANTS}
    assert shown == {name for name in TABLES if name.startswith("dashboards.")}


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_makes_anything_or_becomes_another(role: str, connections: dict[str, Connection]) -> None:
    for statement in (
        "CREATE TABLE public.mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
        f"SET ROLE {OWNER}",
        "ALTER ROLE agent_monitor_app PASSWORD 'taken'" if role != WITHIN else f"ALTER ROLE {OWNER} PASSWORD 'taken'",
        "COPY (SELECT 1) TO '/tmp/taken'",
        "SELECT pg_read_file('PG_VERSION')",
    ):
        assert not await works(connections[role], statement), statement


async def test_no_function_runs_as_somebody_else(db: Database) -> None:
    """One that did would be a door past this matrix."""
    query = text("""
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE prosecdef AND pronamespace::regnamespace::text IN ('public', 'dashboards')
    """)
    async with db.owner() as owner:
        assert list((await owner.execute(query)).scalars()) == []


def test_secrets_are_neither_the_operators_nor_grafanas() -> None:
    for role in (OPERATOR, pgroles.GRAFANA):
        readable = {f"{name}.{column}" for name, may in TABLES.items() for column in may.columns(role)}
        whole = {name for name, may in TABLES.items() if "S" in may.verbs(role)}
        assert readable & SECRETS == set()
        assert whole & {name.partition(".")[0] for name in SECRETS} == set()


async def test_a_column_that_is_called_a_secret_is_known_as_one(relations: list[Relation]) -> None:
    columns = {f"{relation.name}.{column}" for relation in relations for column in relation.columns}
    assert columns >= SECRETS
    called = {column for column in columns if re.search(r"(secret|password|token|digest|hash)$", column)}
    assert called - SECRETS == HARMLESS


async def test_an_operator_looks_maintains_and_cancels(connections: dict[str, Connection]) -> None:
    operator, app = connections[OPERATOR], connections[WITHIN]
    said: list[str] = []
    operator.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    asked = "SELECT query FROM pg_stat_activity WHERE pid = %s"
    assert await (await operator.execute(asked, [app.info.backend_pid])).fetchone() == (
        "SELECT set_config('app.current_tenant_id', $1, false)",
    )
    await operator.execute("RESET default_transaction_read_only")
    if operator.info.server_version >= 170000:
        for statement in (b"VACUUM (ANALYZE) agents", b"ANALYZE agent_logs", b"REINDEX TABLE CONCURRENTLY channels"):
            await operator.execute(statement)
        assert said == []
    with pytest.raises(pg.ReadOnlySqlTransaction):
        await operator.execute("DELETE FROM leases")
    running = asyncio.create_task(app.execute("SELECT pg_sleep(60)"))

    async def sleeps() -> bool:
        return await (await operator.execute(asked, [app.info.backend_pid])).fetchone() == ("SELECT pg_sleep(60)",)

    await until(sleeps)
    await operator.execute("SELECT pg_cancel_backend(%s)", [app.info.backend_pid])
    with pytest.raises(pg.QueryCanceled):
        await running


async def test_nobody_else_cancels_what_is_not_their_own(connections: dict[str, Connection]) -> None:
    pid = connections[OPERATOR].info.backend_pid
    for role in (WITHIN, "agent_monitor_alerter", "agent_monitor_doorman", pgroles.GRAFANA):
        assert not await works(connections[role], f"SELECT pg_terminate_backend({pid})"), role


async def test_an_operators_session_is_careful(postgres: EmbeddedPostgres, database_name: str) -> None:
    names = ("default_transaction_read_only", "lock_timeout", "idle_in_transaction_session_timeout")
    async with await Connection.connect(postgres.url(OPERATOR, database_name)) as connection:
        said = [await (await connection.execute("SELECT current_setting(%s)", [name])).fetchone() for name in names]
    assert said == [("on",), ("5s",), ("5min",)]
