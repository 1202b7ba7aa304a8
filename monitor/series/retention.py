"""How long each table of history is kept: what `monitor.partitions.apply` may drop."""

from collections.abc import Mapping
from datetime import timedelta

from monitor.settings import Settings

LONG = timedelta(days=396)
"""Closed alerts with what was sent about them, and sums of usage live 13 months."""


def retention_of(settings: Settings) -> Mapping[str, timedelta]:
    """Table to age. Logs, runs and single points share one; each coarser level outlives the one it was made from."""
    raw = timedelta(seconds=settings.raw_retention)
    return {
        "agent_logs": raw,
        "exemplars": raw,
        "tasks": raw,
        "tool_executions": raw,
        "model_calls": raw,
        "spans": raw,
        "error_occurrences": raw,
        "scores": raw,
        "usage_metrics": LONG,
        "samples": raw,
        "sample_chunks": raw,
        "rollups_minute": timedelta(seconds=settings.minute_retention),
        "rollups_hour": timedelta(seconds=settings.hour_retention),
        "rollups_day": timedelta(seconds=settings.day_retention),
    }
