"""A `logging.Handler` that reports log lines."""

import logging
from datetime import UTC, datetime

from monitor.sdk.reporter import Reporter
from monitor.sdk.surroundings import log, sending

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TRACEBACK = 16_000


class MonitorHandler(logging.Handler):
    """Sends records as log lines: they are searchable and can alert, but never count as executions."""

    def __init__(self, monitor: Reporter, level: int = logging.NOTSET) -> None:
        """Use one handler per client; `level` as for any handler."""
        super().__init__(level)
        self._monitor = monitor
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record. The client's own records, and httpx's while it sends, are left out."""
        if sending.get() or record.name == log.name:
            return
        with self._monitor.shield:
            details: dict[str, object] = {
                "logger": record.name,
                "file": f"{record.pathname}:{record.lineno}",
                "thread": record.threadName,
            }
            details |= {name: value for name, value in vars(record).items() if name not in _KNOWN}
            if record.exc_info and record.exc_info[1] is not None:
                details["traceback"] = self._formatter.formatException(record.exc_info)[-_TRACEBACK:]
            error, warning = record.levelno >= logging.ERROR, record.levelno >= logging.WARNING
            self._monitor.log(
                _message(record),
                kind="line",
                level=record.levelname.lower(),
                status="error" if error else "warning" if warning else "success",
                details=details,
                completed_at=datetime.fromtimestamp(record.created, UTC),
            )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit the format: say what there is
        return f"{record.msg} {record.args!r}"
