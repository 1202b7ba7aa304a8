"""One piece of an agent's work: timed, and reported when it ends."""

import time
import traceback
from collections.abc import Mapping
from contextvars import ContextVar, Token
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import uuid4

from monitor.sdk import values
from monitor.sdk.surroundings import now

if TYPE_CHECKING:
    from monitor.sdk.reporter import Reporter

_TRACEBACK = 16_000
_TYPE = 200
_current: ContextVar["Run | None"] = ContextVar("agent_monitor_run", default=None)


class Run:
    """Enter it, work, leave it. An exception is reported as the error of the run, and goes on its way."""

    def __init__(
        self, reporter: "Reporter", name: str, *, task_type: str | None, details: Mapping[str, object]
    ) -> None:
        """`details` are kept with the log and the task."""
        self.id = str(uuid4())
        """The task's, for `parent_task` of tasks that others report."""
        self._reporter = reporter
        self._name = name
        self._task_type = task_type
        self._details: dict[str, object] = {"run": name, "task_type": task_type, **details}
        self._tokens: dict[str | None, dict[str, int]] = {}
        self._parent: str | None = None
        self._entered: Token[Run | None] | None = None
        self._started_at: datetime | None = None
        self._started = 0.0

    def metric(self, name: str, value: float, **tags: object) -> None:
        """One value measured in this run, tagged with its task type."""
        with self._reporter.shield:
            known = {"task_type": self._task_type} if self._task_type else {}
            self._reporter.metric(name, value, **{**known, **tags})  # type: ignore[arg-type]  # all are tags

    def tokens(self, *, input: int = 0, output: int = 0, model: str | None = None) -> None:  # noqa: A002
        """Tokens of one call of a model: metrics tokens_input and tokens_output, and sums in the log and the task.

        The tokens of the first model are the task's own, those of others make a subtask for each.
        """
        with self._reporter.shield:
            tags = {"model": model} if model else {}
            sums = self._tokens.setdefault(model or None, {"input": 0, "output": 0})
            for kind, count in (("input", input), ("output", output)):
                self._reporter.metric(f"tokens_{kind}", count, unit="tokens", kind="delta", timestamp=None, **tags)
                sums[kind] += int(count)

    def detail(self, **values: object) -> None:
        """Keep more with the log and the task."""
        with self._reporter.shield:
            self._details.update(values)

    def __enter__(self) -> "Run":
        """Start the clock."""
        outer = _current.get()
        self._parent = None if outer is None else outer.id
        self._entered = _current.set(self)
        self._started_at, self._started = now(), time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Report; the exception, if any, propagates."""
        with self._reporter.shield:
            self._report(error)
        if self._entered is not None and _current.get() is self:
            entered, self._entered = self._entered, None
            try:
                _current.reset(entered)
            except ValueError:  # a generator may end in another context than it began in
                _current.set(None)

    async def __aenter__(self) -> "Run":
        """As `__enter__`."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """As `__exit__`."""
        self.__exit__(kind, error, at)

    def _report(self, error: BaseException | None) -> None:
        seconds = time.perf_counter() - self._started
        started_at = self._started_at or now()
        # Not a second reading of the wall clock: it may have been set back in between.
        times = {"started_at": started_at, "completed_at": started_at + timedelta(seconds=seconds)}
        failed = error is not None and not (isinstance(error, SystemExit) and not error.code)
        fault = error if failed else None
        details = {name: value for name, value in self._details.items() if value is not None}
        self._report_log(details, times, fault, milliseconds=round(seconds * 1000, 3))
        self._report_tasks(details, times, fault)

    def _report_log(
        self,
        details: Mapping[str, object],
        times: Mapping[str, datetime],
        fault: BaseException | None,
        *,
        milliseconds: float,
    ) -> None:
        more: dict[str, object] = {"task_id": self.id}
        sums = {kind: sum(each[kind] for each in self._tokens.values()) for kind in ("input", "output")}
        models = [model for model in self._tokens if model]
        if any(sums.values()):
            more["tokens"] = sums
        if models:
            more["model"] = models[0] if len(models) == 1 else models
        message = self._name
        if fault is not None:
            more["traceback"] = _lines(fault)
            message = f"{self._name}: {type(fault).__name__}: {fault}"
        status = "success" if fault is None else "error"
        self._reporter.log(
            message,
            status=status,
            details={**details, **more},
            started_at=times["started_at"],
            completed_at=times["completed_at"],
            duration=milliseconds,
            # The collector makes an execution of every task that is no subtask, by the task's id: this one.
            id=self.id,
        )

    def _report_tasks(
        self, details: Mapping[str, object], times: Mapping[str, datetime], fault: BaseException | None
    ) -> None:
        own = {name: value for name, value in details.items() if name not in ("run", "task_type")}
        row: dict[str, object] = {
            "id": self.id,
            "task_type": values.cut(self._task_type or self._name, _TYPE) or "run",
            "description": self._name,
            "status": "completed" if fault is None else "failed",
            "parent_task": self._parent,
            "metadata": own or None,
            **times,
        }
        if fault is not None:
            row |= {
                "error_type": type(fault).__name__,
                "error_message": values.cut(str(fault)),
                "traceback": _lines(fault),
            }
        models = list(self._tokens.items())
        self._reporter.task({**row, **(_usage(*models[0]) if models else {})})
        for number, (model, sums) in enumerate(models[1:], 1):
            made = {"id": f"{self.id}-{number}", "parent_task": self.id, "task_type": "model_calls"}
            self._reporter.task({**made, "status": "completed", **times, **_usage(model, sums)})


def _usage(model: str | None, sums: Mapping[str, int]) -> dict[str, object]:
    return {"model": model, "input_tokens": sums["input"], "output_tokens": sums["output"]}


def _lines(fault: BaseException) -> str:
    return "".join(traceback.format_exception(fault))[-_TRACEBACK:]
