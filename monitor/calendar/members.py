"""The people of a tenant as the calendar names them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.calendar.bodies import MemberAnswer
from monitor.errors import InvalidInput

_MEMBERS = text("""
    SELECT u.id, u.email, u.name FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.tenant_id = :tenant_id AND m.status = 'active' AND u.deleted_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class People:
    """The active members of one tenant, by id."""

    known: Mapping[UUID, MemberAnswer]

    def find(self, named: Iterable[str], *, path: str) -> tuple[UUID, ...]:
        """Their ids, by ids or email addresses. Raises InvalidInput with the path of one that nobody has."""
        by_name = {one.email.lower(): user_id for user_id, one in self.known.items() if one.email is not None}
        by_name |= {str(user_id): user_id for user_id in self.known}
        found = []
        for index, name in enumerate(named):
            if name.lower() not in by_name:
                raise InvalidInput("there is no such active member", path=f"{path}[{index}]")
            found.append(by_name[name.lower()])
        return tuple(found)

    def answers(self, members: Iterable[UUID]) -> list[MemberAnswer]:
        """As they are answered; one who has left has an id only."""
        return [self.known.get(one) or MemberAnswer(id=one, email=None, name=None) for one in members]


async def read_people(connection: AsyncConnection, tenant_id: UUID) -> People:
    """The active members of a tenant."""
    rows = await connection.execute(_MEMBERS, {"tenant_id": tenant_id})
    return People({row.id: MemberAnswer(id=row.id, email=row.email, name=row.name) for row in rows})
