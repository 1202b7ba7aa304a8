"""A tenant to develop against: an administrator with a password, keys for tests, agents, MCP servers.

Secrets are shown once.
"""

import secrets
from datetime import datetime

from sqlalchemy import insert, update

from monitor.agents.store import insert_agent
from monitor.clock import Clock
from monitor.db import Database
from monitor.identity import keys, store
from monitor.identity.passwords import Passwords
from monitor.identity.tables import User
from monitor.ids import uuid7
from monitor.principal import Scope
from monitor.tools.tables import McpServer

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
SERVERS: dict[str, dict[str, object]] = {
    "files": {
        "name": "Files",
        "category": "files",
        "server_type": "stdio",
        "command": "npx -y @modelcontextprotocol/server-filesystem .",
        "config_schema": {"type": "object", "properties": {"read_only": {"type": "boolean", "default": True}}},
        "tools": [{"name": "read_text_file"}, {"name": "list_directory"}],
    },
    "issues": {
        "name": "Issue tracker",
        "category": "work",
        "server_type": "http",
        "url": "https://issues.development.example/mcp",
        "config_schema": {
            "type": "object",
            "properties": {"token": {"type": "string", "secret": True}},
            "required": ["token"],
        },
        "tools": [{"name": "find_issues"}, {"name": "comment"}],
    },
}
"""MCP servers by their slug: one that is started, one that is reached and needs a secret."""


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
        for slug, server in SERVERS.items():
            await connection.execute(insert(McpServer).values(tenant_id=tenant_id, id=uuid7(now), slug=slug, **server))
    return [*lines, f"  agents   {', '.join(AGENTS)}", f"  MCP servers   {', '.join(SERVERS)}"]


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
