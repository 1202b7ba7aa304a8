"""What the facts of a step say of a run: states, times, tokens, money. Pure."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from monitor.ids import from_microseconds
from monitor.runs.model import RunStatus, ToolStatus
from monitor.runs.steps import Facts, Step, StepStatus
from monitor.usage.model import Tokens

_TIMEOUTS = ("timeout", "timedout", "timed_out", "deadline")
_MOST = 2**53


def workflow_name(step: Step) -> str:
    """What the workflow is called."""
    return step.facts.get("workflow") or step.name


def ended(step: Step) -> datetime | None:
    """When it was over."""
    return None if step.ended_us is None else from_microseconds(step.ended_us)


def run_status(step: Step) -> RunStatus:
    """Of a task or an execution."""
    if step.ended_us is None:
        return RunStatus.RUNNING
    return RunStatus.FAILED if step.status is StepStatus.ERROR else RunStatus.COMPLETED


def tool_status(step: Step, facts: Facts) -> ToolStatus:
    """Of a tool execution; `facts` may know more than the step."""
    if step.ended_us is None:
        return ToolStatus.RUNNING
    if step.status is not StepStatus.ERROR:
        return ToolStatus.SUCCESS
    said = f"{facts.get('error_type', '')} {facts.get('error_code', '')}".lower()
    return ToolStatus.TIMEOUT if any(word in said for word in _TIMEOUTS) else ToolStatus.ERROR


def joined(outer: Step, inner: Iterable[Step]) -> Facts:
    """The facts of one call of a tool that several layers tell: the outermost's word counts."""
    told: dict[str, Any] = {}
    for one in [*sorted(inner, key=lambda one: (-one.started_us, one.span_id)), outer]:
        told.update(one.facts)
    facts: Facts = told  # type: ignore[assignment]
    return facts


def tokens(facts: Facts) -> Tokens:
    """What was read and written; parts are never more than the whole."""
    read, written = count(facts.get("input_tokens")), count(facts.get("output_tokens"))
    cached = min(count(facts.get("cache_read_tokens")), read)
    return Tokens(
        input=read,
        output=written,
        cache_read=cached,
        cache_write=min(count(facts.get("cache_write_tokens")), read - cached),
        reasoning=min(count(facts.get("reasoning_tokens")), written),
    )


def count(value: int | None) -> int:
    """A number of things, 0 where none can be meant."""
    return value if type(value) is int and 0 <= value < _MOST else 0


def dollars(value: str | None) -> Decimal | None:
    """Money from decimal text."""
    if value is None:
        return None
    try:
        exact = Decimal(value)
    except InvalidOperation:
        return None
    return exact if exact.is_finite() and 0 <= exact < _MOST else None
