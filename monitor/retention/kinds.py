"""Which tables go with which kind of policy, and how old a row is: the one place that later tables add a line to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from monitor.partitions import Key
from monitor.series.retention import LONG
from monitor.settings import Settings


class Kind(StrEnum):
    """What a tenant can have a policy for."""

    LOGS = "logs"
    METRICS = "metrics"
    RUNS = "runs"
    TRACES = "traces"
    ALERTS = "alerts"
    USAGE = "usage"
    CONVERSATIONS = "conversations"
    ORPHANED_STATES = "orphaned_states"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Part:
    """One table. `age`: the column that tells how old a row is, as a UUIDv7 or a time.

    `only`: what must hold of a row `t` besides its age for it to go. `of`: the table and the column that refers to it,
    where a row is as old as the one that it belongs to.
    """

    table: str
    age: str = "id"
    by: Key = Key.UUID7
    only: str = "true"
    of: tuple[str, str] | None = None

    def rows(self, table: str | None = None) -> str:
        """What stands after FROM: the table, or a partition of it, as `t`."""
        table = table or self.table
        if self.of is None:
            return f"{table} t"
        parent, reference = self.of
        return f"{parent} p JOIN {table} t ON t.tenant_id = p.tenant_id AND t.{reference} = p.id"

    @property
    def aged(self) -> str:
        """The column that tells the age, of the table that has it."""
        return f"{'p' if self.of else 't'}.{self.age}"


def _timed(table: str, age: str, *, only: str = "true") -> Part:
    return Part(table, age, Key.TIME, only)


def _conversations(age: str) -> tuple[Part, ...]:
    """Conversations with what was said in them, which goes first and in batches: a cascade would take all at once."""
    of = ("conversations", "conversation_id")
    return (
        Part("messages", age, Key.TIME, of=of),
        Part("message_names", age, Key.TIME, of=of),
        Part("message_edits", age, Key.TIME, of=of),
        _timed("conversations", age),
    )


def _of(parent: str, reference: str, *tables: str) -> tuple[Part, ...]:
    """What goes before the deleted rows that it belongs to, in batches."""
    return tuple(Part(table, "deleted_at", Key.TIME, of=(parent, reference)) for table in tables)


_KNOWLEDGE = (
    *_of("documents", "document_id", "chunks"),
    _timed("documents", "deleted_at"),
    *_of("collections", "collection_id", "chunks", "documents", "rag_queries"),
    _timed("collections", "deleted_at"),
)


def _unused(reference: str, *tables: str) -> str:
    """That nothing which is still kept belongs to a row."""
    theirs = f"u WHERE u.tenant_id = t.tenant_id AND u.{reference} = t.id"
    return " AND ".join(f"NOT EXISTS (SELECT FROM {table} {theirs})" for table in tables)


_OF_AGENTS = ("alerts", "conversations", "model_calls", "scores", "tasks", "tool_executions")
"""What is kept for as long as its own kind says, though the agent was deleted; the rest goes with the agent."""

PARTS: Mapping[Kind, tuple[Part, ...]] = {
    Kind.LOGS: (
        Part("agent_logs"),
        Part("agent_log_ids", "log_id"),
        _timed("scheduled_runs", "due_at"),
    ),
    Kind.METRICS: (
        _timed("samples", "at"),
        _timed("sample_chunks", "hour"),
        Part("exemplars"),
    ),
    Kind.RUNS: (
        Part("tasks"),
        Part("tool_executions"),
        Part("model_calls"),
        Part("scores"),
        Part("rag_queries"),
        _timed("workflow_executions", "created_at"),
        _timed("agent_interactions", "at"),
        Part("run_names"),
    ),
    Kind.TRACES: (Part("spans"), Part("error_occurrences"), _timed("traces", "started_at")),
    Kind.ALERTS: (
        # Open ones have no end, and so no age.
        _timed("alerts", "resolved_at"),
        _timed(
            "notification_groups",
            "created_at",
            only="NOT EXISTS (SELECT FROM alerts a WHERE a.tenant_id = t.tenant_id AND a.id = ANY (t.alert_ids))",
        ),
    ),
    Kind.USAGE: (
        _timed("usage_hours", "hour"),
        _timed("request_counts", "day"),
        Part("usage_metrics"),
        _timed("budget_spending", "period_start"),
    ),
    Kind.CONVERSATIONS: _conversations("last_activity_at"),
    Kind.ORPHANED_STATES: (
        _timed(
            "agent_states",
            "updated_at",
            only="NOT EXISTS (SELECT FROM conversations c"
            " WHERE c.tenant_id = t.tenant_id AND c.external_id = t.conversation)",
        ),
    ),
    # What was deleted can be brought back until then.
    Kind.DELETED: (
        *_conversations("deleted_at"),
        *_KNOWLEDGE,
        _timed("mcp_servers", "deleted_at"),
        _timed("workflows", "deleted_at"),
        _timed("alert_configs", "deleted_at", only=_unused("config_id", "alerts")),
        _timed("agents", "deleted_at", only=_unused("agent_id", *_OF_AGENTS)),
    ),
}
TECHNICAL: Mapping[Part, timedelta] = {
    _timed("idempotency_keys", "created_at"): timedelta(hours=24),
    # What was used is remembered for longer than it is valid: clocks of processes differ.
    _timed("used_tokens", "expires_at"): timedelta(hours=1),
    _timed("budget_reservations", "expires_at"): timedelta(days=30),
    _timed("cross_region_sync_logs", "completed_at"): LONG,
    _timed("retention_runs", "completed_at"): LONG,
}
"""What nobody wants to keep for longer or shorter: answers to repeated requests, used links, lapsed reservations."""


def defaults(settings: Settings) -> dict[Kind, timedelta | None]:
    """How long each kind is kept where a tenant has no policy; None: until it is deleted."""
    raw = timedelta(seconds=settings.raw_retention)
    special = {Kind.ALERTS: LONG, Kind.USAGE: LONG, Kind.CONVERSATIONS: None, Kind.DELETED: timedelta(days=30)}
    return {kind: special.get(kind, raw) for kind in Kind}
