"""A tenant to develop against: an administrator with a password, keys for tests, agents. Secrets are shown once."""

import secrets
from datetime import datetime

from sqlalchemy import update

from monitor.agents.store import insert_agent
from monitor.clock import Clock
from monitor.db import Database
from monitor.identity import keys, store
from monitor.identity.passwords import Passwords
from monitor.identity.tables import User
from monitor.ids import uuid7
from monitor.principal import Scope

SLUG = "development"
EMAIL = "admin@development.example"
KEYS = {"everything": (Scope.ADMIN,), "sends": (Scope.INGEST,), "reads": (Scope.READ,)}
"""Names of the keys, and what each may do."""
AGENTS = {
    "akira-001": ("Akira", "coder", {"team": "product", "env": "development"}),
    "yuki-002": ("Yuki", "researcher", {"team": "product", "env": "development"}),
    "relay-003": ("Relay", "orchestrator", {"team": "platform", "env": "development"}),
    "desk-004": ("Desk", "support", {"team": "support", "env": "development"}),
}
"""By external id: name, type, tags."""


async def fill(db: Database, clock: Clock) -> list[str]:
    """Make the tenant where there is none yet; lines that say what there is."""
    now, password = clock(), secrets.token_urlsafe(15)
    async with db.owner() as owner:
        if await store.find_tenant(owner, SLUG) is not None:
            return [f"the tenant {SLUG!r} is there already"]
        tenant_id = await store.insert_tenant(owner, slug=SLUG, name="Development", now=now)
        await store.set_fallback(owner, tenant_id, {"email": EMAIL})
        user_id = await store.insert_member(owner, tenant_id, email=EMAIL, role="owner", now=now)
        hashed = await Passwords().hash(password)
        theirs = update(User).where(User.id == user_id, User.password_hash.is_(None))
        fresh = (await owner.execute(theirs.values(password_hash=hashed, password_changed_at=now))).rowcount
    lines = [f"made the tenant {SLUG!r}", f"  {EMAIL}   {password if fresh else 'with the password that is known'}"]
    async with db.tenant(tenant_id) as connection:
        for name, scopes in KEYS.items():
            made = keys.generate()
            await store.insert_key(connection, tenant_id, key=made, name=name, scopes=scopes, now=now)
            lines.append(f"  key that {name if name != 'everything' else 'may do everything'}   {made.text}")
        for external_id in AGENTS:
            await insert_agent(connection, tenant_id, uuid7(now), _agent(external_id, now))
    return [*lines, f"  agents   {', '.join(AGENTS)}"]


def _agent(external_id: str, now: datetime) -> dict[str, object]:
    name, agent_type, tags = AGENTS[external_id]
    return {
        "external_id": external_id,
        "name": name,
        "agent_type": agent_type,
        "tags": tags,
        "ping_token": secrets.token_urlsafe(16),
        "created_at": now,
    }
