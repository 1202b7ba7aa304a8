"""Batches, requests and answers, as the collector's native API has them. Pure."""

import gzip
import json
from dataclasses import dataclass
from enum import StrEnum

_GZIP_FROM = 1024


class Route(StrEnum):
    """The last part of the path."""

    LOGS = "logs"
    METRICS = "metrics"
    HEARTBEATS = "heartbeats"
    TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that travel together; `key` is the same at every attempt, so that they count once."""

    route: Route
    rows: tuple[bytes, ...]
    size: int
    key: str


@dataclass(frozen=True, slots=True)
class Request:
    """A batch as an HTTP request."""

    path: str
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `status` None: no answer, `error` says why."""

    status: int | None
    body: bytes = b""
    retry_after: str | None = None
    error: str = ""


def pack(batch: Batch) -> Request:
    """A batch as a request; the same batch always gives the same bytes."""
    content = b"[" + b",".join(batch.rows) + b"]"
    headers = {"Content-Type": "application/json", "Idempotency-Key": batch.key}
    if len(content) > _GZIP_FROM:
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, compresslevel=1, mtime=0)
    return Request(f"/api/v1/{batch.route}", headers, content)


def refused(body: bytes) -> list[str]:
    """The rows that an answer names as wrong, with the fault."""
    try:
        answer = json.loads(body)
    except ValueError:
        return []
    rows = answer.get("rejected") if isinstance(answer, dict) else None
    named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [f"row {row.get('index')}: {str(row.get('error'))[:200]}" for row in named]
