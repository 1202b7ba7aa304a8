"""`/api/v1/members`: who belongs to the tenant, how each is reached, and when not."""

import datetime as dt
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerts.core.condition import ConditionError
from alerts.core.covering import unseal
from alerts.core.duration import format_duration, parse_duration
from alerts.core.targets import parse_channels
from alerts.core.vocabulary import ChannelKind
from monitor.errors import InvalidInput
from monitor.http.deps import Given, Reader, Writer
from monitor.identity import members
from monitor.identity.members import Contact, Member
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


class MemberPatch(BaseModel):
    """What is to be changed; what is not sent stays. `contacts`: []: the email address."""

    model_config = ConfigDict(extra="forbid")

    contacts: Annotated[list[ContactBody], Field(max_length=_CONTACTS_AT_MOST)] = []
    quiet_hours: QuietHours | None = None


class MemberBody(BaseModel):
    """A member of the tenant. `quiet_hours`: when only critical alerts reach them."""

    id: UUID
    email: str
    name: str | None
    active: bool
    contacts: list[ContactBody]
    quiet_hours: QuietHours | None


router = APIRouter(prefix="/api/v1/members", tags=["identity"])


@router.get("")
async def list_members(deps: Given, principal: Reader) -> dict[str, list[MemberBody]]:
    """Everybody who belongs to the tenant, by email address."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await members.list_members(connection, [principal.tenant_id])
    return {"items": [_body(one) for one in found]}


@router.get("/{member}")
async def get_member(deps: Given, principal: Reader, member: str) -> MemberBody:
    """One of them, by id or email address."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _body(await members.get_member(connection, principal.tenant_id, member))


@router.patch("/{member}")
async def patch_member(deps: Given, principal: Writer, member: str, body: MemberPatch) -> MemberBody:
    """Say how a member is reached, in this order, and when only critical alerts may."""
    quiet = body.quiet_hours
    if quiet is not None:
        zone_of(quiet.time_zone, path="quiet_hours.time_zone")
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await members.get_member(connection, principal.tenant_id, member)
        if "contacts" in body.model_fields_set:
            contacts = [_contact(one, index, old) for index, one in enumerate(body.contacts)]
            await members.set_contacts(connection, principal.tenant_id, old.id, contacts)
        if "quiet_hours" in body.model_fields_set:
            stored = None if quiet is None else quiet.model_dump(mode="json")
            await members.set_quiet_hours(connection, principal.tenant_id, old.id, stored)
        new = _body(await members.get_member(connection, principal.tenant_id, str(old.id)))
        await deps.audit(
            connection, principal, "member.updated", resource=("member", str(old.id)),
            old=_said(_body(old)), new=_said(new),
        )  # fmt: skip
        return new


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


def _body(member: Member) -> MemberBody:
    return MemberBody(
        id=member.id,
        email=member.email,
        name=member.name,
        active=member.active,
        contacts=[
            ContactBody(kind=ChannelKind(one.kind), target=one.target, after=format_duration(one.after))
            for one in member.contacts
        ],
        quiet_hours=None if member.quiet_hours is None else QuietHours.model_validate(member.quiet_hours),
    )


def _said(body: MemberBody) -> dict[str, Any]:
    return body.model_dump(mode="json", include={"contacts", "quiet_hours"})
