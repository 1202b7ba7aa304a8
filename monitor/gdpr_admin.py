"""What the commands about one person's data do, in all tenants at once, against the database of the settings."""

from collections.abc import Callable, Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import clock, compose
from monitor.audit.store import Recorder
from monitor.db import Database
from monitor.errors import Conflict
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.principal import Principal, TenantStatus
from monitor.settings import Settings
from monitor.subjects import erasing, person, requests
from monitor.subjects.export import export as exported
from monitor.subjects.requests import Kind, Request

_OPERATOR = Principal(
    tenant_id=PLATFORM_TENANT, tenant_status=TenantStatus.ACTIVE, scopes=frozenset(), reached="operator"
)


async def export(settings: Settings, named: str, also: list[str], write: Callable[[str], object]) -> Mapping[str, int]:
    """Hand everything that is stored about somebody to `write`, piece by piece; rows by table. Raises NotFound."""
    count: dict[str, int] = {}
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            found = await person.read(owner, await person.find(owner, named), tenant=None, also=also)
            tenants = await _tenants(owner)
            request = await _ask(owner, Kind.EXPORT, found.id, also)
            await requests.begin(owner, request, now=clock.now())
        async for piece in exported(lambda _: db.owner(), tenants, found, count):
            write(piece)
        async with db.owner() as owner:
            await requests.finish(owner, request, now=clock.now(), report=count)
    return count


async def preview(settings: Settings, named: str, also: list[str]) -> Mapping[str, int]:
    """How many rows an erasure would find, by table. Raises NotFound; Conflict where it would be refused."""
    async with compose.database(settings) as db, db.owner() as owner:
        user_id = await person.find(owner, named)
        for tenant in await erasing.belongs(owner, user_id):
            await erasing.check(owner, tenant, user_id)
        return await erasing.preview(owner, await _tenants(owner), user_id, also=also)


async def erase(settings: Settings, named: str, also: list[str]) -> Request:
    """Erase somebody in all tenants, or go on with it; the request as it ended. Raises NotFound, Conflict."""
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            user_id = await person.find(owner, named)
            waiting = await requests.open_erasures(owner)
            request = next(
                (one for one in waiting if one.user_id == user_id and one.tenant_id == PLATFORM_TENANT), None
            )
            if request is None:
                request = await _begin(owner, user_id, also)
        return await _finished(db, request)


async def _begin(owner: AsyncConnection, user_id: UUID, also: list[str]) -> Request:
    theirs = await erasing.belongs(owner, user_id)
    for tenant in theirs:
        await erasing.check(owner, tenant, user_id)
    request = await _ask(owner, Kind.ERASURE, user_id, also)
    for tenant in theirs:
        await erasing.shut_out(owner, tenant, user_id, request, now=clock.now())
    return request


async def _finished(db: Database, request: Request) -> Request:
    async with erasing.alone(db) as mine:
        if not mine:
            raise Conflict("an alerter is erasing already: it takes this one next")
        await erasing.erase(db, request, clock.now)
    async with db.owner() as owner:
        return await requests.get(owner, request.tenant_id, request.id)


async def _ask(owner: AsyncConnection, kind: Kind, user_id: UUID, also: list[str]) -> Request:
    now = clock.now()
    request = await requests.add(
        owner, PLATFORM_TENANT, uuid7(now), kind=kind, user_id=user_id, also=also, actor=_OPERATOR.actor, now=now
    )
    await Recorder(clock.now)(
        owner, _OPERATOR, "data_request.created", resource=("data_request", str(request.id)),
        new={"kind": kind.value, "user": str(user_id)},
    )  # fmt: skip
    return request


async def _tenants(owner: AsyncConnection) -> list[UUID]:
    return list((await owner.execute(text("SELECT id FROM tenants ORDER BY id"))).scalars())
