"""What agents of other dialects send, in the least words."""

import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.ids import microseconds
from tests.http.furnished.made import Furnished
from tests.prometheus import sender


def telemetry(f: Furnished, resources: str, scopes: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """A request of OTLP in JSON, by the agent that both tenants may have."""
    named = [{"key": "service.name", "value": {"stringValue": f.agent}}]
    return {resources: [{"resource": {"attributes": named}, scopes: [held]}]}


def span(f: Furnished) -> dict[str, Any]:
    """One span of a trace that both tenants may have the id of."""
    at_ns = str(time.time_ns())
    return {
        "traceId": hashlib.md5(f.word.encode()).hexdigest(),
        "spanId": "eee19b7ec3c1b174",
        "name": f"{f.word}-span",
        "startTimeUnixNano": at_ns,
        "endTimeUnixNano": at_ns,
    }


def gauge(f: Furnished) -> dict[str, Any]:
    """One point of a metric."""
    point = {"timeUnixNano": str(time.time_ns()), "asDouble": 1.5}
    return {"name": f"{f.word}-gauge", "gauge": {"dataPoints": [point]}}


def record(f: Furnished) -> dict[str, Any]:
    """One log record."""
    return {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": f"{f.word}-record"}}


def remote_write(owner: Furnished) -> bytes:
    """One sample, as Prometheus writes it."""
    at_ms = microseconds(datetime.now(UTC)) // 1000
    return sender.one(sender.Series({"__name__": f"{owner.word}_up", "agent": owner.agent}, [(1.0, at_ms)]))
