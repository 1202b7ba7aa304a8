"""One piece of an agent's work: timed, and reported when it ends."""

import time
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from monitor.sdk.surroundings import now

if TYPE_CHECKING:
    from monitor.sdk.reporter import Reporter

_TRACEBACK = 16_000


class Run:
    """Enter it, work, leave it. An exception is reported as the error of the run, and goes on its way."""

    def __init__(
        self, reporter: "Reporter", name: str, *, task_type: str | None, details: Mapping[str, object]
    ) -> None:
        """`details` are kept with the log."""
        self._reporter = reporter
        self._name = name
        self._details: dict[str, object] = {"run": name, "task_type": task_type, **details}
        self._tokens = {"input": 0, "output": 0}
        self._models: list[str] = []
        self._started_at: datetime | None = None
        self._started = 0.0

    def metric(self, name: str, value: float, **tags: object) -> None:
        """One value measured in this run, tagged with its task type."""
        with self._reporter.shield:
            known = {"task_type": self._details["task_type"]} if self._details["task_type"] else {}
            self._reporter.metric(name, value, **{**known, **tags})  # type: ignore[arg-type]  # all are tags

    def tokens(self, *, input: int = 0, output: int = 0, model: str | None = None) -> None:  # noqa: A002
        """Tokens of one call of a model: metrics tokens_input and tokens_output, and sums in the log."""
        with self._reporter.shield:
            tags = {"model": model} if model else {}
            for kind, count in (("input", input), ("output", output)):
                self._reporter.metric(f"tokens_{kind}", count, unit="tokens", kind="delta", timestamp=None, **tags)
                self._tokens[kind] += int(count)
            if model and model not in self._models:
                self._models.append(model)

    def detail(self, **values: object) -> None:
        """Keep more with the log."""
        with self._reporter.shield:
            self._details.update(values)

    def __enter__(self) -> "Run":
        """Start the clock."""
        self._started_at, self._started = now(), time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Report; the exception, if any, propagates."""
        with self._reporter.shield:
            self._report(error)

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
        details = dict(self._details)
        if any(self._tokens.values()):
            details["tokens"] = dict(self._tokens)
        if self._models:
            details["model"] = self._models[0] if len(self._models) == 1 else list(self._models)
        failed = error is not None and not (isinstance(error, SystemExit) and not error.code)
        message = self._name
        if failed and error is not None:
            details["traceback"] = "".join(traceback.format_exception(error))[-_TRACEBACK:]
            message = f"{self._name}: {type(error).__name__}: {error}"
        self._reporter.log(
            message,
            status="error" if failed else "success",
            details={name: value for name, value in details.items() if value is not None},
            started_at=started_at,
            # Not a second reading of the wall clock: it may have been set back in between.
            completed_at=started_at + timedelta(seconds=seconds),
            duration=round(seconds * 1000, 3),
        )
