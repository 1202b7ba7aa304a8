"""Somebody with a row in every place is handed all of them, and is nowhere when they are erased."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from monitor.db import Database
from monitor.errors import MonitorError
from monitor.ids import PLATFORM_TENANT
from monitor.subjects import erasing, export, steps
from monitor.subjects.places import PLACES
from tests.conftest import SettableClock
from tests.http.application import serving
from tests.http.furnished import furnish, rows_of
from tests.http.furnished.made import Furnished
from tests.subjects.somebody import CALLED, EMAIL, MARKS, settle

REQUESTS = "/api/v1/data-requests"


@pytest.fixture
async def made(db: Database) -> Furnished:
    """The tenant that she is a member of."""
    return await furnish(db, "apple")


@pytest.fixture
async def her(db: Database, made: Furnished) -> UUID:
    """Her id."""
    return await settle(db, made)


@pytest.fixture
async def api(db: Database, clock: SettableClock, made: Furnished) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an administrator's key."""
    async with serving(db, clock) as client:
        client.headers.update(made.tenant.headers)
        yield client


async def everything(db: Database) -> dict[str, str]:
    """All rows of all tables as text."""
    tables = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition"
    )
    async with db.owner() as owner:
        names = list((await owner.execute(tables)).scalars())
        return {
            name: "\n".join((await owner.execute(text(f"SELECT t::text FROM {name} t"))).scalars()) for name in names
        }


def where(found: dict[str, str], marks: tuple[str, ...]) -> set[tuple[str, str]]:
    return {(name, mark) for name, rows in found.items() for mark in marks if mark.lower() in rows.lower()}


async def asked(api: httpx.AsyncClient, kind: str, **more: Any) -> dict[str, Any]:
    answer = await api.post(REQUESTS, json={"kind": kind, "user": EMAIL, "also": [CALLED], **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def trail(db: Database, tenant: UUID) -> list[tuple[Any, ...]]:
    """What was done, to what kind of thing, and when."""
    query = text("SELECT id, action, resource_type, status FROM audit_logs WHERE tenant_id = :tenant ORDER BY id")
    async with db.owner() as owner:
        return [tuple(row) for row in await owner.execute(query, {"tenant": tenant})]


@pytest.mark.parametrize("portion", [1, 1000])
async def test_an_export_has_a_row_of_every_place_and_no_secret(
    api: httpx.AsyncClient, her: UUID, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    monkeypatch.setattr(export, "PORTION", portion)
    request = await asked(api, "export")
    assert (request["status"], request["user"]) == ("pending", str(her))
    answer = await api.get(f"{REQUESTS}/{request['id']}/export")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert {line["table"] for line in lines} == {place.table for place in PLACES}
    assert all(mark in answer.text for mark in MARKS)
    assert "never-shown" not in answer.text
    assert "never shown" not in answer.text
    after = (await api.get(f"{REQUESTS}/{request['id']}")).json()
    assert after["status"] == "done"
    assert sum(after["report"].values()) == len(lines)


@pytest.mark.parametrize("batch", [1, 5000])
async def test_nothing_of_her_is_left_and_nothing_of_others_is_touched(
    api: httpx.AsyncClient, db: Database, made: Furnished, clock: SettableClock, her: UUID,
    monkeypatch: pytest.MonkeyPatch, batch: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(steps, "BATCH", batch)
    monkeypatch.setattr(erasing, "REST", 0.0)
    other = await furnish(db, "walnut")
    others = await rows_of(db, other.tenant.id)
    before, marks = await trail(db, made.tenant.id), (*MARKS, str(her))
    assert {mark for _, mark in where(await everything(db), marks)} == set(marks)
    request = await asked(api, "erasure")
    assert await erasing.run_once(db, clock) == 1
    after = (await api.get(f"{REQUESTS}/{request['id']}")).json()
    assert (after["status"], after["error"], after["user"]) == ("done", None, None)
    assert after["report"]["users"] == after["report"]["memberships"] == 1
    assert where(await everything(db), marks) == set()
    assert await rows_of(db, other.tenant.id) == others
    kept = await trail(db, made.tenant.id)
    assert [entry for entry in kept if entry in before] == before
    assert {entry[1] for entry in kept if entry not in before} == {"data_request.created", "audit_log.erased"}
    async with db.owner() as owner:
        of = {"tenant": made.tenant.id, "alias": UUID(request["id"])}
        said = text("SELECT new_values FROM audit_logs WHERE tenant_id = :tenant AND user_id = :alias")
        assert (await owner.execute(said, of)).scalar_one()["role"] == "member"
        owns = text("SELECT count(*) FROM memberships m JOIN user_sessions USING (tenant_id, user_id) "
                    "WHERE tenant_id = :tenant")  # fmt: skip
        assert (await owner.execute(owns, of)).scalar_one() == 1, "the other member is still signed in"
    assert await erasing.run_once(db, clock) == 0


async def test_what_models_cost_still_adds_up(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, her: UUID
) -> None:
    sums = text("SELECT (SELECT sum(cost_usd) FROM model_calls), (SELECT sum(cost_usd) FROM usage_hours)")
    async with db.owner() as owner:
        before = tuple((await owner.execute(sums)).one())
    await asked(api, "erasure")
    await erasing.run_once(db, clock)
    async with db.owner() as owner:
        assert tuple((await owner.execute(sums)).one()) == before


async def test_whoever_is_to_be_erased_is_shut_out_at_once(api: httpx.AsyncClient, db: Database, her: UUID) -> None:
    await asked(api, "erasure")
    of = {"her": her, "email": EMAIL.lower()}
    async with db.owner() as owner:
        found = text("SELECT status FROM memberships WHERE user_id = :her")
        assert (await owner.execute(found, of)).scalar_one() == "suspended"
        found = text("SELECT count(*) FROM user_sessions WHERE user_id = :her AND revoked_at IS NULL")
        assert (await owner.execute(found, of)).scalar_one() == 0
        found = text("SELECT told, cleared_by FROM bounces WHERE address = :email")
        assert tuple((await owner.execute(found, of)).one()) == (True, None)
    again = await api.post(REQUESTS, json={"kind": "erasure", "user": EMAIL})
    assert again.status_code == 409


async def test_whom_others_need_stays(api: httpx.AsyncClient, db: Database, made: Furnished, her: UUID) -> None:
    tenant = made.tenant.id
    refused = await api.post(REQUESTS, json={"kind": "erasure", "user": str(made.tenant.user_id)})
    assert refused.status_code == 403, "a key erases no owner"
    async with db.owner() as owner:
        with pytest.raises(MonitorError, match="name another owner first"):
            await erasing.check(owner, tenant, made.tenant.user_id)
    shift = "kind = 'on_call', schedule = 'nights'"
    async with db.owner() as owner:
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(tenant)})
        await owner.execute(text(f"UPDATE calendar_events SET {shift} WHERE tenant_id = :id"), {"id": tenant})
    refused = await api.post(REQUESTS, json={"kind": "erasure", "user": EMAIL})
    assert refused.status_code == 409
    assert "on-call schedule 'nights'" in refused.json()["detail"]


async def test_who_belongs_elsewhere_keeps_the_account_and_what_is_there(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, her: UUID
) -> None:
    other = await furnish(db, "walnut")
    async with db.owner() as owner:
        belongs = text("INSERT INTO memberships (tenant_id, user_id) VALUES (:tenant, :her)")
        await owner.execute(belongs, {"tenant": other.tenant.id, "her": her})
    others = await rows_of(db, other.tenant.id)
    request = await asked(api, "erasure")
    await erasing.run_once(db, clock)
    after = (await api.get(f"{REQUESTS}/{request['id']}")).json()
    assert (after["status"], after["report"].get("users")) == ("done", None)
    assert await rows_of(db, other.tenant.id) == others
    left = {name for name, _ in where(await everything(db), MARKS)}
    assert left == {"users", "user_identities"}


async def test_the_trail_forgets_for_a_running_erasure_alone(db: Database, made: Furnished, her: UUID) -> None:
    call = text("SELECT forget_in_trail(:id, :id, :id, :id, :id, '{}', '{}', '{}', '{}')")
    given = {"id": PLATFORM_TENANT}
    for door in (db.tenant(made.tenant.id), db.alerter(), db.doorman()):
        with pytest.raises((MonitorError, DBAPIError), match="permission denied"):
            async with door as connection:
                await connection.execute(call, given)
    with pytest.raises((MonitorError, DBAPIError), match="no erasure"):
        async with db.owner() as owner:
            await owner.execute(call, given)
    # The owner of the table may name nobody else's deed either.
    change = "UPDATE audit_logs SET action = 'none' FROM (SELECT set_config('app.erasing', 'on', true)) AS erasing"
    with pytest.raises((MonitorError, DBAPIError), match="append-only"):
        async with db.owner() as owner:
            await owner.execute(text(change))
