"""What people do with their accounts by links that were mailed to them: verify an address, set a password anew, join.

Asking for a mail tells nobody whether there is such an account: the answer is the same, and whatever is looked up and
sent is looked up and sent after it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import ChannelError, Gone, MonitorError
from monitor.http.deps import Deps
from monitor.identity import people
from monitor.identity.links import Link, Links, Purpose, mark
from monitor.identity.passwords import Passwords, refuse_weak
from monitor.identity.people import Person, Place
from monitor.identity.signing import acting
from monitor.identity.tables import Membership, User

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to one person: `{url}` in its text is where the link goes."""

    subject: str
    text: str


LETTERS = {
    Purpose.RESET: Letter(
        "Set a new password",
        "Somebody, you perhaps, asked for a new password for Agent Monitor.\n\nTo set one: {url}\n\n"
        "The link is good for an hour, and once. If it was not you, nothing is to be done.\n",
    ),
    Purpose.VERIFY: Letter(
        "Is this your address?",
        "To confirm to Agent Monitor that this address is yours: {url}\n\nThe link is good for a day.\n",
    ),
    Purpose.INVITATION: Letter(
        "You are invited to {tenant}",
        "You are invited to {tenant} on Agent Monitor.\n\nTo join: {url}\n\nThe link is good for a week, and once.\n",
    ),
}


async def send(deps: Deps, purpose: Purpose, person: Person, place: Place, state: str) -> None:
    """Mail somebody the link for `purpose`, good while `state` is as it is. A mail that fails is logged."""
    if deps.letters is None:
        _log.warning("no mail was sent: AGENT_MONITOR_SMTP_URL is not set", purpose=purpose.value)
        return
    token = Links(deps.settings.secret_keys).make(purpose, place.tenant_id, person.id, state)
    url = f"{deps.settings.public_url.rstrip('/')}/{purpose.value}/{token}"
    letter = LETTERS[purpose]
    subject, text = (said.format(url=url, tenant=place.name) for said in (letter.subject, letter.text))
    try:
        await deps.letters(person.email, subject, text)
    except ChannelError as fault:
        _log.warning("a mail was not sent", purpose=purpose.value, error=fault.message)


async def offer_reset(deps: Deps, login: str) -> None:
    """Mail a link for a new password to whoever this is, if it is anybody who may go in somewhere."""
    try:
        async with deps.db.doorman() as doorman:
            person = await people.find_by_login(doorman, login)
        if person is not None and person.open_places:
            await send(deps, Purpose.RESET, person, person.open_places[0], password_state(person))
    except MonitorError as fault:  # the answer was given already
        _log.warning("a mail was not sent", purpose=Purpose.RESET.value, error=fault.message)


async def offer_invitation(deps: Deps, tenant_id: UUID, user_id: UUID) -> None:
    """Mail somebody who was invited the link to come by."""
    try:
        async with deps.db.doorman() as doorman:
            person = await people.find_by_id(doorman, user_id)
        async with deps.db.tenant(tenant_id) as connection:
            state = await invitation_state(connection, tenant_id, user_id)
        place = next((one for one in person.places if one.tenant_id == tenant_id), None) if person else None
        if person is not None and place is not None and state is not None:
            await send(deps, Purpose.INVITATION, person, place, state)
    except MonitorError as fault:  # the answer was given already
        _log.warning("a mail was not sent", purpose=Purpose.INVITATION.value, error=fault.message)


async def reset(deps: Deps, passwords: Passwords, token: str, password: str) -> None:
    """Set a password by a mailed link; every session ends. Raises Gone, NotFound, InvalidInput."""
    link, person = await _holder(deps, Purpose.RESET, token)
    if link.mark != password_state(person):
        raise Gone("this link was used already")
    now = deps.clock()
    async with deps.db.tenant(link.tenant_id) as connection:
        await set_password(connection, passwords, person, password, path="password", now=now, verified=True)
        who = acting(link.tenant_id, person.id)
        await deps.audit(connection, who, "user.password_reset", resource=("user", str(person.id)))


async def verify(deps: Deps, token: str) -> None:
    """Confirm an address by a mailed link. Raises Gone, NotFound."""
    link, person = await _holder(deps, Purpose.VERIFY, token)
    if link.mark != address_state(person):
        raise Gone("this link was used already, or is of another address")
    async with deps.db.tenant(link.tenant_id) as connection:
        unverified = update(User).where(User.id == person.id, User.email_verified_at.is_(None))
        done = await connection.execute(unverified.values(email_verified_at=deps.clock()))
        if not done.rowcount:
            raise Gone("this link was used already")
        who = acting(link.tenant_id, person.id)
        await deps.audit(connection, who, "user.verified", resource=("user", str(person.id)))


async def read_invitation(deps: Deps, token: str) -> tuple[Person, Place]:
    """Who is invited, and where to. Raises Gone, NotFound."""
    link, person = await _holder(deps, Purpose.INVITATION, token)
    place = next((one for one in person.places if one.tenant_id == link.tenant_id), None)
    async with deps.db.tenant(link.tenant_id) as connection:
        state = await invitation_state(connection, link.tenant_id, person.id)
    if place is None or state is None or state != link.mark:
        raise Gone("this invitation was used already, or was taken back")
    return person, place


async def join(deps: Deps, passwords: Passwords, token: str, password: str | None) -> None:
    """Take an invitation; with a password for somebody who has none. Raises Gone, NotFound, InvalidInput."""
    person, place = await read_invitation(deps, token)
    now, who = deps.clock(), acting(place.tenant_id, person.id)
    async with deps.db.tenant(place.tenant_id) as connection:
        member = (Membership.tenant_id == place.tenant_id, Membership.user_id == person.id)
        invited = update(Membership).where(*member, Membership.status == "invited").values(status="active")
        if not (await connection.execute(invited)).rowcount:
            raise Gone("this invitation was used already, or was taken back")
        # Somebody who has a password keeps it: this link is no way to another one.
        if person.password_hash is None and password is not None:
            await set_password(connection, passwords, person, password, path="password", now=now, verified=True)
        else:
            unverified = update(User).where(User.id == person.id, User.email_verified_at.is_(None))
            await connection.execute(unverified.values(email_verified_at=now))
        await deps.audit(connection, who, "member.joined", resource=("member", str(person.id)))


async def set_password(
    connection: AsyncConnection,
    passwords: Passwords,
    person: Person,
    password: str,
    *,
    path: str,
    now: datetime,
    verified: bool = False,
) -> None:
    """Store a new password; sessions begun before `now` end with it. `verified`: a link to their address led here.

    Raises InvalidInput for a weak one, Gone where the password was changed meanwhile.
    """
    refuse_weak(password, names=(person.email, person.username), path=path)
    values = {"password_hash": await passwords.hash(password), "password_changed_at": now}
    if verified and person.email_verified_at is None:
        values["email_verified_at"] = now
    unchanged = update(User).where(User.id == person.id, User.password_hash.is_not_distinct_from(person.password_hash))
    if not (await connection.execute(unchanged.values(values))).rowcount:
        raise Gone("the password was changed meanwhile")


def password_state(person: Person) -> str:
    """Changes with the password and the address."""
    return mark(person.password_hash, person.password_changed_at, person.email)


def address_state(person: Person) -> str:
    """Changes with the address, and when it is verified."""
    return mark(person.email, person.email_verified_at)


async def invitation_state(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> str | None:
    """Of an invitation that stands; None where there is none. One that is made anew is another one."""
    query = select(Membership.created_at, Membership.updated_at).where(
        Membership.tenant_id == tenant_id, Membership.user_id == user_id, Membership.status == "invited"
    )
    row = (await connection.execute(query)).first()
    return None if row is None else mark(row.created_at, row.updated_at)


async def _holder(deps: Deps, purpose: Purpose, token: str) -> tuple[Link, Person]:
    link = Links(deps.settings.secret_keys).read(purpose, token)
    async with deps.db.doorman() as doorman:
        person = await people.find_by_id(doorman, link.user_id)
    if person is None or all(place.tenant_id != link.tenant_id for place in person.places):
        raise Gone("this account is gone")
    return link, person
