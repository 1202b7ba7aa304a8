"""Who it is here that a provider of OpenID Connect vouches for: found, linked by a verified address, or joined."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, Unauthenticated
from monitor.http.deps import Deps
from monitor.identity import people
from monitor.identity.oidc import Claims
from monitor.identity.people import Person, Place
from monitor.identity.sessions import NewSession
from monitor.identity.signing import Signing, acting
from monitor.identity.tables import Membership, Tenant, User, UserIdentity
from monitor.ids import uuid7
from monitor.principal import Origin, TenantStatus


async def sign_in(signing: Signing, claims: Claims, *, tenant: str | None, origin: Origin) -> NewSession:
    """Begin the session of whom the claims are about. `tenant`: a slug, for members of several.

    An account here is linked by its address only where the provider has verified it. Raises Unauthenticated.
    """
    deps, now = signing.deps, signing.deps.clock()
    async with deps.db.doorman() as doorman:
        person = await people.find_by_identity(doorman, claims.issuer, claims.subject)
        known = person is not None
        if person is None and claims.email is not None:
            person = await people.find_by_login(doorman, claims.email)
    try:
        if person is None:
            return await _join(signing, claims, origin=origin, now=now)
        async with signing.telling(person, tenant=tenant, origin=origin):
            place = _choose(person, tenant or deps.settings.oidc_tenant, strict=tenant is not None)
        async with deps.db.tenant(place.tenant_id) as connection:
            if not known:
                await _link(deps, connection, place, person, claims, now)
            if place.status == "invited":
                await _accept(deps, connection, place, person)
            return await signing.as_person(connection, place, person.id, origin=origin, now=now)
    except Conflict:
        raise Unauthenticated("somebody signed in so at the same moment: try again") from None


def _choose(person: Person, tenant: str | None, *, strict: bool) -> Place:
    """The tenant that is named, else, unless it must be that one, the first that they may go into."""
    places = [place for place in person.places if place.status in ("active", "invited")]
    found = next((place for place in places if place.slug == tenant), None)
    if found is None and not strict:
        # Where they were invited only, they have taken the invitation by coming.
        found = min(places, key=lambda place: (place.status != "active", place.slug), default=None)
    if found is None:
        raise Unauthenticated("this account may not come in here: ask an administrator for an invitation")
    return found


async def _link(
    deps: Deps, connection: AsyncConnection, place: Place, person: Person, claims: Claims, now: datetime
) -> None:
    """Remember who they are there. Nobody has proven before that an address is theirs which is not verified: whoever
    set a password for it, and is signed in with it, is somebody else."""
    await _remember(connection, person.id, claims)
    if person.email_verified_at is None:
        proven = {"email_verified_at": now, "password_hash": None, "password_changed_at": now}
        await connection.execute(update(User).where(User.id == person.id).values(proven))
    who = acting(place.tenant_id, person.id)
    await deps.audit(connection, who, "user.linked", resource=("user", str(person.id)), new={"issuer": claims.issuer})


async def _accept(deps: Deps, connection: AsyncConnection, place: Place, person: Person) -> None:
    """Take an invitation for somebody who has come."""
    member = (Membership.tenant_id == place.tenant_id, Membership.user_id == person.id)
    await connection.execute(update(Membership).where(*member).values(status="active"))
    who = acting(place.tenant_id, person.id)
    await deps.audit(connection, who, "member.joined", resource=("member", str(person.id)))


async def _join(signing: Signing, claims: Claims, *, origin: Origin, now: datetime) -> NewSession:
    """Make somebody who is new a member of the tenant that the settings name, if they name one."""
    deps, settings = signing.deps, signing.deps.settings
    place = await _joined(deps) if claims.email is not None else None
    if place is None or claims.email is None:
        raise Unauthenticated("this account may not come in here: ask an administrator for an invitation")
    user_id = uuid7(now)
    async with deps.db.tenant(place.tenant_id) as connection:
        await connection.execute(insert(User).values(id=user_id, email=claims.email, name=claims.name))
        member = {"tenant_id": place.tenant_id, "user_id": user_id, "role": settings.oidc_role}
        await connection.execute(insert(Membership).values(member))
        await connection.execute(update(User).where(User.id == user_id).values(email_verified_at=now))
        await _remember(connection, user_id, claims)
        who = acting(place.tenant_id, user_id)
        await deps.audit(
            connection, who, "member.joined", resource=("member", str(user_id)), new={"role": settings.oidc_role}
        )
        return await signing.as_person(connection, place, user_id, origin=origin, now=now)


async def _joined(deps: Deps) -> Place | None:
    query = select(Tenant.id, Tenant.slug, Tenant.name).where(
        Tenant.slug == deps.settings.oidc_tenant, Tenant.status == TenantStatus.ACTIVE
    )
    async with deps.db.doorman() as doorman:
        row = (await doorman.execute(query)).first()
    return None if row is None else Place(row.id, row.slug, row.name, "active", deps.settings.oidc_role)


async def _remember(connection: AsyncConnection, user_id: UUID, claims: Claims) -> None:
    row = {"issuer": claims.issuer, "subject": claims.subject, "user_id": user_id}
    await connection.execute(insert(UserIdentity).values(row))
