"""Isolation in the database itself, tried as the application's role."""

import pytest
from sqlalchemy import text

from monitor.db import Database, Role
from monitor.errors import TenantMissing
from sql.models import metadata
from tests.factories import make_agent, make_tenant

NOBODYS = {"leases", "maintenance_runs", "rollup_progress"}
TENANTS_TABLES = sorted(set(metadata.tables) - NOBODYS)


@pytest.mark.parametrize("table", TENANTS_TABLES)
async def test_a_forgotten_tenant_is_an_error_not_an_empty_result(db: Database, table: str) -> None:
    """On a fresh connection and on one that had a tenant before."""
    tenant = await make_tenant(db)
    for _ in range(2):
        with pytest.raises(TenantMissing):
            async with db._begin(Role.APP) as connection:
                await connection.execute(text(f"SELECT count(*) FROM {table}"))
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text("SELECT 1"))


async def test_a_tenant_sees_its_own_rows_only(db: Database) -> None:
    """Reading, updating and deleting reach nothing of another tenant."""
    one, two = await make_tenant(db), await make_tenant(db)
    await make_agent(db, two.id, "theirs")
    async with db.tenant(one.id) as connection:
        for table in ("agents", "agent_live", "api_keys", "memberships", "users", "tenants"):
            column = "id" if table in {"tenants", "users"} else "tenant_id"
            theirs = two.user_id if table == "users" else two.id
            count = text(f"SELECT count(*) FROM {table} WHERE {column} = :theirs")
            assert (await connection.execute(count, {"theirs": theirs})).scalar() == 0
        assert (await connection.execute(text("DELETE FROM agents"))).rowcount == 0
        assert (await connection.execute(text("UPDATE api_keys SET name = 'x'"))).rowcount == 1


async def test_a_row_cannot_be_written_into_another_tenant(db: Database) -> None:
    """WITH CHECK holds on insert."""
    one, two = await make_tenant(db), await make_tenant(db)
    statement = text("INSERT INTO touched (tenant_id, agent_ids, kinds) VALUES (:tenant, '{}', '{}')")
    with pytest.raises(Exception, match="row-level security"):
        async with db.tenant(one.id) as connection:
            await connection.execute(statement, {"tenant": two.id})


async def test_every_key_of_a_tenants_table_is_led_by_the_tenant(db: Database) -> None:
    """Primary, unique and foreign keys; what is global by nature is listed by name."""
    query = text(
        "SELECT c.conname, a.attname FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
        "JOIN pg_class t ON t.oid = c.conrelid "
        "WHERE c.contype IN ('p', 'u', 'f') AND NOT t.relispartition AND t.relnamespace = 'public'::regnamespace "
        "AND t.relname NOT IN ('tenants', 'users', 'leases', 'maintenance_runs', 'rollup_progress', "
        "'alembic_version')"
    )
    async with db.owner() as owner:
        first = {row.conname: row.attname for row in await owner.execute(query)}
    to_global = {
        "memberships_user_id_fkey", "api_keys_user_id_fkey", "agents_created_by_fkey",
        "workflow_executions_user_id_fkey", "conversations_user_id_fkey",
        "tenant_regions_region_tenant_id_region_id_fkey",
        "documents_uploaded_by_fkey", "mcp_server_configs_created_by_fkey",
        "mcp_server_configs_server_tenant_id_server_id_fkey",
        "user_identities_pkey", "user_identities_user_id_fkey", "data_requests_user_id_fkey",
    }  # fmt: skip
    assert {name for name, column in first.items() if column != "tenant_id"} == to_global


async def test_row_level_security_is_forced_and_partitions_are_granted_to_nobody(db: Database) -> None:
    """Every tenant's table forces it; the application cannot use a partition by its own name."""
    query = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    grants = text(
        "SELECT c.relname FROM pg_class c, LATERAL aclexplode(c.relacl) g "
        "WHERE c.relispartition AND g.grantee <> 'agent_monitor_owner'::regrole"
    )
    async with db.owner() as owner:
        assert set((await owner.execute(query)).scalars()) == {*NOBODYS, "alembic_version"}
        assert list((await owner.execute(grants)).scalars()) == []


async def test_the_application_cannot_become_anybody_else(db: Database) -> None:
    """No membership in another role, no superuser, no BYPASSRLS."""
    for role in (Role.ALERTER, Role.OWNER, Role.DOORMAN):
        with pytest.raises(Exception, match="permission denied to set role"):
            async with db._begin(Role.APP) as connection:
                await connection.execute(text(f"SET ROLE {role.value}"))
    async with db._begin(Role.APP) as connection:
        query = text("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        row = (await connection.execute(query)).one()
    assert tuple(row) == (False, False)
