"""Keys that rotate: everything goes over to the newest one, also when that is cut off."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, text

from alerts.core.covering import seal
from alerts.tables import ChannelRow
from monitor.db import Database
from monitor.errors import ConfigError
from monitor.ids import uuid7
from monitor.resealing import Report, reseal
from monitor.sealing import TARGETS, Ring
from monitor.settings import Settings
from tests.alerts.timeline import PUBLIC_URL, timeline
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.stage import until

OLD, NEW = "the key ring of last year", "the key ring of this year"
URL = "https://hooks.example/a/secret/path"
HOOK = {"name": "hook", "kind": "webhook", "target": URL, "secret": "signs"}
HERE = {"kind": "webhook", "target": "https://a.example/"}


def of(reports: list[Report], table: str) -> Report:
    """One line of it."""
    (found,) = [one for one in reports if one.table == table]
    return found


async def stored(db: Database) -> list[Any]:
    """What stands in the channels."""
    async with db.owner() as owner:
        return list((await owner.execute(text("SELECT secret FROM channels ORDER BY id"))).scalars())


async def test_what_is_sealed_goes_over_to_the_newest_key(db: Database, clock: SettableClock) -> None:
    async with timeline(db, clock, Settings(public_url=PUBLIC_URL, secret_keys=(OLD,))) as t:
        await t.request("POST", "channels", HOOK)
        contact = {"kind": "slack", "target": "https://hooks.slack.com/services/T0/B0/abc"}
        await t.request("PATCH", f"members/{t.tenant.user_id}", {"contacts": [contact]}, expect=200)
        first = await reseal(db, Ring([NEW, OLD]), batch=1)
        second = await reseal(db, Ring([NEW]), batch=1)
    for table in ("channels", "contact_methods"):
        assert (of(first, table).resealed, of(second, table).current) == (1, 1)
    assert sum(one.lost for one in [*first, *second]) == 0
    assert sum(one.resealed for one in second) == 0
    (sealed,) = await stored(db)
    assert Ring([NEW]).open(sealed, tenant_id=t.tenant.id, place=TARGETS) == seal(URL, "signs")


async def test_what_was_stored_before_there_were_keys_is_sealed_and_what_has_no_key_stays(
    db: Database, clock: SettableClock
) -> None:
    tenant = await make_tenant(db)
    lost = Ring(["a key that nobody has"]).seal("gone", tenant_id=tenant.id, place=TARGETS)
    async with db.owner() as owner:
        for name, secret in (("plain", "signs"), ("lost", lost)):
            row = {**HERE, "tenant_id": tenant.id, "id": uuid7(clock()), "name": name, "secret": secret}
            await owner.execute(insert(ChannelRow).values(row))
    report = of(await reseal(db, Ring([NEW])), "channels")
    assert (report.resealed, report.current, report.lost) == (1, 0, 1)
    first, second = await stored(db)
    assert Ring([NEW]).open(first, tenant_id=tenant.id, place=TARGETS) == "signs"
    assert second == lost
    with pytest.raises(ConfigError, match="SECRET_KEYS"):
        await reseal(db, Ring([]))


async def test_cut_off_in_the_middle_it_goes_on(db: Database, clock: SettableClock) -> None:
    tenant, many, old = await make_tenant(db), 60, Ring([OLD])
    rows = [
        {**HERE, "tenant_id": tenant.id, "id": uuid7(clock()), "name": str(number),
         "secret": old.seal(f"signs {number}", tenant_id=tenant.id, place=TARGETS)}
        for number in range(many)
    ]  # fmt: skip
    async with db.owner() as owner:
        await owner.execute(insert(ChannelRow), rows)
    ring = Ring([NEW, OLD])
    work = asyncio.create_task(reseal(db, ring, batch=1))

    async def begun() -> bool:
        return any(ring.current(one) for one in await stored(db))

    await until(begun)
    work.cancel()
    await asyncio.wait([work])
    between = [ring.current(one) for one in await stored(db)]
    assert any(between)
    assert not all(between)
    report = of(await reseal(db, ring), "channels")
    assert (report.resealed, report.current) == (between.count(False), between.count(True))
    opened = [Ring([NEW]).open(one, tenant_id=tenant.id, place=TARGETS) for one in await stored(db)]
    assert opened == [f"signs {number}" for number in range(many)]


async def test_a_channel_that_somebody_changes_meanwhile_keeps_the_change(db: Database, clock: SettableClock) -> None:
    async with timeline(db, clock, Settings(public_url=PUBLIC_URL, secret_keys=(NEW, OLD))) as t:
        await t.request("POST", "channels", HOOK)
        change = t.request("PATCH", "channels/hook", {"secret": "signs anew"}, expect=200)
        await asyncio.gather(*(reseal(db, Ring([OLD, NEW])) for _ in range(3)), change)
    (sealed,) = await stored(db)
    opened = Ring([NEW, OLD]).open(sealed, tenant_id=t.tenant.id, place=TARGETS)
    assert opened == seal(URL, "signs anew")
