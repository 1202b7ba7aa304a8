"""Generated rows of document 002: what its tenants set up, and what happened."""

import hashlib
from datetime import timedelta
from uuid import UUID

from psycopg.types.json import Jsonb

from tests.imports.doc002_base import Platform
from tests.imports.made import Many


class Busy(Platform):
    """What happened on the platform."""

    def messages(self) -> Many:
        """Numbered within each conversation, from 1."""
        busy, numbers = self.conversations[: max(2, self.count // 20)], dict[UUID, int]()
        made = []
        for _ in range(self.count):
            conversation = self.dice.choice(busy)
            number = numbers[conversation["id"]] = numbers.get(conversation["id"], 0) + 1
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": conversation["tenant_id"],
                    "conversation_id": conversation["id"],
                    "role": self.dice.choice(["user", "assistant", "system", "tool", "bot"]),
                    "content": self.make.text(),
                    "token_count": self.make.maybe(lambda: 7),
                    "model": self.make.maybe(lambda: "m-1"),
                    "tool_calls": self.json(),
                    "tool_results": self.json(),
                    "latency_ms": self.make.maybe(lambda: 120),
                    "metadata": self.json(),
                    "created_at": self.make.at().replace(tzinfo=None),
                    "sequence_number": number,
                }
            )
        return made

    def executions(self) -> Many:
        """Runs of workflows."""
        made = []
        for _ in range(self.count):
            workflow = self.dice.choice(self.workflows)
            tenant = workflow["tenant_id"]
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": tenant,
                    "workflow_id": workflow["id"],
                    "user_id": self.of(self.users, tenant),
                    "current_step": self.make.maybe(lambda: "review"),
                    "input_data": self.json(),
                    "output_data": self.json(),
                    "error_message": self.make.maybe(self.make.text, 0.2),
                    "steps_completed": 2,
                    "steps_total": self.dice.choice([2, 3, 1]),
                    "metadata": self.json(),
                    "updated_at": self.make.at(),
                    **self.make.span(),
                }
            )
        return made

    def calls(self, *, mcp: bool) -> Many:
        """Calls of tools, some of no agent."""
        made = []
        for _ in range(self.count):
            agent = self.dice.choice(self.agents)
            started = self.make.at()
            tool = {"tool_parameters": self.json(), "tool_result": self.json(), "error_code": "E1",
                    "mcp_server_id": self.make.uuid(), "server_instance_id": "one"}  # fmt: skip
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": agent["tenant_id"],
                    "agent_id": agent["id"] if self.dice.random() < 0.95 else None,
                    "conversation_id": self.make.maybe(self.make.uuid),
                    "message_id": self.make.maybe(self.make.uuid, 0.3),
                    "tool_name": "calculator",
                    **(tool if mcp else {"tool_input": self.json(), "tool_output": self.json()}),
                    "status": self.dice.choice(["success", "error", "timeout", "completed", "failed"]),
                    "error_message": self.make.maybe(self.make.text, 0.2),
                    "execution_time_ms": 250,
                    "metadata": self.json(),
                    "started_at": started,
                    "completed_at": started + timedelta(milliseconds=250) if self.dice.random() < 0.7 else None,
                }
            )
        return made

    def keys(self) -> Many:
        """Digests of SHA-256, and others."""
        made = []
        for place in range(self.count):
            digest = hashlib.sha256(str(place).encode()).hexdigest()
            tenant = self.home()
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": tenant,
                    "user_id": self.of(self.users, tenant),
                    "name": f"key {place}",
                    "key_hash": digest if place % 5 else f"$2b${place}",
                    "key_prefix": f"am_{place}",
                    "scopes": Jsonb(self.dice.choice([["read"], ["agents:execute", "read"], []])),
                    "permissions": self.make.maybe(lambda: Jsonb(["write"])),
                    "status": self.dice.choice(["active", "revoked", "expired"]),
                    "expires_at": self.make.maybe(self.make.at),
                    "last_used_at": self.make.maybe(self.make.at),
                    "metadata": self.json(),
                    **self.times(),
                }
            )
        return made

    def usage(self) -> Many:
        """Of periods of an hour, and some of none."""
        made = []
        for place in range(self.count):
            start = self.make.at()
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": self.home(),
                    "metric_type": self.dice.choice(["api_calls", "tokens", "agent_executions"]),
                    "metric_value": self.dice.randrange(10**12),
                    "agent_id": self.make.maybe(lambda: self.dice.choice(self.agents)["id"]),
                    "user_id": self.make.maybe(lambda: self.dice.choice(self.users)["id"]),
                    "metadata": self.json(),
                    "recorded_at": self.make.at(),
                    "period_start": start,
                    "period_end": start + timedelta(hours=1 if place % 20 else 0),
                }
            )
        return made

    def trail(self) -> Many:
        """What was done."""
        return [
            {
                "id": self.make.uuid(),
                "tenant_id": self.home(),
                "user_id": self.make.maybe(lambda: self.dice.choice(self.users)["id"]),
                "action": self.dice.choice(["agent.created", "document.deleted"]),
                "resource_type": "agent",
                "resource_id": self.make.maybe(lambda: str(self.make.uuid())),
                "old_values": self.json(),
                "new_values": self.json(),
                "ip_address": self.make.maybe(lambda: "192.0.2.7"),
                "user_agent": self.make.maybe(lambda: "curl"),
                "status": self.dice.choice(["success", "failure", None]),
                "error_message": self.make.maybe(self.make.text, 0.2),
                "metadata": self.json(),
                "timestamp": self.make.at(),
            }
            for _ in range(self.count)
        ]
