"""What was brought, read as the tenant's own programs read it; and databases to bring it from."""

from typing import Any

from sqlalchemy import text

from monitor.db import Database
from tests.factories import TenantMade
from tests.imports import scratch as scratches
from tests.imports.made import Rows

FEW = 120
MANY = 10_000


class Stored:
    """What the tenant has, read as its own programs read it."""

    def __init__(self, db: Database, tenant: TenantMade) -> None:
        self._db = db
        self._tenant = tenant

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Of a query."""
        async with self._db.tenant(self._tenant.id) as connection:
            return [dict(row) for row in (await connection.execute(text(sql))).mappings()]

    async def everywhere(self, sql: str) -> list[dict[str, Any]]:
        """Of a query over all tenants."""
        async with self._db.owner() as owner:
            return [dict(row) for row in (await owner.execute(text(sql))).mappings()]

    async def by(self, key: str, sql: str) -> dict[Any, dict[str, Any]]:
        """The same by one column, which is unique."""
        found = await self.rows(sql)
        made = {row[key]: row for row in found}
        assert len(made) == len(found)
        return made


async def filled(url: str, number: str, rows: Rows) -> None:
    """Make a document's database, with these rows."""
    await scratches.create(url, number)
    await scratches.insert(url, rows)


def plain(value: Any) -> Any:
    """What a value is, without the wrapping that it was inserted in."""
    return value.obj if hasattr(value, "obj") else value


def without(metadata: dict[str, Any]) -> dict[str, Any]:
    """The source's own metadata."""
    return {name: value for name, value in metadata.items() if name != "imported"}
