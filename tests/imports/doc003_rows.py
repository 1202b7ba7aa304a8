"""Generated rows of document 003: users of some organizations and of none, agents with keys, logs, rules, alerts."""

from psycopg.types.json import Jsonb

from tests.imports.made import Maker, Many, Rows

CONDITIONS = (
    {"status": "error", "consecutive_failures": 3},
    {"metric": "cpu", "reduce": "max", "window": "1m", "op": ">", "threshold": 90},
    {"what": 1},
)


def document_003(count: int, *, seed: int = 0) -> Rows:
    """`count` rows a table; most rows belong to a twentieth of the organizations."""
    make = Maker(seed)
    dice = make.dice
    users = [_user(make, place) for place in range(count)]
    organizations = [
        {"id": make.uuid(), "name": f"Org {place % (count - 5)}", **_times(make)} for place in range(count)
    ]
    busy = organizations[: max(2, count // 20)]
    types = [
        {
            "id": make.uuid(),
            "name": f"Type {place % (count - 3)}",
            "description": make.maybe(make.text),
            "default_config": make.maybe(lambda: Jsonb(make.json())),
            "required_params": make.maybe(lambda: Jsonb(["model"])),
            **_times(make),
        }
        for place in range(count)
    ]
    agents = [_agent(make, place, types, busy, users) for place in range(count)]
    rules = [_rule(make, place, agents) for place in range(count)]
    return {
        "users": users,
        "organizations": organizations,
        "org_memberships": [
            {"user_id": user["id"], "org_id": dice.choice(busy)["id"], "role": dice.choice(["admin", "user", "boss"])}
            for user in dice.sample(users, count - count // 10)
        ],
        "agent_types": types,
        "agents": agents,
        "agent_logs": [_log(make, agents) for _ in range(count)],
        "alert_configs": rules,
        "alerts": [_alert(make, rules) for _ in range(count)],
    }


def _times(make: Maker) -> dict[str, object]:
    return {"created_at": make.at(), "updated_at": make.at()}


def _user(make: Maker, place: int) -> dict[str, object]:
    return {
        "id": make.uuid(),
        "email": f"User{place}@Example.com",
        "password_hash": f"$2b$12${make.dice.getrandbits(128):032x}",
        "name": make.maybe(make.text),
        "role": make.dice.choice(["admin", "viewer"]),
        **_times(make),
    }


def _agent(make: Maker, place: int, types: Many, busy: Many, users: Many) -> dict[str, object]:
    dice = make.dice
    return {
        "id": make.uuid(),
        "name": f"Agent {place % 100}",
        "type_id": make.maybe(lambda: dice.choice(types)["id"]),
        "org_id": make.maybe(lambda: dice.choice(busy)["id"], 0.9),
        "created_by": make.maybe(lambda: dice.choice(users)["id"]),
        "api_key": make.maybe(lambda: f"key-{place}-{dice.getrandbits(128):032x}"),
        "webhook_url": make.maybe(lambda: dice.choice(["https://example.com/hook", "nowhere"]), 0.3),
        "config": Jsonb(make.json()),
        "schedule": make.maybe(lambda: dice.choice(["0 9 * * 1", "every day"]), 0.3),
        "status": dice.choice(["active", "inactive", "error", None]),
        "last_heartbeat": make.maybe(make.at),
        **_times(make),
    }


def _log(make: Maker, agents: Many) -> dict[str, object]:
    started = make.maybe(make.at, 0.95)
    return {
        "id": make.uuid(),
        "agent_id": make.maybe(lambda: make.dice.choice(agents)["id"], 0.97),
        "status": make.dice.choice(["success", "error", "warning", "completed", "odd"]),
        "message": make.maybe(make.text),
        "details": make.maybe(lambda: Jsonb(make.json())),
        "started_at": started,
        "completed_at": make.maybe(make.at) if started is None else None,
        "duration": make.maybe(lambda: make.dice.randrange(10**6)),
    }


def _rule(make: Maker, place: int, agents: Many) -> dict[str, object]:
    return {
        "id": make.uuid(),
        "agent_id": make.maybe(lambda: make.dice.choice(agents)["id"], 0.9),
        "name": f"Rule {place}",
        "conditions": Jsonb(make.dice.choice(CONDITIONS)),
        "channels": Jsonb({"email": "user@example.com", "slack": "#alerts"}),
        "enabled": make.maybe(lambda: make.dice.random() < 0.8, 0.9),
        **_times(make),
    }


def _alert(make: Maker, rules: Many) -> dict[str, object]:
    rule = make.maybe(lambda: make.dice.choice(rules), 0.9)
    triggered = make.at()
    return {
        "id": make.uuid(),
        "config_id": None if rule is None else rule["id"],
        "agent_id": None if rule is None else rule["agent_id"],
        "triggered_at": triggered,
        "resolved_at": make.maybe(make.at, 0.5),
        "status": make.dice.choice(["open", "acknowledged", "resolved", "lost"]),
        "details": make.maybe(lambda: Jsonb(make.json())),
    }
