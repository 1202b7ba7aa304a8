"""Signing in: by password, by a link, or as whom a provider of OpenID Connect says; and what all three share.

Whoever fails is told the same in the same time, whether there is such an account or not: what is looked up is looked up
for nobody too, a hash is computed in any case, and no refusal comes before `FLOOR`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, InvalidInput, Unauthenticated
from monitor.http.deps import Deps
from monitor.identity import people
from monitor.identity.attempts import Attempts
from monitor.identity.links import Links, Purpose
from monitor.identity.passwords import Passwords
from monitor.identity.people import Person, Place
from monitor.identity.session_store import Method
from monitor.identity.sessions import NewSession, begin
from monitor.identity.tables import User
from monitor.principal import Origin, Principal, TenantStatus

FLOOR = 0.5
"""Seconds before which nobody is told that they may not come in."""


class Signing:
    """The ways in. One for each process."""

    def __init__(self, deps: Deps, *, floor: float = FLOOR) -> None:
        """`floor`: as FLOOR."""
        self.deps = deps
        self.passwords = Passwords()
        self.attempts = Attempts(deps.live)
        self._floor = floor

    async def by_password(self, login: str, password: str, *, tenant: str | None, origin: Origin) -> NewSession:
        """Begin a session. `login`: an email address or a username; `tenant`: the slug, for members of several.

        Raises Unauthenticated, RateLimited; InvalidInput when a tenant must be named, to somebody who has proven who
        they are.
        """
        now = self.deps.clock()
        await self.attempts.enter(origin.address, login, what="sign-in", now=now)
        async with self._never_sooner():
            async with self.deps.db.doorman() as doorman:
                person = await people.find_by_login(doorman, login)
            checked = await self.passwords.check(None if person is None else person.password_hash, password)
            async with self.telling(person, tenant=tenant, origin=origin):
                if person is None or not checked.right:
                    raise Unauthenticated("the name or the password is wrong")
                place = choose(person, tenant)
        renewed = await self.passwords.hash(password) if checked.outdated else None
        async with self._entering(place) as connection:
            if renewed is not None:
                await _replace_hash(connection, person, renewed)
            return await self._let_in(connection, place, person.id, method=Method.PASSWORD, origin=origin, now=now)

    async def read_link(self, token: str) -> tuple[Person, Place]:
        """Whose session a sign-in link is for, and in which tenant. Raises Gone, NotFound, Unauthenticated."""
        link = Links(self.deps.settings.secret_keys).read(Purpose.SIGN_IN, token)
        async with self.deps.db.doorman() as doorman:
            person = await people.find_by_id(doorman, link.user_id)
        if person is not None:
            for place in person.open_places:
                if place.tenant_id == link.tenant_id:
                    return person, place
        raise Unauthenticated("you are no member of this tenant any more")

    async def by_link(self, token: str, *, origin: Origin) -> NewSession:
        """Begin the session that a sign-in link is for. Raises Gone, NotFound, Unauthenticated."""
        now = self.deps.clock()
        person, place = await self.read_link(token)
        async with self._entering(place) as connection:
            return await self._let_in(connection, place, person.id, method=Method.LINK, origin=origin, now=now)

    async def as_person(
        self, connection: AsyncConnection, place: Place, user_id: UUID, *, origin: Origin, now: datetime
    ) -> NewSession:
        """Begin the session of somebody whom a provider vouches for, in the tenant's transaction."""
        return await self._let_in(connection, place, user_id, method=Method.OIDC, origin=origin, now=now)

    async def _let_in(
        self, connection: AsyncConnection, place: Place, user_id: UUID, *, method: Method, origin: Origin, now: datetime
    ) -> NewSession:
        made = await begin(connection, place.tenant_id, user_id, method=method, origin=origin, now=now)
        await connection.execute(update(User).where(User.id == user_id).values(last_login_at=now))
        who = acting(place.tenant_id, user_id, origin=origin)
        await self.deps.audit(
            connection, who, "session.started", resource=("session", str(made.id)), new={"method": method.value}
        )
        return made

    @asynccontextmanager
    async def telling(self, person: Person | None, *, tenant: str | None, origin: Origin) -> AsyncIterator[None]:
        """Tell the tenants that an account belongs to of the attempt to enter it that is refused within; where one of
        them was named, that one."""
        try:
            yield
        except Unauthenticated as fault:
            places = () if person is None else person.places
            named = tuple(place for place in places if place.slug == tenant)
            for place in named or places:
                assert person is not None  # noqa: S101 - it has places
                who = acting(place.tenant_id, person.id, origin=origin)
                await self.deps.audit.failed(
                    self.deps.db, who, "session.started", resource=("session", None), error=fault
                )
            raise

    @asynccontextmanager
    async def _entering(self, place: Place) -> AsyncIterator[AsyncConnection]:
        """A transaction in the tenant. Raises Unauthenticated for whom was removed from it since they were found."""
        try:
            async with self.deps.db.tenant(place.tenant_id) as connection:
                yield connection
        except Conflict:
            raise Unauthenticated("you are no member of this tenant any more") from None

    @asynccontextmanager
    async def _never_sooner(self) -> AsyncIterator[None]:
        """Hold back what is raised within until the floor is reached."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            yield
        except Unauthenticated:
            await asyncio.sleep(max(0.0, begun + self._floor - loop.time()))
            raise


def choose(person: Person, tenant: str | None) -> Place:
    """The tenant that somebody goes into. Raises Unauthenticated where they may go into none, or not into this one;
    InvalidInput where they have to say which."""
    places = person.open_places
    if tenant:
        places = tuple(place for place in places if place.slug == tenant)
    if not places:
        raise Unauthenticated("the name or the password is wrong")
    if len(places) > 1:
        slugs = ", ".join(place.slug for place in places)
        raise InvalidInput(f"you belong to several tenants: name one of {slugs}", path="tenant")
    return places[0]


def acting(tenant_id: UUID, user_id: UUID, *, origin: Origin | None = None) -> Principal:
    """Somebody who acts for themselves, before or without a session: for the audit trail."""
    return Principal(
        tenant_id=tenant_id,
        tenant_status=TenantStatus.ACTIVE,
        scopes=frozenset(),
        user_id=user_id,
        origin=origin,
    )


async def _replace_hash(connection: AsyncConnection, person: Person, renewed: str) -> None:
    """Store the same password's new hash, unless the password was changed meanwhile."""
    query = update(User).where(User.id == person.id, User.password_hash == person.password_hash)
    await connection.execute(query.values(password_hash=renewed))
