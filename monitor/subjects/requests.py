"""Requests of people about their data: SQL, and rows as frozen dataclasses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.subjects.tables import DataRequest

_R = DataRequest


class Kind(StrEnum):
    """What is asked for: their rows, or that these go."""

    EXPORT = "export"
    ERASURE = "erasure"


class Status(StrEnum):
    """How far it is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `progress`: `tenant`, `step` and `after` of an erasure that goes on; `report`: rows by table."""

    tenant_id: UUID
    id: UUID
    kind: Kind
    user_id: UUID | None
    also: tuple[str, ...]
    status: Status
    requested_by: str
    progress: Mapping[str, Any]
    report: Mapping[str, int]
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime


_COLUMNS = (
    _R.tenant_id, _R.id, _R.kind, _R.user_id, _R.also, _R.status, _R.requested_by, _R.progress, _R.report, _R.error,
    _R.started_at, _R.completed_at, _R.created_at,
)  # fmt: skip
_SELECT = select(*_COLUMNS)
_TOLD = text("""
    UPDATE data_requests SET progress = CAST(:progress AS jsonb), report = CASE WHEN :rows = 0 THEN report
        ELSE report || jsonb_build_object(CAST(:table AS text), coalesce((report->>:table)::bigint, 0) + :rows) END
    WHERE tenant_id = :tenant AND id = :id
""")


async def add(
    connection: AsyncConnection,
    tenant_id: UUID,
    request_id: UUID,
    *,
    kind: Kind,
    user_id: UUID,
    also: Sequence[str],
    actor: str,
    now: datetime,
) -> Request:
    """Write a request down. Raises Conflict where an erasure of this person is open."""
    values = {
        "tenant_id": tenant_id, "id": request_id, "kind": kind.value, "user_id": user_id, "also": list(also),
        "requested_by": actor, "created_at": now,
    }  # fmt: skip
    return _request((await connection.execute(insert(_R).values(values).returning(*_COLUMNS))).one())


async def get(connection: AsyncConnection, tenant_id: UUID, request_id: UUID) -> Request:
    """One request. Raises NotFound."""
    row = (await connection.execute(_SELECT.where(_R.tenant_id == tenant_id, _R.id == request_id))).one_or_none()
    if row is None:
        raise NotFound("there is no such request")
    return _request(row)


async def newest(
    connection: AsyncConnection, tenant_id: UUID, *, limit: int, before: UUID | None = None
) -> list[Request]:
    """A tenant's requests, newest first: `limit + 1` of them."""
    query = _SELECT.where(_R.tenant_id == tenant_id).order_by(_R.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(_R.id < before)
    return [_request(row) for row in await connection.execute(query)]


async def open_erasures(owner: AsyncConnection) -> list[Request]:
    """What is to be erased, of all tenants, the oldest first; as the owner."""
    query = _SELECT.where(_R.kind == Kind.ERASURE.value, _R.status.in_(["pending", "running"])).order_by(_R.id)
    return [_request(row) for row in await owner.execute(query)]


async def begin(connection: AsyncConnection, request: Request, *, now: datetime) -> None:
    """It is being worked on."""
    started = {"status": Status.RUNNING.value, "started_at": request.started_at or now, "error": None}
    await _change(connection, request, started)


async def tell(
    connection: AsyncConnection, request: Request, *, table: str, rows: int, progress: Mapping[str, Any]
) -> None:
    """How far it is, in the transaction of what it tells of."""
    said = msgspec.json.encode(progress).decode()
    given = {"tenant": request.tenant_id, "id": request.id, "table": table, "rows": rows, "progress": said}
    await connection.execute(_TOLD, given)


async def finish(
    connection: AsyncConnection, request: Request, *, now: datetime, report: Mapping[str, int] | None = None
) -> None:
    """It is done; of an erasure nothing is left that says whose it was."""
    values: dict[str, Any] = {"status": Status.DONE.value, "completed_at": now, "progress": {}, "error": None}
    if request.kind is Kind.ERASURE:
        values |= {"user_id": None, "also": []}
    if report is not None:
        values["report"] = dict(report)
    await _change(connection, request, values)


async def fail(connection: AsyncConnection, request: Request, error: str, *, now: datetime) -> None:
    """It came to nothing; asked for again it begins anew, with what is left."""
    await _change(connection, request, {"status": Status.FAILED.value, "error": error, "completed_at": now})


async def _change(connection: AsyncConnection, request: Request, values: Mapping[str, Any]) -> None:
    query = update(_R).where(_R.tenant_id == request.tenant_id, _R.id == request.id)
    await connection.execute(query.values(dict(values)))


def _request(row: Any) -> Request:
    values = dict(row._mapping)
    values |= {"kind": Kind(row.kind), "status": Status(row.status), "also": tuple(row.also)}
    return Request(**values)
