"""Who is told of somebody who was not let in."""

from uuid import UUID

import httpx
from sqlalchemy import insert, text

from monitor.db import Database
from monitor.identity.tables import Membership
from tests.factories import TenantMade, make_tenant
from tests.identity.conftest import sign_in


async def test_the_tenants_of_an_account_hear_of_whoever_was_not_let_in(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, ann: UUID, hashed: str
) -> None:
    """Each in its own trail, or the one that was named; of a name that is nobody's there is nobody to tell."""
    other = await make_tenant(db)
    async with db.owner() as owner:
        member = {"tenant_id": other.id, "user_id": ann, "role": "viewer", "status": "suspended"}
        await owner.execute(insert(Membership).values(member))
    await sign_in(client, password="wrong password 123")
    await sign_in(client, tenant=other.slug)
    await sign_in(client, "nobody@example.com")
    query = text(
        "SELECT tenant_id, user_id, action, error_message, ip_address::text FROM audit_logs "
        "WHERE status = 'failure' ORDER BY id, tenant_id"
    )
    async with db.owner() as owner:
        rows = [tuple(row) for row in await owner.execute(query)]
    said = (ann, "session.started", "the name or the password is wrong", "203.0.113.7/32")
    assert sorted(rows) == sorted([(tenant.id, *said), (other.id, *said), (other.id, *said)])
