"""What may become of a run: which status follows which, and the times that go with them. Pure.

A run goes from pending to running to its end; steps may be left out, and a message that comes late says nothing of the
status any more. A run that ended goes on only as a new attempt, which is a greater `retry_count`.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any, TypeVar

from msgspec.structs import fields, replace

from monitor.errors import Conflict, InvalidInput
from monitor.runs.model import Execution, RunStatus, Task, ToolExecution, ToolStatus

Run = TypeVar("Run", bound=Task | Execution | ToolExecution)
Status = RunStatus | ToolStatus

ENDED: frozenset[Status] = frozenset(
    {
        RunStatus.COMPLETED,
        RunStatus.FAILED,
        RunStatus.CANCELLED,
        ToolStatus.SUCCESS,
        ToolStatus.ERROR,
        ToolStatus.TIMEOUT,
    }
)
_OUTCOME = ("completed_at", "error_type", "error_message", "traceback", "error_code", "output", "result")


class Step(Enum):
    """What a status that is told means for a run."""

    SAME = auto()
    FORWARD = auto()
    LATE = auto()
    ATTEMPT = auto()
    REFUSED = auto()


def _rank(status: Status) -> int:
    return 2 if status in ENDED else 1 if status == RunStatus.RUNNING else 0


def step(now: Status, told: Status, *, retries: int = 0, told_retries: int | None = None) -> Step:
    """What it means that a run in status `now`, after `retries`, is told to be in another.

    `told_retries`: the retries that are told with it, if they are.
    """
    if now in ENDED and told_retries is not None and told_retries > retries:
        return Step.ATTEMPT
    if told == now:
        return Step.SAME
    if now in ENDED and told in ENDED:
        return Step.REFUSED
    return Step.FORWARD if _rank(told) > _rank(now) else Step.LATE


def changed(run: Run, changes: Mapping[str, Any], *, now: datetime) -> Run:
    """The run with what is told of it. Raises Conflict where it ended otherwise, InvalidInput where times cannot be."""
    told, retries = dict(changes), _retries(run)
    meaning = Step.SAME
    if "status" in told:
        meaning = step(run.status, told["status"], retries=retries, told_retries=told.get("retry_count"))
    if meaning is Step.REFUSED:
        raise Conflict(
            f"it is {run.status} already and does not become {told['status']}: "
            "a new attempt says so by a greater retry_count"
        )
    if meaning is Step.LATE:
        del told["status"]
    if meaning is Step.ATTEMPT:
        forgotten: dict[str, Any] = {item.name: None for item in fields(run) if item.name in _OUTCOME}
        run = replace(run, **forgotten)
    elif run.status in ENDED and told.get("completed_at", run.completed_at) is None:
        raise InvalidInput(f"it is {run.status}: that stays", path="completed_at")
    if told.get("retry_count", retries) < retries:
        del told["retry_count"]
    return _timed(replace(run, **told), now=now)


def made(run: Run, *, now: datetime) -> Run:
    """A run that is told for the first time, its times completed. Raises InvalidInput where they cannot be."""
    return _timed(run, now=now)


def _retries(run: Task | Execution | ToolExecution) -> int:
    return run.retry_count if isinstance(run, Task) else 0


def _timed(run: Run, *, now: datetime) -> Run:
    started: datetime | None = run.started_at
    completed = run.completed_at
    if run.status not in ENDED and completed is not None:
        raise InvalidInput(f"the status {run.status} has no end", path="completed_at")
    if run.status == RunStatus.RUNNING and started is None:
        started = now
    if run.status in ENDED and completed is None:
        # Whose clock goes ahead of ours began "later".
        completed = now if started is None else max(now, started)
    if started is not None and completed is not None and completed < started:
        raise InvalidInput("before started_at", path="completed_at")
    if isinstance(run, Execution) and (run.steps_completed or 0) > (run.steps_total or run.steps_completed or 0):
        raise InvalidInput(f"more than steps_total, which is {run.steps_total}", path="steps_completed")
    times: dict[str, Any] = {"started_at": started, "completed_at": completed}
    return replace(run, **times)
