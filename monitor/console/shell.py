"""What stands around every page: where one can go, and whose page it is."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.identity.tables import Tenant, User
from monitor.principal import Principal


@dataclass(frozen=True, slots=True)
class Section:
    """A place in the navigation. `beside`: the beginnings of addresses that belong to it besides its own."""

    label: str
    path: str
    beside: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether a page at this address belongs here."""
        return any(path == one or path.startswith(f"{one}/") for one in (self.path, *self.beside))


SECTIONS = (
    Section("Fleet", "/", beside=("/agents",)),
    Section("Alerts", "/alerts", beside=("/silences",)),
    Section("Rules", "/rules"),
    Section("Runs", "/traces"),
    Section("Settings", "/settings/members", beside=("/settings",)),
)
"""The pages that the head of every page leads to, in order."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and at what: the tenant's name, and the address of whoever is signed in (None: a key looks)."""

    tenant: str
    email: str | None


async def read_viewer(connection: AsyncConnection, principal: Principal) -> Viewer:
    """Who looks, in the tenant's transaction."""
    query = select(Tenant.name, User.email).outerjoin(User, User.id == principal.user_id)
    row = (await connection.execute(query.where(Tenant.id == principal.tenant_id))).one()
    return Viewer(row.name, row.email)
