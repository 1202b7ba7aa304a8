"""Which status follows which, and what becomes of the times."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.errors import Conflict, InvalidInput
from monitor.ids import uuid7
from monitor.runs import lifecycle
from monitor.runs.lifecycle import ENDED, Step, step
from monitor.runs.model import RunStatus, Task, ToolStatus
from tests.runs.makers import START, at, execution, task, tool

AGENT = uuid7(START)
PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = RunStatus
NOW = at(100)


@pytest.mark.parametrize(
    ("before", "told", "means"),
    [
        (PENDING, RUNNING, Step.FORWARD),
        (PENDING, COMPLETED, Step.FORWARD),
        (RUNNING, CANCELLED, Step.FORWARD),
        (RUNNING, PENDING, Step.LATE),
        (COMPLETED, RUNNING, Step.LATE),
        (FAILED, PENDING, Step.LATE),
        (COMPLETED, COMPLETED, Step.SAME),
        (COMPLETED, FAILED, Step.REFUSED),
        (FAILED, COMPLETED, Step.REFUSED),
        (CANCELLED, COMPLETED, Step.REFUSED),
        (ToolStatus.RUNNING, ToolStatus.TIMEOUT, Step.FORWARD),
        (ToolStatus.SUCCESS, ToolStatus.RUNNING, Step.LATE),
        (ToolStatus.ERROR, ToolStatus.SUCCESS, Step.REFUSED),
    ],
)
def test_what_a_status_means(before: RunStatus, told: RunStatus, means: Step) -> None:
    assert step(before, told) is means


@given(now=st.sampled_from(RunStatus), told=st.sampled_from(RunStatus), retries=st.integers(0, 3))
def test_only_what_ended_has_a_new_attempt_and_only_with_more_retries(
    now: RunStatus, told: RunStatus, retries: int
) -> None:
    found = step(now, told, retries=1, told_retries=retries)
    assert (found is Step.ATTEMPT) == (now in ENDED and retries > 1)


@given(told=st.lists(st.sampled_from([PENDING, RUNNING, COMPLETED]), min_size=1))
def test_in_any_order_and_however_often_it_comes_to_the_same(told: list[RunStatus]) -> None:
    """Messages of one run that overtake each other: the furthest status holds."""
    run = _pending()
    for status in told:
        run = lifecycle.changed(run, {"status": status}, now=NOW)
    furthest = max(told, key=[PENDING, RUNNING, COMPLETED].index)
    assert run.status == furthest
    again = lifecycle.changed(run, {"status": told[-1]}, now=NOW + timedelta(minutes=5))
    assert again == run


def _pending(**values: Any) -> Task:
    return replace(task(AGENT, took=None), **{"status": PENDING, "started_at": None} | values)


def test_times_are_completed() -> None:
    running = lifecycle.changed(_pending(), {"status": RUNNING}, now=NOW)
    assert (running.started_at, running.completed_at) == (NOW, None)
    done = lifecycle.changed(running, {"status": COMPLETED}, now=at(160))
    assert (done.started_at, done.completed_at) == (NOW, at(160))
    # Started by a clock that is ahead of ours.
    ahead = lifecycle.changed(_pending(started_at=at(170)), {"status": FAILED}, now=NOW)
    assert ahead.completed_at == at(170)


def test_a_new_attempt_forgets_how_the_one_before_ended() -> None:
    failed = lifecycle.changed(
        _pending(), {"status": FAILED, "error_message": "no", "error_type": "E", "output": 1}, now=NOW
    )
    assert (failed.error_message, failed.completed_at) == ("no", NOW)
    again = lifecycle.changed(failed, {"status": RUNNING, "retry_count": 1}, now=at(200))
    assert (again.status, again.retry_count) == (RUNNING, 1)
    assert (again.error_message, again.error_type, again.output, again.completed_at) == (None, None, None, None)
    done = lifecycle.changed(again, {"status": COMPLETED}, now=at(300))
    assert (done.status, done.completed_at, done.retry_count) == (COMPLETED, at(300), 1)
    # And what was told of the first attempt comes late.
    assert lifecycle.changed(done, {"status": RUNNING, "retry_count": 0}, now=at(400)) == done


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"status": RUNNING, "completed_at": at(5)}, "completed_at"),
        ({"status": COMPLETED, "started_at": at(5), "completed_at": at(4)}, "completed_at"),
        ({"completed_at": at(5)}, "completed_at"),
    ],
)
def test_impossible_times(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        lifecycle.changed(_pending(), changes, now=NOW)
    assert caught.value.path == path


def test_what_ended_stays_ended() -> None:
    done = lifecycle.changed(_pending(), {"status": COMPLETED}, now=NOW)
    with pytest.raises(Conflict, match="retry_count"):
        lifecycle.changed(done, {"status": FAILED}, now=NOW)
    with pytest.raises(InvalidInput, match="completed"):
        lifecycle.changed(done, {"completed_at": None}, now=NOW)
    with pytest.raises(Conflict):
        lifecycle.changed(tool(AGENT), {"status": ToolStatus.ERROR}, now=NOW)


def test_progress() -> None:
    run = execution(steps_total=3)
    assert lifecycle.changed(run, {"steps_completed": 3}, now=NOW).steps_completed == 3
    with pytest.raises(InvalidInput) as caught:
        lifecycle.changed(run, {"steps_completed": 4}, now=NOW)
    assert caught.value.path == "steps_completed"
    assert isinstance(run.id, UUID)
