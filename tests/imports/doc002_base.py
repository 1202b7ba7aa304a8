"""Generated rows of document 002: many tenants, of which a twentieth are busy, and what they set up."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tests.imports.made import Maker, Many


class Platform:
    """Rows that refer to each other within a tenant."""

    def __init__(self, count: int, seed: int) -> None:
        self.make = Maker(seed)
        self.dice = self.make.dice
        self.count = count
        self.tenants = [self._tenant(place) for place in range(count)]
        busy = [row["id"] for row in self.tenants[: max(2, count // 20)]]
        self._homes: list[UUID] = [self.dice.choice(busy) for _ in range(count)]
        self.users = [self._user(place) for place in range(count)]
        self.agents = [self._agent(place) for place in range(count)]
        self.conversations = [self._conversation() for _ in range(count)]
        self.workflows = [self._workflow(place) for place in range(count)]

    def home(self) -> UUID:
        """One of the busy tenants."""
        return self.dice.choice(self._homes)

    def of(self, rows: Many, tenant: UUID) -> UUID | None:
        """A row of this tenant."""
        near = [row for row in self.dice.sample(rows, min(len(rows), 30)) if row["tenant_id"] == tenant]
        return near[0]["id"] if near else None

    def json(self) -> Any:
        return self.make.maybe(lambda: Jsonb(self.make.json()))

    def times(self) -> dict[str, Any]:
        return {
            "created_at": self.make.at(),
            "updated_at": self.make.at(),
            "deleted_at": self.make.maybe(self.make.at, 0.1),
        }

    def _tenant(self, place: int) -> dict[str, Any]:
        return {
            "id": self.make.uuid(),
            "name": f"Tenant {place}",
            "slug": f"tenant-number-{place}",
            "status": self.dice.choice(["active", "suspended", "deleted", "trial"]),
            "plan_type": self.dice.choice(["free", "starter", "pro", "enterprise", "gold"]),
            "max_agents": self.make.maybe(lambda: 10),
            "daily_requests": self.make.maybe(lambda: 1000),
            "monthly_tokens": self.make.maybe(lambda: 10**12),
            "contact_email": self.make.maybe(lambda: "ops@example.com"),
            "contact_name": self.make.maybe(self.make.text),
            "settings": self.json(),
            "metadata": self.json(),
            **self.times(),
        }

    def _user(self, place: int) -> dict[str, Any]:
        # Every tenth has the address of another one.
        address = f"user{place if place % 10 else place + 1}@example.com"
        return {
            "id": self.make.uuid(),
            "tenant_id": self._homes[place],
            "email": address,
            "username": self.dice.choice([f"user{place}", "User", f"u@{place}", None]),
            "avatar": self.dice.choice([None, "https://example.com/me.png", "me.png"]),
            "email_verification_status": self.dice.choice(["verified", "pending", None]),
            "password_hash": f"$2b$12${place}",
            "first_name": self.make.maybe(lambda: "First"),
            "last_name": self.make.maybe(lambda: "Last"),
            "status": self.dice.choice(["active", "inactive", "suspended", "gone"]),
            "last_login_at": self.make.maybe(self.make.at),
            "role": self.dice.choice(["admin", "user", "viewer"]),
            "permissions": self.make.maybe(lambda: Jsonb(["read"])),
            **self.times(),
        }

    def _agent(self, place: int) -> dict[str, Any]:
        return {
            "id": self.make.uuid(),
            "tenant_id": self.home(),
            "name": f"Agent {place % 50}",
            "slug": f"agent-{place}",
            "description": self.make.maybe(self.make.text),
            "provider": "anthropic",
            "model_name": "m-1",
            "temperature": self.dice.choice([None, 0.0, 0.7, 2.0, 2.1]),
            "max_tokens": self.dice.choice([None, 1, 4096, 0]),
            "system_prompt": self.make.maybe(self.make.text),
            "capabilities": Jsonb(["web_search"]),
            "tools": self.make.maybe(lambda: Jsonb(["calculator", "python_repl"])),
            "timeout": self.dice.choice([None, 30, 0]),
            "max_iterations": self.dice.choice([None, 5, -1]),
            "memory_enabled": self.make.maybe(lambda: True),
            "status": self.dice.choice(["active", "inactive"]),
            "version": "1.2",
            "tags": self.dice.choice([None, Jsonb(["a", "b"]), Jsonb({"env": "prod"})]),
            "config": self.json(),
            "metadata": self.json(),
            **self.times(),
        }

    def _conversation(self) -> dict[str, Any]:
        tenant = self.home()
        started = self.make.maybe(self.make.at, 0.9)
        return {
            "id": self.make.uuid(),
            "tenant_id": tenant,
            "agent_id": self.of(self.agents, tenant),
            "user_id": self.make.maybe(lambda: self.of(self.users, tenant)),
            "title": self.make.maybe(self.make.text),
            "summary": self.make.maybe(self.make.text),
            "status": self.dice.choice(["active", "completed", "asleep"]),
            "context": self.json(),
            "metadata": self.json(),
            "started_at": started,
            "completed_at": None if started is None else started + timedelta(hours=1),
            **self.times(),
        }

    def _workflow(self, place: int) -> dict[str, Any]:
        tenant = self.home()
        return {
            "id": self.make.uuid(),
            "tenant_id": tenant,
            "name": f"Workflow {place}",
            "slug": f"workflow-{place}",
            "description": self.make.maybe(self.make.text),
            "definition": self.json(),
            "agent_ids": self.make.maybe(lambda: Jsonb([str(self.of(self.agents, tenant))])),
            "timeout": self.dice.choice([None, 60]),
            "retry": self.make.maybe(lambda: Jsonb({"attempts": 2})),
            "status": self.dice.choice(["active", "draft", "archived", "inactive"]),
            "version": self.dice.randrange(1, 9),
            "tags": self.make.maybe(lambda: Jsonb({"team": "x"})),
            "metadata": self.json(),
            **self.times(),
        }
