"""`/api/v1/members`: who belongs to the tenant and as what, how each is reached, and when not."""

import datetime as dt
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.covering import unseal
from alerts.core.duration import format_duration, parse_duration
from alerts.core.targets import parse_channels
from alerts.core.vocabulary import ChannelKind
from monitor.errors import InvalidInput
from monitor.http.deps import Admin, Given, Reader, Writer
from monitor.identity import accounts, inviting, members, store
from monitor.identity.grants import Grant
from monitor.identity.inviting import Part
from monitor.identity.members import Contact, Member
from monitor.principal import Principal, Role, Scope
from monitor.sealing import Ring
from monitor.zones import zone_of

_CONTACTS_AT_MOST = 10
_LATEST = timedelta(days=1)


class Day(StrEnum):
    """Days of the week, as recurrence rules spell them."""

    MO = "MO"
    TU = "TU"
    WE = "WE"
    TH = "TH"
    FR = "FR"
    SA = "SA"
    SU = "SU"


class QuietHours(BaseModel):
    """From `start` to `end` on the wall of the zone, over midnight too; `days`: those on which they start."""

    model_config = ConfigDict(extra="forbid")

    start: dt.time
    end: dt.time
    time_zone: str = "UTC"
    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = list(Day)

    @model_validator(mode="after")
    def _hours(self) -> "QuietHours":
        if self.start == self.end or self.start.tzinfo or self.end.tzinfo:
            raise ValueError("start and end are two different times of day, such as 22:00 and 07:00")
        return self


class ContactBody(BaseModel):
    """One way to reach a member. `after`: how long an alert is open, and nobody has it, before it is taken."""

    model_config = ConfigDict(extra="forbid")

    kind: ChannelKind
    target: Annotated[str, Field(min_length=1, max_length=2000)]
    after: str | int = "0s"


class InviteBody(BaseModel):
    """Whom to invite, and as what."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
    role: Role = Role.MEMBER
    permissions: Annotated[list[Grant], Field(max_length=50)] = []


class MemberPatch(BaseModel):
    """What is to be changed; what is not sent stays. `contacts`: []: the email address.

    `role`, `status` and `permissions` are an administrator's to change.
    """

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    status: Annotated[str | None, Field(pattern="^(active|inactive|suspended)$")] = None
    permissions: Annotated[list[Grant] | None, Field(max_length=50)] = None
    contacts: Annotated[list[ContactBody], Field(max_length=_CONTACTS_AT_MOST)] = []
    quiet_hours: QuietHours | None = None


class MemberBody(BaseModel):
    """A member of the tenant. `quiet_hours`: when only critical alerts reach them."""

    id: UUID
    email: str
    name: str | None
    role: Role
    status: str
    permissions: list[str]
    active: bool
    contacts: list[ContactBody]
    quiet_hours: QuietHours | None


router = APIRouter(prefix="/api/v1/members", tags=["identity"])


@router.get("")
async def list_members(deps: Given, principal: Reader) -> dict[str, list[MemberBody]]:
    """Everybody who belongs to the tenant, by email address."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await members.list_members(connection, [principal.tenant_id])
        parts = await inviting.parts_of(connection, principal.tenant_id)
    return {"items": [_body(one, parts[one.id]) for one in found]}


@router.post("", status_code=201)
async def invite(deps: Given, principal: Admin, body: InviteBody, later: BackgroundTasks) -> MemberBody:
    """Invite somebody by mail, as what they are to be. Until they come they are `invited` and reached by nothing."""
    part = Part(body.role, "invited", tuple(body.permissions))
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        user_id = await inviting.invite(deps, principal, connection, body.email, part)
        made = await _read(connection, tenant_id, str(user_id))
        await deps.audit(
            connection, principal, "member.invited", resource=("member", str(user_id)), new=_part_said(part)
        )
    later.add_task(accounts.offer_invitation, deps, tenant_id, user_id)
    return made


@router.get("/{member}")
async def get_member(deps: Given, principal: Reader, member: str) -> MemberBody:
    """One of them, by id or email address."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return await _read(connection, principal.tenant_id, member)


@router.patch("/{member}")
async def patch_member(deps: Given, principal: Writer, member: str, body: MemberPatch) -> MemberBody:
    """Say how a member is reached, in this order, and when only critical alerts may; what they may do in the tenant."""
    quiet = body.quiet_hours
    if quiet is not None:
        zone_of(quiet.time_zone, path="quiet_hours.time_zone")
    async with deps.db.tenant(principal.tenant_id) as connection:
        ring = Ring(deps.settings.secret_keys)
        old = members.revealed(await members.get_member(connection, principal.tenant_id, member), ring)
        before = await _read(connection, principal.tenant_id, str(old.id))
        await _change_part(connection, principal, old.id, body)
        if "contacts" in body.model_fields_set:
            contacts = [_contact(one, index, old) for index, one in enumerate(body.contacts)]
            await members.set_contacts(connection, principal.tenant_id, old.id, contacts, ring=ring)
        if "quiet_hours" in body.model_fields_set:
            stored = None if quiet is None else quiet.model_dump(mode="json")
            await members.set_quiet_hours(connection, principal.tenant_id, old.id, stored)
        new = await _read(connection, principal.tenant_id, str(old.id))
        await deps.audit(
            connection, principal, "member.updated", resource=("member", str(old.id)),
            old=_said(before), new=_said(new),
        )  # fmt: skip
        return new


async def _change_part(connection: AsyncConnection, principal: Principal, user_id: UUID, body: MemberPatch) -> None:
    given = {name: value for name in ("role", "status", "permissions") if (value := getattr(body, name)) is not None}
    if not given:
        return
    principal.require(Scope.ADMIN)
    part = await inviting.part_of(connection, principal.tenant_id, user_id)
    if "permissions" in given:
        given["permissions"] = tuple(given["permissions"])
    await inviting.change(connection, principal, user_id, replace(part, **given))


@router.delete("/{member}", status_code=204)
async def remove_member(deps: Given, principal: Admin, member: str) -> None:
    """Take somebody out, or an invitation back; their sessions here end. Refused for whom a rotation names, and for
    the last owner."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await members.get_member(connection, principal.tenant_id, member)
        part = await inviting.part_of(connection, principal.tenant_id, old.id)
        await inviting.refuse_owners(connection, principal, part.role)
        await store.remove_member(connection, principal.tenant_id, old.email)
        await deps.audit(
            connection, principal, "member.removed", resource=("member", str(old.id)), old=_part_said(part)
        )


async def _read(connection: AsyncConnection, tenant_id: UUID, named: str) -> MemberBody:
    found = await members.get_member(connection, tenant_id, named)
    return _body(found, await inviting.part_of(connection, tenant_id, found.id))


def _part_said(part: Part) -> dict[str, Any]:
    return {"role": part.role.value, "status": part.status, "permissions": list(part.permissions)}


def _contact(body: ContactBody, index: int, member: Member) -> Contact:
    """What is stored of a contact; what is shown of one that the member has stands for it."""
    path = f"contacts[{index}]"
    try:
        after = parse_duration(body.after)
    except ValueError as fault:
        raise InvalidInput(str(fault), path=f"{path}.after") from None
    if not timedelta(0) <= after <= _LATEST:
        raise InvalidInput(f"must be from 0s to {format_duration(_LATEST)}", path=f"{path}.after")
    known = {(one.kind, one.target): unseal(one.target, one.secret)[0] for one in member.contacts}
    try:
        (target,) = parse_channels({str(body.kind): known.get((body.kind, body.target), body.target)}, "target").targets
    except ConditionError as fault:
        raise InvalidInput(fault.message, path=f"{path}.target") from None
    return Contact(str(target.kind), target.address, target.secret, after)


def _body(member: Member, part: Part) -> MemberBody:
    return MemberBody(
        id=member.id,
        email=member.email,
        # Whoever has not come yet has shown their name to nobody here.
        name=None if part.status == "invited" else member.name,
        role=part.role,
        status=part.status,
        permissions=list(part.permissions),
        active=member.active,
        contacts=[
            ContactBody(kind=ChannelKind(one.kind), target=one.target, after=format_duration(one.after))
            for one in member.contacts
        ],
        quiet_hours=None if member.quiet_hours is None else QuietHours.model_validate(member.quiet_hours),
    )


def _said(body: MemberBody) -> dict[str, Any]:
    """For the trail, from which nothing is taken: by what they are reached, but not their numbers and addresses."""
    said = body.model_dump(mode="json", include={"quiet_hours", "role", "status", "permissions"})
    return said | {"contacts": [f"{one.kind} after {one.after}" for one in body.contacts]}
