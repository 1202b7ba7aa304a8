"""What programs call, the same for `Monitor` and `AsyncMonitor`: it queues, and returns at once."""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from monitor.sdk import telemetry, values
from monitor.sdk.engine import Engine, Limits
from monitor.sdk.run import Run
from monitor.sdk.surroundings import Shield, log, now, setting
from monitor.sdk.wire import Route


class Reporter(ABC):
    """Queues logs, metrics and heartbeats. No method blocks, and none raises, whatever it is given."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        agent: str | None = None,
        limits: Limits | None = None,
        timeout: float = 10.0,
    ) -> None:
        """`url`, `key` and `agent` default to AGENT_MONITOR_URL, AGENT_MONITOR_API_KEY, AGENT_MONITOR_AGENT.

        Without a usable URL and key nothing is sent, and one warning says so: an agent must run unmonitored, too.
        `timeout` is for one request, in seconds.
        """
        self.shield = Shield()
        self.agent = setting("AGENT", agent)
        self._url = setting("URL", url).rstrip("/")
        self._key = setting("API_KEY", key)
        self._timeout = timeout
        self._limits = limits or Limits()
        self._engine = self._new_engine()
        self._open = self._usable()
        self._telemetry: telemetry.Telemetry | None = None

    @property
    def dropped(self) -> int:
        """Rows given up: the queue was full, or the collector refused their whole batch."""
        return self._engine.dropped

    @property
    def rejected(self) -> int:
        """Rows that the collector named as wrong, and those that could not be sent at all."""
        return self._engine.rejected

    def log(
        self,
        message: str = "",
        *,
        status: str = "success",
        kind: str = "execution",
        level: str | None = None,
        details: Mapping[str, object] | None = None,
        started_at: datetime | None = None,
        completed_at: datetime | None = None,
        duration: float | None = None,
        agent: str | None = None,
        id: str | None = None,  # noqa: A002 - as the row has it
    ) -> None:
        """Report one execution (which counts for status, failure and rate rules) or, `kind="line"`, a log line.

        `status` is success, error or warning; `duration` is in milliseconds; `completed_at` defaults to now. Logs
        of the same `id` and time are one.
        """
        with self.shield:
            row = {
                "agent": agent or self.agent,
                "kind": kind,
                "status": status,
                "level": level,
                "message": values.cut(str(message)),
                "details": details or None,
                "started_at": started_at,
                "completed_at": completed_at or now(),
                "duration": duration,
                "id": id,
            }
            self._queue(Route.LOGS, row)

    def metric(
        self,
        name: str,
        value: float,
        *,
        unit: str | None = None,
        kind: str | None = None,
        timestamp: datetime | None = None,
        agent: str | None = None,
        **tags: object,
    ) -> None:
        """Report one value of a metric; `kind` is gauge (default), counter or delta."""
        with self.shield:
            number = values.finite(value)
            if number is None:
                self._refuse(f"metric {name!r}: {value!r} is not a finite number")
                return
            row = {
                "agent": agent or self.agent,
                "metric": name,
                "value": number,
                "unit": unit,
                "kind": kind,
                "timestamp": timestamp or now(),
                "tags": values.tags(tags) or None,
            }
            self._queue(Route.METRICS, row)

    def heartbeat(
        self, status: str = "active", *, metrics: Mapping[str, float] | None = None, agent: str | None = None
    ) -> None:
        """Say that the agent is alive."""
        with self.shield:
            self._queue(Route.HEARTBEATS, self._beat(status, agent, metrics))

    def start_heartbeats(self, interval: float = 30.0, *, status: str = "active") -> None:
        """Send a heartbeat now and every `interval` seconds until `close`; a forked process starts its own."""
        with self.shield:
            if not self._open or not self.agent:
                self._refuse("heartbeats need an agent's name")
                return
            every = max(0.05, interval)
            # The collector is told when to expect the next: a dead agent is missed from the first one on.
            row = values.encode({**self._beat(status, None, None), "interval": every})
            self._engine.beat(every, lambda: row, time.monotonic())
            self._wake()

    def run(self, name: str, *, task_type: str | None = None, **details: object) -> Run:
        """A piece of work, as a context (`with` or `async with`): an execution log and a task; an exception fails it.

        A run inside another one is a subtask of it, in the same thread or asyncio task and those that it starts.
        """
        return Run(self, name, task_type=task_type, details=details)

    def task(self, row: Mapping[str, object]) -> None:
        """Report one task, with the fields of POST /api/v1/tasks; by its `id` it is one, however often it is sent."""
        with self.shield:
            self._queue(Route.TASKS, {"agent": self.agent, **row})

    def instrument(self) -> tuple[str, ...]:
        """Send what OpenTelemetry sees in this process to the collector: traces, metrics and log records.

        Starts the instrumentations of models that are installed (OpenTelemetry's, OpenLLMetry's, OpenInference's), one
        for each library, and returns their names. Needs `pip install 'agent-monitor[otel]'`; a warning says so where
        it is missing. What waits is sent at the end of the program, and by `flush` and `close`.
        """
        with self.shield:
            if self._open and self._telemetry is None:
                self._telemetry = telemetry.instrument(self._url, self._key, self.agent)
        return () if self._telemetry is None else self._telemetry.instrumented

    def _flush_telemetry(self, seconds: float) -> bool:
        with self.shield:
            return self._telemetry is None or self._telemetry.flush(max(0.1, seconds))
        return False

    @abstractmethod
    def _wake(self) -> None:
        """Make the sender look at the queue, and start it if it does not run. From any thread."""

    def _new_engine(self) -> Engine:
        return Engine(self._limits, jitter=random.random)

    def _beat(self, status: str, agent: str | None, metrics: Mapping[str, float] | None) -> dict[str, object]:
        known = {name: values.finite(value) for name, value in (metrics or {}).items()}
        given = {name: value for name, value in known.items() if value is not None}
        return {"agent": agent or self.agent, "status": status, "metrics": given or None}

    def _queue(self, route: Route, row: Mapping[str, object]) -> None:
        if not self._open:
            return
        if not row["agent"]:
            self._refuse("a row names no agent: give Monitor(agent=…) or AGENT_MONITOR_AGENT")
        elif self._engine.put(route, values.encode(row), time.monotonic()):
            self._wake()

    def _refuse(self, why: str) -> None:
        self._engine.refuse(why)

    def _usable(self) -> bool:
        try:
            web = urlsplit(self._url).scheme in ("http", "https")
            host = httpx.URL(self._url).host if web else ""
        except (httpx.InvalidURL, ValueError):
            host = ""
        wrong = [] if host else ["AGENT_MONITOR_URL"]
        if not self._key or not self._key.isascii() or not self._key.isprintable():
            wrong.append("AGENT_MONITOR_API_KEY")
        if wrong:
            log.warning("nothing will be reported: %s missing or unusable", " and ".join(wrong))
        return not wrong
