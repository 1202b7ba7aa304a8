"""Revisions only add to what a release has: its programs go on working on the new schema."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from monitor import partitions
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.ids import uuid7
from sql import migrate
from tests.conftest import urls
from tests.sql.catalogue import broken, read

BASELINE = "0009"
"""The newest revision of the first release."""


@pytest.fixture
async def baseline(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database as the first release left it, with partitions for now."""
    name = f"t_{uuid4().hex}"
    await postgres.create_database(name)
    db = Database(urls(postgres, name), pool_size=2)
    await migrate.upgrade(db, BASELINE)
    await partitions.cover(db, ("agent_logs", "samples"), datetime.now(UTC))
    yield db
    await db.close()
    await postgres.drop_database(name)


def later() -> list[str]:
    """The revisions after the first release, in order."""
    found = [script.revision for script in ScriptDirectory.from_config(migrate.config()).walk_revisions()]
    return [revision for revision in reversed(found) if revision > BASELINE]


async def test_every_revision_since_only_adds(baseline: Database) -> None:
    """What came after the release is nobody's yet: a later revision may give it triggers and checks."""
    assert later()
    async with baseline.owner() as owner:
        released = await read(owner)
    for revision in later():
        await migrate.upgrade(baseline, revision)
        async with baseline.owner() as owner:
            after = await read(owner)
        assert list(broken(released, after)) == [], revision


# What a revision must not do, and what it may.
BREAKS = {
    "ALTER TABLE agents DROP COLUMN description": "column gone",
    "ALTER TABLE agents RENAME COLUMN description TO about": "column gone",
    "ALTER TABLE agents ALTER COLUMN description TYPE varchar(10)": "another type",
    "ALTER TABLE agents ALTER COLUMN description SET NOT NULL": "must be given",
    "ALTER TABLE agents ALTER COLUMN created_at DROP DEFAULT": "without its default",
    "ALTER TABLE agents ADD COLUMN colour text NOT NULL": "new column must be given",
    "ALTER TABLE agents ADD CHECK (length(name) < 10)": "new constraint",
    "ALTER TABLE agents ADD COLUMN n int, ADD CHECK (n > length(name))": "new constraint",
    "CREATE UNIQUE INDEX one_name ON agents (tenant_id, name)": "new constraint",
    "ALTER TABLE tenants DROP CONSTRAINT tenants_plan_check, "
    "ADD CONSTRAINT tenants_plan_check CHECK (plan IN ('free', 'enterprise'))": "constraint changed",
    "REVOKE DELETE ON agents FROM agent_monitor_app": "grants: gone",
    "DROP POLICY tenant ON agents": "policies: gone",
    "CREATE POLICY strict ON agents AS RESTRICTIVE USING (false)": "policies: restricts",
    "CREATE TRIGGER no BEFORE INSERT ON agents FOR EACH ROW EXECUTE FUNCTION refuse_change()": "triggers: new",
    "DROP TABLE idempotency_keys": "column gone",
}
FINE = (
    "CREATE TABLE colours (tenant_id uuid NOT NULL, name text NOT NULL PRIMARY KEY CHECK (name <> ''))",
    "ALTER TABLE agents ADD COLUMN colour text, ADD COLUMN size int NOT NULL DEFAULT 1 CHECK (size > 0)",
    "ALTER TABLE agents ADD COLUMN number int; CREATE UNIQUE INDEX one_number ON agents (tenant_id, number)",
    "ALTER TABLE agents ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE tenants DROP CONSTRAINT tenants_plan_check, "
    "ADD CONSTRAINT tenants_plan_check CHECK (plan IN ('free', 'starter', 'pro', 'enterprise', 'trial'))",
    "GRANT DELETE ON leases TO agent_monitor_app",
    "CREATE INDEX by_name ON agents (tenant_id, name)",
    "CREATE TRIGGER goes AFTER DELETE ON agents FOR EACH ROW EXECUTE FUNCTION set_updated_at()",
)


@pytest.mark.parametrize("statement", [*BREAKS, *FINE])
async def test_what_counts_as_adding(db: Database, statement: str) -> None:
    async with db.owner() as owner:
        before = await read(owner)
        for part in statement.split("; "):
            await owner.execute(text(part))
        found = list(broken(before, await read(owner)))
        await owner.rollback()
    if statement in FINE:
        assert found == []
    else:
        assert any(BREAKS[statement] in what for what in found), found


async def test_data_of_the_first_release_is_there_afterwards(baseline: Database) -> None:
    """With rows in, to the newest revision, and nothing of them is lost."""
    tenant, now = uuid7(datetime.now(UTC)), datetime.now(UTC)
    agent, log = uuid7(now), uuid7(now)
    given = {"tenant": tenant, "agent": agent, "log": log, "now": now}
    async with baseline.owner() as owner:
        await owner.execute(text("INSERT INTO tenants (id, slug, name) VALUES (:tenant, 'old', 'Old')"), given)
    async with baseline.tenant(tenant) as connection:
        for statement in OLD_ROWS:
            await connection.execute(text(statement), given)
    await migrate.upgrade(baseline)
    async with baseline.tenant(tenant) as connection:
        for table in ("agents", "agent_live", "agent_logs", "series", "samples"):
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar() == 1, table
        # And as the first release wrote them, more can be written.
        more = given | {"agent": uuid7(now), "log": uuid7(now)}
        for statement in OLD_ROWS:
            await connection.execute(text(statement.replace("'a'", "'b'")), more)


OLD_ROWS = (
    "INSERT INTO agents (tenant_id, id, external_id, name, agent_type, ping_token) "
    "VALUES (:tenant, :agent, 'a', 'a', 'coder', :agent)",
    "INSERT INTO agent_live (tenant_id, agent_id, last_seen_at) VALUES (:tenant, :agent, :now)",
    "INSERT INTO agent_logs (tenant_id, id, agent_id, kind, status, received_at) "
    "VALUES (:tenant, :log, :agent, 'execution', 'success', :now)",
    "WITH made AS (INSERT INTO series (tenant_id, agent_id, metric, tags, tags_hash, kind) "
    "VALUES (:tenant, :agent, 'load', '{}', decode(md5(''), 'hex'), 'gauge') RETURNING id) "
    "INSERT INTO samples (tenant_id, series_id, at, value) SELECT :tenant, id, :now, 1 FROM made",
)
"""Rows as the first release wrote them."""
