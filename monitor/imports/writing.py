"""How a batch is written: by statements of a connection, or by a pipeline, as logs and points are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Writing:
    """One of the two, and neither where nothing of a batch is kept."""

    rows: Callable[[AsyncConnection], Awaitable[None]] | None = None
    piped: Callable[[Pipeline], Awaitable[None]] | None = None
