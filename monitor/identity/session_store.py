"""Sessions: SQL, and rows as frozen dataclasses."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.identity.session_cache import Standing
from monitor.identity.tables import Membership, Tenant, User, UserSession
from monitor.principal import Role, TenantStatus

_S = UserSession


class Method(StrEnum):
    """How somebody came in."""

    LINK = "link"
    PASSWORD = "password"  # noqa: S105 - the word, not one
    OIDC = "oidc"
    IMPORT = "import"


class SessionStatus(StrEnum):
    """How a session stands; follows from its times."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Found:
    """What a cookie's digest leads to."""

    tenant_id: UUID
    id: UUID
    last_activity_at: datetime
    standing: Standing


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session without its cookie, whose digest is `token_hash`."""

    id: UUID
    user_id: UUID
    email: str
    method: str
    status: SessionStatus
    device_info: dict[str, Any]
    ip_address: str | None
    started_at: datetime
    last_activity_at: datetime
    expires_at: datetime
    token_hash: str


async def insert_session(connection: AsyncConnection, **values: Any) -> None:
    """Store a session that begins, by its columns."""
    await connection.execute(insert(_S).values(**values))


async def find_session(doorman: AsyncConnection, token_hash: str, *, now: datetime) -> Found | None:
    """The session of a cookie while it lasts: neither expired nor revoked, nor begun before its owner's password was
    last changed."""
    query = (
        select(
            _S.tenant_id, _S.id, _S.user_id, _S.last_activity_at, _S.expires_at, Tenant.status.label("tenant_status"),
            Membership.status, Membership.role, Membership.permissions, User.deleted_at,
        )
        .join(Tenant, Tenant.id == _S.tenant_id)
        .join(User, User.id == _S.user_id)
        .join(Membership, and_(Membership.tenant_id == _S.tenant_id, Membership.user_id == _S.user_id))
        .where(_S.token_hash == token_hash, _S.revoked_at.is_(None), _S.expires_at > now)
        .where(or_(User.password_changed_at.is_(None), User.password_changed_at <= _S.started_at))
    )  # fmt: skip
    row = (await doorman.execute(query)).first()
    if row is None:
        return None
    member = row.status == "active" and row.deleted_at is None
    standing = Standing(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        tenant=TenantStatus(row.tenant_status),
        role=Role(row.role) if member else None,
        permissions=tuple(row.permissions) if member else (),
        expires_at=row.expires_at,
    )
    return Found(row.tenant_id, row.id, row.last_activity_at, standing)


async def touch_session(connection: AsyncConnection, found: Found, *, now: datetime) -> None:
    """Say that a session is in use."""
    query = update(_S).where(_S.tenant_id == found.tenant_id, _S.id == found.id, _S.last_activity_at < now)
    await connection.execute(query.values(last_activity_at=now))


async def list_sessions(
    connection: AsyncConnection, tenant_id: UUID, *, user_id: UUID | None, now: datetime
) -> list[SessionRow]:
    """A tenant's sessions, or one member's, newest first."""
    lapsed = User.password_changed_at > _S.started_at
    query = (
        select(
            _S.id, _S.user_id, User.email, _S.method, _S.device_info, _S.ip_address, _S.started_at,
            _S.last_activity_at, _S.expires_at, _S.revoked_at, lapsed.label("lapsed"), _S.token_hash,
        )
        .join(User, User.id == _S.user_id)
        .where(_S.tenant_id == tenant_id)
        .order_by(_S.started_at.desc(), _S.id.desc())
    )  # fmt: skip
    if user_id is not None:
        query = query.where(_S.user_id == user_id)
    return [_row(row, now) for row in await connection.execute(query)]


async def revoke_session(
    connection: AsyncConnection, tenant_id: UUID, session_id: UUID, *, user_id: UUID | None, now: datetime
) -> SessionRow:
    """End a session, of this member where one is named. Raises NotFound."""
    query = update(_S).where(_S.tenant_id == tenant_id, _S.id == session_id, _S.revoked_at.is_(None))
    rows = await list_sessions(connection, tenant_id, user_id=user_id, now=now)
    row = next((one for one in rows if one.id == session_id), None)
    if row is None:
        raise NotFound("there is no such session")
    await connection.execute(query.values(revoked_at=now))
    return row


def _row(row: Any, now: datetime) -> SessionRow:
    ended = row.revoked_at is not None or row.lapsed
    standing = SessionStatus.EXPIRED if row.expires_at <= now else SessionStatus.ACTIVE
    return SessionRow(
        id=row.id,
        user_id=row.user_id,
        email=row.email,
        method=row.method,
        status=SessionStatus.REVOKED if ended else standing,
        device_info=row.device_info,
        ip_address=None if row.ip_address is None else str(row.ip_address),
        started_at=row.started_at,
        last_activity_at=row.last_activity_at,
        expires_at=row.expires_at,
        token_hash=row.token_hash,
    )
