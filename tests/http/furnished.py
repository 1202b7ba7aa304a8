"""A tenant with a row in every table, and a word in each of them that nobody else may ever see."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import Agent
from monitor.db import Database
from monitor.identity.tables import Tenant
from monitor.ids import uuid7
from monitor.principal import Scope
from monitor.series.tables import Series
from sql.models import metadata
from tests.factories import TenantMade, make_agent, make_key, make_tenant
from tests.http.furnished_alerting import alerting

WITHOUT_TENANT = {"leases", "rollup_progress", "users", "tenants"}
TABLES = sorted(set(metadata.tables) - WITHOUT_TENANT)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Furnished:
    """One tenant's belongings. `word` stands in every text and document of theirs, `number` in their history."""

    tenant: TenantMade
    word: str
    agent_id: UUID
    agent: str
    ids: dict[str, UUID]
    spare_key_id: UUID

    @property
    def number(self) -> int:
        """A value that nobody else's points have."""
        return 70_000 + sum(self.word.encode())

    @property
    def trace_id(self) -> str:
        """Of the trace that they have."""
        return f"{self.number:032x}"

    @property
    def fingerprint(self) -> str:
        """Of the error that they have."""
        return f"{self.number:016x}"

    @property
    def uuids(self) -> set[str]:
        """Every identifier of theirs."""
        known = (self.tenant.id, self.tenant.key_id, self.tenant.user_id, self.agent_id, self.spare_key_id)
        return {str(one) for one in (*known, *self.ids.values())}


async def furnish(db: Database, word: str) -> Furnished:
    """Make the tenant and fill every table that has tenants."""
    tenant = await make_tenant(db, slug=f"{word}-tenant")
    agent = f"{word}-agent"
    agent_id = await make_agent(db, tenant.id, agent, tags={word: word})
    # Both tenants have an agent of this name: whose it is depends on the key alone.
    await make_agent(db, tenant.id, "shared-name")
    spare_key_id, _text = await make_key(db, tenant.id, scopes=(Scope.READ,))
    made = Furnished(tenant, word, agent_id, agent, {}, spare_key_id)
    async with db.owner() as owner:
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(tenant.id)})
        for name, values in _rows(made, datetime.now(UTC)).items():
            await _insert(owner, made, metadata.tables[name], values)
        privacy = {"patterns": [{"name": word, "pattern": f"never-{word}"}]}
        fallback = (
            update(Tenant)
            .where(Tenant.id == tenant.id)
            .values(fallback_channel={"email": f"{word}@example.com"}, settings={"privacy": privacy})
        )
        await owner.execute(fallback)
        called = update(Agent).where(Agent.tenant_id == tenant.id, Agent.id == agent_id)
        await owner.execute(called.values(webhook_url=f"https://{word}.example.com/run", schedule="0 * * * *"))
    return made


async def _insert(owner: AsyncConnection, made: Furnished, table: Table, values: dict[str, Any]) -> None:
    row: dict[str, Any] = {"tenant_id": made.tenant.id}
    if "agent_id" in table.columns:
        row["agent_id"] = made.agent_id
    await owner.execute(insert(table).values(row | values))


def _rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row of each table, parents first. What a table needs beyond its tenant and agent."""
    for name in ("type", "log", "rule", "alert", "event", "channel", "group", "notification", "audit", "run"):
        made.ids[name] = uuid7(now)
    for name in ("workflow", "execution", "task", "tool", "interaction", "span", "exemplar"):
        made.ids[name] = uuid7(now)
    for name in ("price", "call", "budget", "reservation", "shift", "silence", "inhibition", "escalation"):
        made.ids[name] = uuid7(now)
    rows = alerting(made.word, made.ids, made.tenant.user_id, now)
    return _telemetry(made, now) | _runs(made, now) | _usage(made, now) | _insight(made, now) | rows


def _telemetry(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    word, ids = made.word, made.ids
    # The one just made: rows are inserted in the order of this list.
    series = select(func.max(Series.id)).scalar_subquery()
    hour = now.replace(minute=0, second=0, microsecond=0)
    rollup = {
        "series_id": series, "at": hour - timedelta(hours=2), "count": 1, "sum": 7.0, "sum_sq": 0.0, "min": 7.0,
        "max": 7.0, "last": 7.0, "last_at": hour - timedelta(hours=2), "histogram": b"\x00\x64\x00",
    }  # fmt: skip
    return {
        "agent_types": {"id": ids["type"], "slug": f"{word}-type", "name": word, "description": word},
        "agent_schedules": {"since": now, "next_run_at": now + timedelta(hours=1)},
        "scheduled_runs": {"id": ids["run"], "due_at": now, "status": "failed", "error": f"{word} was not reached"},
        "agent_logs": {
            "id": ids["log"], "kind": "execution", "status": "error", "external_id": f"{word}-log",
            "message": f"{word} log", "details": {word: word},
        },
        "agent_log_ids": {"external_id": f"{word}-log", "log_id": ids["log"]},
        "series": {"metric": "execution_duration_ms", "tags": {word: word}, "tags_hash": word.encode()},
        "exemplars": {
            "id": ids["exemplar"], "metric": "execution_duration_ms", "tags": {word: word}, "value": 7.0,
            "trace_id": word, "attributes": {word: word},
        },
        "samples": {"series_id": series, "at": now - timedelta(minutes=1), "value": float(made.number)},
        "sample_chunks": {"series_id": series, "hour": hour - timedelta(hours=2), "t": [0], "v": [7.0]},
        "rollups_minute": {"series_id": series, "hour": hour - timedelta(hours=2), "minute": [0], "sum": [7.0]},
        "rollups_hour": rollup,
        "rollups_day": rollup | {"at": hour.replace(hour=0)},
        "rollup_dirty": {"series_id": series, "hour": hour - timedelta(hours=2)},
        "spool": {"points": 1, "series_ids": array([series]), "at": [now], "values": [float(made.number)]},
        "series_copies": {"source": "postgres", "day": hour.replace(hour=0)},
        "touched": {"agent_ids": [made.agent_id], "kinds": [1]},
        "idempotency_keys": {"key": f"{word}-key", "body_hash": b"x" * 32, "answer": {word: word}},
        "audit_logs": {
            "id": ids["audit"], "actor": word, "action": f"{word}.created", "resource_type": word,
            "new_values": {word: word},
        },
    }  # fmt: skip


def _runs(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    word, ids = made.word, made.ids
    return {
        "workflows": {"id": ids["workflow"], "slug": f"{word}-workflow", "name": word, "description": word},
        "workflow_executions": {
            "id": ids["execution"], "workflow_id": ids["workflow"], "name": word, "status": "running",
            "input": {word: word}, "started_at": now,
        },
        # The trigger adds its row of agent_counts.
        "tasks": {
            "id": ids["task"], "task_type": word, "description": word, "status": "running",
            "execution_id": ids["execution"], "input": {word: word}, "started_at": now, "tokens_used": made.number,
        },
        "tool_executions": {
            "id": ids["tool"], "task_id": ids["task"], "tool_name": f"{word}-tool", "status": "running",
            "parameters": {word: word}, "started_at": now,
        },
        "agent_interactions": {
            "id": ids["interaction"], "from_agent_id": made.agent_id, "to_agent_id": made.agent_id,
            "interaction_type": "review", "message": word, "at": now, "execution_id": ids["execution"],
        },
        "spans": {
            "id": ids["span"], "trace_id": f"{made.number:032x}", "span_id": f"{made.number:016x}", "kind": "agent",
            "name": f"{word}-span", "status": "ok", "agent": word, "facts": {"input": word}, "started_at": now,
            "rank": made.number,
        },
        "touched_traces": {"trace_id": f"{made.number:032x}", "due_at": now},
        "unmapped_names": {
            "kind": "unknown", "dialect": word, "name": f"{word}.name", "seen": 1, "first_seen_at": now,
            "last_seen_at": now,
        },
        "run_names": {"kind": "task", "external_id": f"{word}-task", "id": ids["task"]},
        "agent_totals": {
            "tasks": 0, "completed": 0, "failed": 0, "timed": 0, "duration_ms": 0, "tokens": 0, "cost_usd": 0,
        },
    }  # fmt: skip


def _usage(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    word, ids = made.word, made.ids
    return {
        "budgets": {
            "id": ids["budget"], "name": f"{word} budget", "scope": "user", "target": f"{word}-user", "agent_id": None,
            "unit": "tokens", "period": "month", "limit_amount": made.number * 2,
        },
        "budget_reservations": {
            "id": ids["reservation"], "budget_id": ids["budget"], "amount": 7, "created_at": now,
            "expires_at": now + timedelta(hours=1),
        },
        "model_prices": {
            "id": ids["price"], "model": f"{word}-model", "valid_from": datetime(2026, 1, 1, tzinfo=UTC), "input": 1,
            "output": 2,
            "source": "tenant",
        },
        "price_changes": {"models": [f"{word}-model"], "since": now},
        # The triggers add its rows of usage_hours and budget_spending. Nobody knows what it cost.
        "model_calls": {
            "id": ids["call"], "model": f"{word}-unknown", "user_ref": f"{word}-user", "failed": False,
            "input_tokens": made.number, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0,
            "reasoning_tokens": 0, "started_at": now, "source": "api", "task_id": ids["task"],
        },
    }  # fmt: skip


def _insight(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    word, ids = made.word, made.ids
    ids["score"], ids["deployment"] = uuid7(now), uuid7(now)
    return {
        "run_news": {"kind": "task", "run_ids": [ids["task"]]},
        "error_occurrences": {
            "id": ids["task"], "fingerprint": made.fingerprint, "kind": "task", "task_id": ids["task"],
            "trace_id": made.trace_id, "message": word, "at": now,
        },
        "error_groups": {
            "fingerprint": made.fingerprint, "error_type": word, "message": word, "count": 1, "first_seen_at": now,
            "last_seen_at": now,
        },
        "traces": {
            "trace_id": made.trace_id, "name": word, "status": "failed", "agent_ids": [made.agent_id],
            "models": [word], "conversation": f"{word}-conversation", "tasks": 1, "failed_tasks": 1,
            "tokens": made.number, "cost_usd": 1, "started_at": now, "words": word, "first_id": ids["task"],
            "last_id": ids["task"],
        },
        "scores": {
            "id": ids["score"], "source": "feedback", "name": f"{word}-score", "value": float(made.number),
            "comment": word, "task_id": ids["task"], "trace_id": made.trace_id, "given_by": word, "at": now,
        },
        "deployments": {
            "id": ids["deployment"], "version": f"{word}-1", "source": "told", "description": word, "at": now,
        },
    }  # fmt: skip


async def rows_of(db: Database, tenant_id: UUID) -> dict[str, list[str]]:
    """Everything a tenant has, as text: the same before and after means that nothing was changed."""
    found: dict[str, list[str]] = {}
    async with db.owner() as owner:
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(tenant_id)})
        for name in [*TABLES, "tenants"]:
            column = "id" if name == "tenants" else "tenant_id"
            query = text(f"SELECT x::text FROM {name} x WHERE {column} = :id ORDER BY 1")
            found[name] = list((await owner.execute(query, {"id": tenant_id})).scalars())
    return found
