"""What a tenant sends is taken where its data may be, and nowhere else."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.errors import Conflict
from monitor.ids import uuid7
from monitor.regions import store
from monitor.regions.residency import misdirected
from monitor.regions.store import Place
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.http.application import serving

LOG = {"agent": "a", "status": "success"}


def place(slug: str, *, residency: bool, endpoint: str | None = None) -> Place:
    """A region of the tenant's."""
    return Place(slug=slug, name=slug, jurisdiction="EU", endpoint=endpoint, residency=residency)


@pytest.mark.parametrize(
    ("places", "endpoint", "refused"),
    [
        ([], None, False),
        ([place("us", residency=False)], None, False),
        ([place("eu", residency=True), place("us", residency=True)], None, False),
        ([place("eu", residency=True)], None, False),
        ([place("us", residency=True)], None, True),
        ([place("us", residency=True, endpoint="https://us")], "https://us", True),
        ([place("ca", residency=True), place("us", residency=True, endpoint="https://us")], "https://us", True),
        ([place("eu", residency=False), place("us", residency=True)], None, True),
    ],
)
def test_data_stays_where_it_must(places: Sequence[Place], endpoint: str | None, *, refused: bool) -> None:
    fault = misdirected(places, "eu")
    assert (fault is not None) is refused
    if fault is not None:
        assert (fault.status, fault.endpoint) == (421, endpoint)


async def regions(db: Database, clock: SettableClock) -> dict[str, UUID]:
    """Two of them."""
    async with db.owner() as owner:
        for slug in ("eu", "us"):
            values = {"name": slug.upper(), "jurisdiction": slug.upper(), "endpoint": f"https://{slug}.example"}
            await store.put_region(owner, uuid7(clock()), slug, values)
        return {row.slug: row.id for row in await store.list_regions(owner)}


async def test_elsewhere_it_is_answered_421_with_the_right_endpoint(db: Database, clock: SettableClock) -> None:
    known, bound, free = await regions(db, clock), await make_tenant(db), await make_tenant(db)
    async with db.owner() as owner:
        await store.assign(owner, bound.id, known["us"], residency=True)
        await store.assign(owner, free.id, known["us"], residency=False)
    async with serving(db, clock, settings=Settings(region="eu")) as client:
        for path, body in (("/api/v1/logs", LOG), ("/api/v1/tasks", {"agent": "a", "task_type": "t"})):
            refused = await client.post(path, json=body, headers=bound.headers)
            said = refused.json()
            assert (refused.status_code, said["code"]) == (421, "misdirected")
            assert (said["region"], said["endpoint"]) == ("us", "https://us.example")
        # Where data may be read is another matter.
        assert (await client.get("/api/v1/agents", headers=bound.headers)).json()["items"] == []
        places = (await client.get("/api/v1/tenant/regions", headers=bound.headers)).json()["items"]
        assert [(one["slug"], one["residency"]) for one in places] == [("us", True)]
        assert (await client.post("/api/v1/logs", json=LOG, headers=free.headers)).status_code == 202
        # A ping is data, too.
        async with db.owner() as owner:
            await store.assign(owner, free.id, known["us"], residency=True)
        url = (await client.get("/api/v1/agents/a", headers=free.headers)).json()["ping_url"]
    async with serving(db, clock, settings=Settings(region="eu")) as client:
        assert (await client.get("/ping/" + url.rpartition("/")[2])).status_code == 421
    async with serving(db, clock, settings=Settings(region="us")) as client:
        assert (await client.post("/api/v1/logs", json=LOG, headers=bound.headers)).status_code == 202
    # Without a region of its own, a process takes everything.
    async with serving(db, clock) as client:
        assert (await client.post("/api/v1/logs", json=LOG, headers=bound.headers)).status_code == 202


async def test_a_region_that_tenants_belong_to_is_not_forgotten(db: Database, clock: SettableClock) -> None:
    known, tenant = await regions(db, clock), await make_tenant(db)
    async with db.owner() as owner:
        await store.assign(owner, tenant.id, known["us"], residency=True)
    with pytest.raises(Conflict):
        async with db.owner() as owner:
            await store.delete_region(owner, "us")
    async with db.owner() as owner:
        assert await store.release(owner, tenant.id, known["us"])
        await store.delete_region(owner, "us")
        assert [row.slug for row in await store.list_regions(owner)] == ["eu"]


async def test_regions_are_the_platforms_and_everybodys_to_read(db: Database, clock: SettableClock) -> None:
    await regions(db, clock)
    tenant = await make_tenant(db)
    async with db.tenant(tenant.id) as connection:
        assert [row.slug for row in await store.list_regions(connection)] == ["eu", "us"]
    with pytest.raises(Exception, match="permission denied"):
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text("UPDATE regions SET endpoint = 'https://elsewhere'"))
