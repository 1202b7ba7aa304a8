"""Two tenants with a row in every table: what each database role, with the one's tenant set, reaches of the other.

The application's role reaches nothing. The others see across tenants by design (access.py says why), in the tables and
columns of the matrix and no further, and what they may not write they do not.
"""

from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import errors as pg

from monitor import pgroles
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from sql.models import metadata
from tests.http.furnished import TABLES as TENANTS_TABLES
from tests.http.furnished import furnish, rows_of
from tests.http.furnished.made import Furnished
from tests.sql.access import ACROSS, TABLES, WITHIN

Connection = psycopg.AsyncConnection
OWN = {**dict.fromkeys(TENANTS_TABLES, "tenant_id"), "tenants": "id"}
"""Tables that hold what is somebody's, and the column that says whose."""
OTHERS = sorted(set(pgroles.LOGIN_ROLES) - {WITHIN, Role.OWNER.value})


@pytest.fixture
async def one(db: Database) -> Furnished:
    """Whose tenant is set."""
    return await furnish(db, "apple")


@pytest.fixture
async def two(db: Database) -> Furnished:
    """Whose rows are reached for."""
    return await furnish(db, "walnut")


@pytest.fixture
async def connections(
    postgres: EmbeddedPostgres, database_name: str, one: Furnished
) -> AsyncIterator[dict[str, Connection]]:
    """One as each role, with the first tenant set."""
    made: dict[str, Connection] = {}
    for role in (WITHIN, *OTHERS):
        connection = made[role] = await Connection.connect(postgres.url(role, database_name), autocommit=True)
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("SELECT set_config('app.current_tenant_id', %s, false)", [str(one.tenant.id)])
    yield made
    for connection in made.values():
        await connection.close()


async def count(connection: Connection, table: str, owner: Furnished) -> int:
    """How many of somebody's rows the role sees."""
    query = f"SELECT count(*) FROM {table} WHERE {OWN[table]} = %s"
    row = await (await connection.execute(query.encode(), [owner.tenant.id])).fetchone()
    assert row is not None
    return int(row[0])


async def test_the_application_sees_its_own_and_nothing_of_another(
    connections: dict[str, Connection], one: Furnished, two: Furnished
) -> None:
    app, seen = connections[WITHIN], {}
    readable = [table for table in OWN if "S" in TABLES[table].verbs(WITHIN)]
    for table in readable:
        seen[table] = (await count(app, table, one) > 0, await count(app, table, two))
    assert seen == dict.fromkeys(readable, (True, 0))
    people = await (await app.execute("SELECT id FROM users")).fetchall()
    assert (two.tenant.user_id,) not in people
    assert (one.tenant.user_id,) in people


async def test_the_application_changes_and_removes_nothing_of_another(
    db: Database, connections: dict[str, Connection], two: Furnished
) -> None:
    app, before, reached = connections[WITHIN], await rows_of(db, two.tenant.id), []
    for table, whose in OWN.items():
        for verb, statement in (
            ("U", f"UPDATE {table} SET {whose} = {whose} WHERE {whose} = %s"),
            ("D", f"DELETE FROM {table} WHERE {whose} = %s"),
        ):
            if verb not in TABLES[table].verbs(WITHIN):
                with pytest.raises(pg.InsufficientPrivilege):
                    await app.execute(statement.encode(), [two.tenant.id])
            elif (await app.execute(statement.encode(), [two.tenant.id])).rowcount:
                reached.append(statement)
    assert reached == []
    assert await rows_of(db, two.tenant.id) == before


async def test_the_application_gives_nothing_to_another(
    db: Database, connections: dict[str, Connection], two: Furnished
) -> None:
    """A copy of a row of its own with the other's name on it, and a row of its own renamed."""
    app, before, taken = connections[WITHIN], await rows_of(db, two.tenant.id), []
    for table, whose in OWN.items():
        names = ", ".join(f'"{column.name}"' for column in metadata.tables[table].columns if column.identity is None)
        copied = ", ".join(f"(copy).{name}" for name in names.split(", "))
        copy = f"SELECT jsonb_populate_record(x, jsonb_build_object('{whose}', %s::text)) AS copy FROM {table} x"
        for verb, statement in (
            ("I", f"INSERT INTO {table} ({names}) SELECT {copied} FROM ({copy}) AS copies"),
            ("U", f"UPDATE {table} SET {whose} = %s"),
        ):
            if verb in TABLES[table].verbs(WITHIN):
                try:
                    await app.execute(statement.encode(), [str(two.tenant.id)])
                except pg.InsufficientPrivilege:
                    continue
                taken.append(statement)
    assert taken == []
    assert await rows_of(db, two.tenant.id) == before


@pytest.mark.parametrize("role", OTHERS)
async def test_others_see_what_the_matrix_says_and_no_further(
    db: Database, connections: dict[str, Connection], two: Furnished, role: str
) -> None:
    connection, before, seen = connections[role], await rows_of(db, two.tenant.id), set()
    for table, whose in OWN.items():
        try:
            if await count(connection, table, two):
                seen.add(table)
        except pg.InsufficientPrivilege:
            continue
        finally:
            for verb, statement in (
                ("U", f"UPDATE {table} SET {whose} = {whose} WHERE {whose} = %s"),
                ("D", f"DELETE FROM {table} WHERE {whose} = %s"),
            ):
                if verb not in TABLES[table].verbs(role):
                    with pytest.raises(pg.InsufficientPrivilege):
                        await connection.execute(statement.encode(), [two.tenant.id])
    assert seen == {t for t, whose in OWN.items() if "S" in TABLES[t].verbs(role) or whose in TABLES[t].columns(role)}
    assert not seen or role in ACROSS
    assert await rows_of(db, two.tenant.id) == before
