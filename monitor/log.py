"""Structured logs: one line an event, JSON for machines or key=value for people."""

import logging
import sys
import traceback
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

FILE_BYTES = 10 << 20
MESSAGE_LENGTH = 500
SECRET_WORDS = ("authorization", "password", "secret", "token", "api_key", "cookie")


def _redact(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in event:
        if any(word in name.lower() for word in SECRET_WORDS):
            event[name] = "[redacted]"
    return event


def said(error: BaseException) -> str:
    """An error with its traceback and its causes, without the values that it came about with.

    Only the first line of a message is told: what follows, and all of what PostgreSQL says of a value that it could not
    read, quotes rows, statements' parameters or bodies.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = "" if cause is None else f"{said(cause)}\n\nThat led to:\n\n"
    message = str(error).partition("\n")[0][:MESSAGE_LENGTH]
    if str(getattr(getattr(error, "orig", error), "sqlstate", None) or "").startswith("22"):
        message = "a value that PostgreSQL does not take"
    lines = "".join(traceback.format_tb(error.__traceback__))
    return f"{before}Traceback (most recent call last):\n{lines}{type(error).__qualname__}: {message}"


def _formatted(exc_info: structlog.typing.ExcInfo) -> str:
    return said(exc_info[1])


def configure(*, level: str, as_json: bool, file: Path | None = None) -> None:
    """Send every log of the process, the libraries' included, to standard error in one shape.

    With `file` everything goes there, and only warnings and worse to standard error.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(_formatter(shared, as_json=as_json, colors=sys.stderr.isatty()))
    if file is not None:
        handlers[0].setLevel(logging.WARNING)
        handlers.append(RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=3, encoding="utf-8"))
        handlers[1].setFormatter(_formatter(shared, as_json=as_json, colors=False))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    for noisy in (
        "httpx",
        "httpcore",
        "alembic",
        "apscheduler.executors.default",
        "uvicorn.access",
        "uvicorn.error",
        "urllib3",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It names topics and addresses that are secrets; what matters of it is told by our own errors.
    logging.getLogger("apprise").propagate = False
    # It warns of every run that finds the one before still at work; the alerter counts them in /metrics.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _formatter(
    shared: Sequence[structlog.typing.Processor], *, as_json: bool, colors: bool
) -> structlog.stdlib.ProcessorFormatter:
    """Our own events and the libraries' alike: secrets taken out, exceptions with their traceback."""
    last: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if not as_json:
        last = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _redact,
            structlog.processors.ExceptionRenderer(_formatted),
            last,
        ],
    )
