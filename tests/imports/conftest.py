"""Fixtures of imports: a scratch database, and a tenant to bring it into."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC
from uuid import uuid4

import pytest

from monitor import clock
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.imports.report import Report
from monitor.imports.running import Import
from monitor.sealing import Ring
from monitor.series.postgres import PostgresSeriesStore
from tests.factories import TenantMade, make_tenant
from tests.imports.stored import Stored

KEYS = ("a key for tests, which is long enough",)
RING = Ring(KEYS)
Bring = Callable[..., Awaitable[dict[str, Report]]]


@pytest.fixture
async def scratch(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of an empty database."""
    name = f"s_{uuid4().hex}"
    await postgres.create_database(name, template="template0")
    yield postgres.url(database=name)
    await postgres.drop_database(name)


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    """Whom everything is brought to."""
    return await make_tenant(db)


@pytest.fixture
def bring(db: Database, tenant: TenantMade) -> Bring:
    """Run an import of a document's database; its reports by table."""

    async def run(document: str, url: str, *, dry: bool = False, **more: object) -> dict[str, Report]:
        series = PostgresSeriesStore(db)
        zone = more.pop("zone", UTC)
        work = Import(document, url, db, series, tenant.id, clock.now, zone, dry, ring=RING, **more)  # type: ignore[arg-type]
        return {report.table: report for report in await work.run()}

    return run


@pytest.fixture
def stored(db: Database, tenant: TenantMade) -> Stored:
    """What is here."""
    return Stored(db, tenant)
