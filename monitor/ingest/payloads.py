"""What the three kinds of rows look like on the wire, and what a request comes to.

The fields' types are open on purpose: `logs`, `points` and `beats` check them one by one, to name what is wrong.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec


class LogIn(msgspec.Struct, forbid_unknown_fields=True):
    """A row of POST /api/v1/logs. `timestamp` is taken where there is neither `completed_at` nor `started_at`."""

    agent: Any = None
    kind: Any = None
    status: Any = None
    level: Any = None
    message: Any = None
    details: Any = None
    started_at: Any = None
    completed_at: Any = None
    timestamp: Any = None
    duration: Any = None
    id: Any = None


class MetricIn(msgspec.Struct, forbid_unknown_fields=True):
    """A row of POST /api/v1/metrics: one `metric` with its `value`, or many as `metrics`."""

    agent: Any = None
    metric: Any = None
    value: Any = None
    unit: Any = None
    kind: Any = None
    timestamp: Any = None
    tags: Any = None
    metrics: Any = None


class BeatIn(msgspec.Struct, forbid_unknown_fields=True):
    """A row of POST /api/v1/heartbeats. `interval`: when the next one is due, in seconds or as text (`60s`)."""

    agent: Any = None
    status: Any = None
    metrics: Any = None
    interval: Any = None
    timestamp: Any = None
    tags: Any = None


@dataclass(slots=True)
class Outcome:
    """What becomes of a request's rows, by their index."""

    accepted: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def reject(self, index: int, error: str) -> None:
        """Name a row, or a part of one, that is not kept."""
        self.rejected.append((index, error))

    def withdraw(self, index: int, error: str) -> None:
        """Name one that was counted as accepted."""
        self.accepted -= 1
        self.reject(index, error)

    def lose(self, index: int, error: str) -> None:
        """Say that a log is kept and points that it makes are not."""
        warning = (index, f"the log is kept, a point that it makes is not: {error}")
        if self.warnings[-1:] != [warning]:
            self.warnings.append(warning)

    def body(self) -> dict[str, Any]:
        """The answer; `warnings` only where there are some."""
        rejected = [{"index": index, "error": error} for index, error in sorted(self.rejected)] if self.rejected else []
        answer: dict[str, Any] = {"accepted": self.accepted, "rejected": rejected}
        if self.warnings:
            answer["warnings"] = [{"index": index, "warning": text} for index, text in self.warnings]
        return answer
