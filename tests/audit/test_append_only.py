"""What is in the audit trail stays as it is: nobody changes or removes a row, whatever door they came through."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import partitions
from monitor.db import Database
from monitor.errors import MonitorError
from tests.http.furnished import furnish

Door = Callable[[Database, UUID], AbstractAsyncContextManager[AsyncConnection]]

DOORS: dict[str, Door] = {
    "app": lambda db, tenant_id: db.tenant(tenant_id),
    "alerter": lambda db, _: db.alerter(),
    "doorman": lambda db, _: db.doorman(),
    "owner": lambda db, _: db.owner(),
}
CHANGES = ("UPDATE audit_logs SET actor = 'nobody'", "DELETE FROM audit_logs", "TRUNCATE audit_logs")


async def rows(db: Database, tenant_id: UUID) -> list[str]:
    async with db.tenant(tenant_id) as connection:
        return list((await connection.execute(text("SELECT a::text FROM audit_logs a ORDER BY id"))).scalars())


@pytest.mark.parametrize(
    ("door", "change"),
    # The owner of a table may empty it, as it drops the months that are past their time.
    [pair for pair in itertools.product(DOORS, CHANGES) if pair != ("owner", "TRUNCATE audit_logs")],
)
async def test_nobody_changes_or_removes_an_entry(db: Database, door: str, change: str) -> None:
    made = await furnish(db, "apple")
    before = await rows(db, made.tenant.id)
    assert before
    with pytest.raises((MonitorError, DBAPIError), match=r"append-only|permission denied"):
        async with DOORS[door](db, made.tenant.id) as connection:
            await connection.execute(text(change))
    assert await rows(db, made.tenant.id) == before


async def test_no_role_is_granted_more_than_adding_and_reading(db: Database) -> None:
    query = text(
        "SELECT g.grantee::regrole::text AS role, g.privilege_type AS verb FROM pg_class c, aclexplode(c.relacl) g "
        "WHERE c.relname = 'audit_logs' AND g.grantee <> c.relowner"
    )
    async with db.owner() as owner:
        granted = {row.verb for row in await owner.execute(query)}
    assert {"INSERT", "SELECT"} == granted


async def test_retention_takes_whole_months_away(db: Database) -> None:
    made = await furnish(db, "apple")
    await partitions.apply(db, datetime.now(UTC) + timedelta(days=4000), retention={"audit_logs": timedelta(days=365)})
    assert await rows(db, made.tenant.id) == []
