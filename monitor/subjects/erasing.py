"""Erasing a person: shut out at once, then blanked and deleted batch by batch, and in the end gone themselves.

Killed in between it goes on where it was. Whoever asks is a tenant, whose rows they are, or the platform for all of
them; the account itself goes where it belongs to no tenant any more.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.clock import Clock
from monitor.db import Database, Role
from monitor.errors import Conflict, DatabaseDown, MonitorError
from monitor.identity.store import keep_an_owner
from monitor.ids import PLATFORM_TENANT
from monitor.named import Named, refuse_named
from monitor.subjects import requests
from monitor.subjects.person import Person, Replaced, binds, read, replaced
from monitor.subjects.places import STEPS, TRAIL
from monitor.subjects.requests import Request
from monitor.subjects.steps import Step, count_of, steps_of, tables

_log = structlog.get_logger(__name__)

REST = 1.0
"""How long the pause after a batch is, in lengths of the batch."""
_LOCK = 7_305_311_829_014_122
"""Any fixed number: who erases holds this lock."""
_SET_TENANT = text("SELECT set_config('app.current_tenant_id', :tenant, true)")
_BELONGS = text("SELECT tenant_id FROM memberships WHERE user_id = :user ORDER BY tenant_id")
_SHUT_OUT = (
    "UPDATE memberships SET status = 'suspended' WHERE tenant_id = :tenant AND user_id = :user",
    "UPDATE user_sessions SET revoked_at = :now WHERE tenant_id = :tenant AND user_id = :user AND revoked_at IS NULL",
    "UPDATE notifications SET status = 'withheld', claimed_by = NULL, claimed_until = NULL "
    "WHERE tenant_id = :tenant AND target = ANY (:names) AND status IN ('pending', 'sending')",
    # Rules may name the address itself: it is written to no more, and their messages take another way.
    "INSERT INTO bounces (tenant_id, address, said, at, told) VALUES (:tenant, :email, :word, :now, true) "
    "ON CONFLICT (tenant_id, address) DO UPDATE SET said = EXCLUDED.said, cleared_by = NULL",
)


async def check(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> None:
    """Raise Conflict where the tenant cannot be without them: its last owner, or somebody in a rotation."""
    try:
        await keep_an_owner(connection, tenant_id, without=user_id)
    except Conflict:
        raise Conflict("the last owner of a tenant cannot be erased: name another owner first") from None
    await refuse_named(connection, tenant_id, Named.MEMBER, str(user_id))


async def shut_out(
    connection: AsyncConnection, tenant_id: UUID, user_id: UUID, request: Request, *, now: datetime
) -> list[str]:
    """End what they may and get in a tenant, in the transaction of the request; digests of the sessions that ended."""
    person = await read(connection, user_id, tenant=tenant_id, also=request.also)
    sessions = text("SELECT token_hash FROM user_sessions WHERE tenant_id = :tenant AND user_id = :user")
    digests = list((await connection.execute(sessions, {"tenant": tenant_id, "user": person.id})).scalars())
    given = {
        "tenant": tenant_id, "user": person.id, "now": now, "names": list(person.names),
        "email": person.email.lower(), "word": replaced(person, request.id).word,
    }  # fmt: skip
    for statement in _SHUT_OUT:
        await connection.execute(text(statement), given)
    return digests


async def belongs(owner: AsyncConnection, user_id: UUID) -> list[UUID]:
    """The tenants that they are a member of, as the owner."""
    return list((await owner.execute(_BELONGS, {"user": user_id})).scalars())


async def run_once(db: Database, clock: Clock) -> int:
    """Erase whom it is asked for, one after the other, as the owner; how many. None where another process is at it."""
    done = 0
    async with alone(db) as mine:
        if mine:
            async with db.owner() as owner:
                waiting = await requests.open_erasures(owner)
            for request in waiting:
                done += await _run(db, request, clock)
    return done


async def _run(db: Database, request: Request, clock: Clock) -> bool:
    """Whether it came to its end."""
    try:
        await erase(db, request, clock)
    except DatabaseDown:
        raise  # it goes on next time
    except MonitorError as fault:
        _log.exception("erasure failed", request=str(request.id))
        async with db.owner() as owner:
            await requests.fail(owner, request, fault.message, now=clock())
        return False
    return True


async def erase(db: Database, request: Request, clock: Clock) -> None:
    """Do what is left of an erasure. Raises MonitorError."""
    if request.user_id is None:
        async with db.owner() as owner:
            await requests.finish(owner, request, now=clock())
        return
    async with db.owner() as owner:
        await requests.begin(owner, request, now=clock())
        scope = None if request.tenant_id == PLATFORM_TENANT else request.tenant_id
        person = await read(owner, request.user_id, tenant=scope, also=request.also)
        steps = steps_of(await tables(owner))
        places = await _tenants(owner, request, person.id)
    stands = replaced(person, request.id)
    progress = request.progress
    for tenant in places:
        if not progress or str(tenant) >= progress["tenant"]:
            here = progress if progress and str(tenant) == progress["tenant"] else {}
            await _erase_in(db, request, tenant, (person, stands), steps, here, clock)
    await _farewell(db, request, person, clock())


async def _tenants(owner: AsyncConnection, request: Request, user_id: UUID) -> list[UUID]:
    """Where to look: in the tenant; in all where the platform asks."""
    if request.tenant_id != PLATFORM_TENANT:
        # The platform's own alerts tell of addresses that mail to other tenants' people did not reach.
        last = set(await belongs(owner, user_id)) <= {request.tenant_id}
        return sorted({request.tenant_id, PLATFORM_TENANT} if last else {request.tenant_id}, key=str)
    return sorted((await owner.execute(text("SELECT id FROM tenants"))).scalars(), key=str)


async def _erase_in(
    db: Database,
    request: Request,
    tenant: UUID,
    who: tuple[Person, Replaced],
    steps: list[Step],
    progress: Mapping[str, Any],
    clock: Clock,
) -> None:
    person, stands = who
    given = binds(person, stands, tenant) | {
        "patterns": list(stands.patterns), "documents": list(stands.documents), "words": list(stands.words),
        "pattern": "|".join(stands.patterns), "document": "|".join(stands.documents),
    }  # fmt: skip
    names = [step.name for step in steps]
    begin = names.index(progress["step"]) if progress.get("step") in names else 0
    after = list(progress.get("after", ())) if progress.get("step") in names else []
    for step in steps[begin:]:
        while True:
            began = time.monotonic()
            async with db.owner() as owner:
                await owner.execute(_SET_TENANT, {"tenant": str(tenant)})
                rows, key = await step.work(owner, given | {"now": clock()}, after)
                if rows or key is not None:
                    at = {"tenant": str(tenant), "step": step.name, "after": key or []}
                    await requests.tell(owner, request, table=step.table, rows=rows, progress=at)
            after = key or []
            if key is None:
                break
            await asyncio.sleep(REST * (time.monotonic() - began))


async def _farewell(db: Database, request: Request, person: Person, now: datetime) -> None:
    """Take away who they are, which all the rest was found by, and say that it is done: one transaction."""
    everywhere = request.tenant_id == PLATFORM_TENANT
    given = {"user": person.id, "tenant": request.tenant_id, "id": request.id}
    async with db.owner() as owner:
        for tenant in await belongs(owner, person.id) if everywhere else [request.tenant_id]:
            # A trigger takes them out of rotations, in their tenant.
            await owner.execute(_SET_TENANT, {"tenant": str(tenant)})
            gone = "DELETE FROM memberships WHERE tenant_id = :tenant AND user_id = :user"
            rows = (await owner.execute(text(gone), given | {"tenant": tenant})).rowcount
            await requests.tell(owner, request, table="memberships", rows=rows, progress={})
        await owner.execute(_SET_TENANT, {"tenant": str(request.tenant_id)})
        whose = (
            "user_id = :user AND id <> :id" if everywhere else "user_id = :user AND tenant_id = :tenant AND id <> :id"
        )
        await owner.execute(text(f"UPDATE data_requests SET user_id = NULL, also = '{{}}' WHERE {whose}"), given)
        if not await belongs(owner, person.id):
            rows = (await owner.execute(text("DELETE FROM users WHERE id = :user"), given)).rowcount
            await requests.tell(owner, request, table="users", rows=rows, progress={})
        await requests.finish(owner, request, now=now)


async def preview(
    connection: AsyncConnection, tenants: Sequence[UUID], user_id: UUID, *, also: Sequence[str]
) -> dict[str, int]:
    """How many rows an erasure finds in declared places, by table. What it finds by searching texts is not counted."""
    person = await read(connection, user_id, tenant=None, also=also)
    stands = replaced(person, PLATFORM_TENANT)
    found: dict[str, int] = {}
    for one in tenants:
        await connection.execute(_SET_TENANT, {"tenant": str(one)})
        for table, query in count_of([*STEPS, TRAIL]).items():
            rows = int((await connection.execute(text(query), binds(person, stands, one))).scalar_one())
            found[table] = found.get(table, 0) + rows
    return {table: rows for table, rows in found.items() if rows}


@contextlib.asynccontextmanager
async def alone(db: Database) -> AsyncIterator[bool]:
    """Whether nobody else erases meanwhile."""
    async with db.driver(Role.OWNER) as driver:
        found = await (await driver.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])).fetchone()
        mine = bool(found and found[0])
        await driver.commit()
        try:
            yield mine
        finally:
            if mine:
                await driver.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
                await driver.commit()
