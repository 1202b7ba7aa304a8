"""A trace as a waterfall: its steps as a tree laid out in time. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from monitor.ids import uuid7_time
from monitor.runs.search import TracePage
from monitor.runs.steps import StepKind

A_PAGE = 300
"""Lines that a page shows."""
DEEPEST = 12
"""Levels that are indented; what is deeper stands there too."""
_FAILED = ("error", "failed", "timeout")


@dataclass(frozen=True, slots=True)
class Line:
    """One step or run. `left` and `width` are percent of the whole trace, `after_ms` is since its beginning.

    `about`: everything else that is known of it, by name.
    """

    key: str
    parent: str | None
    kind: str
    name: str
    agent: str | None
    failed: bool
    open: bool
    started_at: datetime
    ended_at: datetime | None
    tokens: int | None
    cost_usd: str | None
    error: str | None
    to: str | None
    about: Mapping[str, Any]
    depth: int = 0
    after_ms: float = 0.0
    left: float = 0.0
    width: float = 0.0

    @property
    def duration_ms(self) -> float | None:
        """How long it took, in milliseconds; None while it runs."""
        return None if self.ended_at is None else (self.ended_at - self.started_at) / timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All lines in the order of the tree, and how many of them are what."""

    lines: Sequence[Line]
    calls: int
    tools: int
    handoffs: int
    errors: int


def waterfall(found: TracePage) -> Waterfall:
    """The steps of a trace; runs that were told over the API and are no step's stand among them."""
    steps = [_step(one) for one in msgspec.json.decode(found.steps)]
    known = {step.about["id"] for step in steps}
    by_run = {step.about["id"]: step.key for step in steps}
    runs = [_run(StepKind.AGENT, one, by_run) for one in msgspec.json.decode(found.tasks) if one["id"] not in known]
    tools = [_run(StepKind.TOOL, one, by_run) for one in msgspec.json.decode(found.tools) if one["id"] not in known]
    lines = _laid_out([*steps, *runs, *tools])
    kinds = [line.kind for line in lines]
    return Waterfall(
        lines, kinds.count(StepKind.CALL), kinds.count(StepKind.TOOL), kinds.count(StepKind.HANDOFF),
        sum(line.failed for line in lines),
    )  # fmt: skip


def _step(one: dict[str, Any]) -> Line:
    facts: dict[str, Any] = one["facts"] or {}
    ended = one["ended_at"]
    return Line(
        key=one["span_id"],
        parent=one["parent_id"],
        kind=one["kind"],
        name=one["name"],
        agent=one["agent"] or one["service"],
        failed=one["status"] == "error",
        open=ended is None,
        started_at=datetime.fromisoformat(one["started_at"]),
        ended_at=None if ended is None else datetime.fromisoformat(ended),
        tokens=one["tokens"],
        cost_usd=one["cost_usd"] or facts.get("cost_usd"),
        error=facts.get("error_message") or facts.get("error_type"),
        to=facts.get("handoff_to"),
        about={
            "id": one["id"],
            **facts,
            **{name: one[name] for name in ("attributes", "events", "links") if one[name]},
        },
    )


def _run(kind: StepKind, one: dict[str, Any], by_run: Mapping[str, str]) -> Line:
    """A task or a tool's execution as a line: it begins when its id says."""
    above = one.get("parent_task_id") or one.get("task_id") or ""
    begun, length = uuid7_time(UUID(one["id"])), one["duration_ms"]
    return Line(
        key=one["id"],
        parent=by_run.get(above, above) or None,
        kind=kind,
        name=one.get("description") or one.get("task_type") or one["tool_name"],
        agent=one.get("agent"),
        failed=one["status"] in _FAILED,
        open=length is None,
        started_at=begun,
        ended_at=None if length is None else begun + timedelta(milliseconds=length),
        tokens=one.get("tokens"),
        cost_usd=one.get("cost_usd"),
        error=one["error_message"],
        to=None,
        about={name: value for name, value in one.items() if value is not None},
    )


def _laid_out(lines: Sequence[Line]) -> list[Line]:
    """Depth first, children by their start; one whose parent is not there, or is below it, stands at the top."""
    if not lines:
        return []
    known = {line.key for line in lines}
    below: dict[str | None, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda one: one.started_at):
        below[line.parent if line.parent in known and line.parent != line.key else None].append(line)
    start = min(line.started_at for line in lines)
    end = max(line.ended_at or line.started_at for line in lines)
    whole = max((end - start) / timedelta(milliseconds=1), 0.001)
    made: dict[str, Line] = {}

    def walk(first: Sequence[Line]) -> None:
        waiting = [(line, 0) for line in reversed(first)]
        while waiting:
            line, depth = waiting.pop()
            if line.key in made:
                continue
            after = (line.started_at - start) / timedelta(milliseconds=1)
            length = line.duration_ms if line.duration_ms is not None else whole - after
            left = min(99.5, 100 * after / whole)
            width = max(0.5, min(100 - left, 100 * length / whole))
            made[line.key] = replace(line, depth=min(depth, DEEPEST), after_ms=after, left=left, width=width)
            waiting += [(child, depth + 1) for child in reversed(below[line.key])]

    walk(below[None])
    walk([line for line in lines if line.key not in made])
    return list(made.values())
