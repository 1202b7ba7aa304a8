"""Generated rows of documents 000 and 004: the same at every run, with nulls, ties in time, and text of all kinds."""

import random
from decimal import Decimal
from uuid import UUID

from psycopg.types.json import Jsonb

from tests.imports import talking
from tests.imports.made import WORDS, Maker, Many, Rows


def document_000(count: int, *, seed: int = 0) -> Rows:
    """Agents by text, tasks, keys, metrics, and what `talking` makes."""
    make = Maker(seed)
    dice = make.dice
    agents = [
        {
            "id": f"agent-{place}",
            "name": f"Agent {place} {make.text()}",
            "agent_type": dice.choice(["llm", "orchestrator"]),
            "status": dice.choice(["active", "inactive", "error"]),
            "capabilities": dice.sample(WORDS, 3),
            "last_heartbeat": make.at(),
            "created_at": make.at(),
            "updated_at": make.at(),
            "metadata": Jsonb(make.json()),
        }
        for place in range(count)
    ]
    tasks = [
        {
            "id": f"task {place} {dice.choice(WORDS)}",
            "agent_id": dice.choice(agents)["id"],
            "task_type": dice.choice(WORDS) or "x",
            "priority": dice.choice(["low", "normal", "high", "urgent"]),
            "payload": Jsonb(make.json()),
            "result": make.maybe(lambda: Jsonb(make.json())),
            "error": make.maybe(make.text, 0.2),
            "created_at": make.at(),
            "metadata": Jsonb(make.json()),
            **make.span(),
        }
        for place in range(count)
    ]
    keys = [
        {
            "api_key": f"sk-{place}-{dice.getrandbits(128):032x}",
            "owner_id": f"owner-{place % 7}",
            "permissions": dice.sample(["read", "write", "tasks:submit"], 2),
            "is_active": dice.random() < 0.8,
            "created_at": make.at(),
            "expires_at": make.maybe(make.at, 0.3),
        }
        for place in range(count)
    ]
    metrics = [
        {
            "agent_name": dice.choice(agents)["name"],
            "metric_name": dice.choice(["cpu_usage", "tasks_processed"]),
            "metric_value": Decimal(dice.randrange(10**6)) / 8,
            "timestamp": make.at(),
            "tags": Jsonb({"zone": dice.choice("abc"), **({"deep": {"n": place}} if place % 50 == 0 else {})}),
        }
        for place in range(count)
    ]
    said = {**talking.sessions_000(make, count), **talking.configurations_000(make, agents)}
    return {"agents": agents, "tasks": tasks, "api_keys": keys, **said, "metrics": metrics}


def document_004(count: int, *, seed: int = 0) -> Rows:
    """Agents by text, workflows, tasks, metrics, interactions."""
    make = Maker(seed)
    agents = _agents(make, count)
    workflows = _workflows(make, count)
    return {
        "agents": agents,
        "workflows": workflows,
        "agent_tasks": _tasks(make, count, agents, workflows),
        "agent_metrics": _metrics(make, count, agents),
        "agent_interactions": _interactions(make, count, agents, workflows),
    }


def _agents(make: Maker, count: int) -> Many:
    dice = make.dice
    return [
        {
            "id": f"agent-{place}",
            "name": f"Agent {place}",
            "role": make.text() or "r",
            "model": "m-1",
            "specialties": dice.sample(WORDS, 2),
            "backstory": make.maybe(make.text),
            "personality_emoji": make.maybe(lambda: "🦀"),
            "status": dice.choice(["active", "inactive", "maintenance"]),
            "total_tasks_completed": dice.randrange(9),
            "created_at": make.at(),
            "updated_at": make.at(),
            "metadata": Jsonb(make.json()),
        }
        for place in range(count)
    ]


def _workflows(make: Maker, count: int) -> Many:
    dice = make.dice
    return [
        {
            "id": make.uuid(),
            "name": make.text() or "w",
            "description": make.maybe(make.text),
            "workflow_type": make.maybe(lambda: "review"),
            "initiator": make.maybe(make.text),
            "total_tasks": dice.randrange(5),
            "created_at": make.at(),
            "updated_at": make.at(),
            "metadata": Jsonb(make.json()),
            **make.span(),
        }
        for _ in range(count)
    ]


def _tasks(make: Maker, count: int, agents: Many, workflows: Many) -> Many:
    dice = make.dice
    ids = sorted(make.uuid() for _ in range(count))
    return [
        {
            "id": ids[place],
            "agent_id": dice.choice(agents)["id"],
            "workflow_id": make.maybe(lambda: dice.choice(workflows)["id"]),
            "task_type": "code_review",
            "description": make.text(),
            "input_data": make.maybe(lambda: Jsonb(make.json())),
            "output_data": make.maybe(lambda: Jsonb(make.json())),
            "error_message": make.maybe(make.text, 0.2),
            "tokens_used": dice.choice([0, dice.randrange(10**6)]),
            "cost_usd": Decimal(dice.randrange(10**9)) / 10**6,
            "retry_count": dice.randrange(3),
            "parent_task_id": None,
            "created_at": make.at(),
            "metadata": Jsonb(make.json()),
            **make.span(),
        }
        for place in range(count)
    ]


def _metrics(make: Maker, count: int, agents: Many) -> Many:
    dice = make.dice
    return [
        {
            "id": make.uuid(),
            "agent_id": dice.choice(agents)["id"],
            "metric_type": dice.choice(["latency", "cost"]),
            "metric_value": dice.random() * 1000,
            "metric_unit": None,
            "recorded_at": make.at(),
            "context": Jsonb({"n": str(place % 5)}),
        }
        for place in range(count)
    ]


def _interactions(make: Maker, count: int, agents: Many, workflows: Many) -> Many:
    dice = make.dice
    return [
        {
            "id": make.uuid(),
            "workflow_id": make.maybe(lambda: dice.choice(workflows)["id"]),
            "from_agent_id": dice.choice(agents)["id"],
            "to_agent_id": dice.choice(agents)["id"],
            "interaction_type": dice.choice(["handoff", "review", "gossip"]),
            "message": make.maybe(make.text),
            "payload": make.maybe(lambda: Jsonb(make.json())),
            "created_at": make.at(),
        }
        for _ in range(count)
    ]


def parents_of(rows: Rows, *, seed: int = 1) -> list[tuple[UUID, UUID]]:
    """Which task is a part of which: a parent may come before its subtask or after."""
    dice = random.Random(seed)
    ids = [row["id"] for row in rows["agent_tasks"]]
    return [(child, dice.choice(ids)) for child in ids if dice.random() < 0.3]
