"""What models cost, what was spent, and how much may be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "price", "call", "budget", "reservation", "metric", "record")
    word, ids = made.word, made.ids
    return {
        "budgets": {
            "id": ids["budget"], "name": f"{word} budget", "scope": "user", "target": f"{word}-user", "agent_id": None,
            "unit": "tokens", "period": "month", "limit_amount": made.number * 2,
        },
        "tenant_quotas": {"resource": "daily_requests", "limit_amount": made.number * 10},
        "request_counts": {"day": now.replace(hour=0, minute=0, second=0, microsecond=0), "requests": made.number},
        "usage_metrics": {
            "id": ids["metric"], "metric_type": f"{word}-seats", "metric_value": made.number, "period_start": now,
            "period_end": now + timedelta(hours=1),
        },
        "billing_records": {
            "id": ids["record"], "period_start": now, "period_end": now + timedelta(days=30), "plan": "free",
            "calls": made.number, "unpriced_calls": 0, "input_tokens": 0, "output_tokens": 0, "usage_usd": 0,
            "included_usd": 0, "plan_usd": 0, "total_usd": 0, "computed_at": now, "lines": [{"kind": word}],
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
