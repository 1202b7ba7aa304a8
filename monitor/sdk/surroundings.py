"""What the client takes from the process it runs in: environment, wall clock, its logger, its own mistakes."""

import logging
import os
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

log = logging.getLogger("agent_monitor.sdk")

sending: ContextVar[bool] = ContextVar("agent_monitor_sending", default=False)
"""True inside the sender: what httpx logs there must not become rows, which would be sent, and logged, for ever."""


def setting(name: str, given: str | None) -> str:
    """An argument, else the environment's AGENT_MONITOR_<name>, else empty."""
    return given if given is not None else os.environ.get(f"AGENT_MONITOR_{name}", "")


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


class Shield:
    """A context that lets no error out into the monitored program: an agent must not fail for its monitoring.

    This is the client's one broad catch: values come from foreign code, whose `__str__` may do anything.
    """

    def __init__(self) -> None:
        """Reports the first error only."""
        self._reported = False

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        """Swallow errors, not exits or interrupts."""
        if kind is None or not issubclass(kind, Exception):
            return False
        if not self._reported:
            self._reported = True
            log.warning("a value could not be reported and was left out (said once)", exc_info=error)
        return True
