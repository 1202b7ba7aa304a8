"""A heartbeat to another monitor: it goes out after whole, successful passes only, so that its silence means us."""

from datetime import datetime

import structlog

from alerts import system
from monitor.db import Database
from monitor.http.outbound import FAILURES, Allowed, Outbound

_log = structlog.get_logger(__name__)

FAILED_AT_MOST = 3
_SECONDS = 10.0


class Pulse:
    """One for each alerter. Its own failures are an alert as well, as long as there is somebody to tell."""

    def __init__(self, db: Database, url: str, *, allowed: Allowed, public_url: str) -> None:
        """`url` is called by POST with an empty object."""
        self._db = db
        self._url = url
        self._public_url = public_url
        self._out = Outbound(allowed, seconds=_SECONDS)
        self._ticked = False
        self._failed = 0
        # The last alerter may have left an alert open.
        self._said = True

    def ticked(self) -> None:
        """A pass over the rules has ended well."""
        self._ticked = True

    async def run_once(self, now: datetime) -> bool:
        """Call the other monitor if a pass has ended well since the last call; returns whether it answered 2xx."""
        if not self._ticked:
            return False
        error = await self._call(now)
        if error is None:
            # What failed to get out is owed until it does.
            self._ticked, self._failed = False, 0
        else:
            self._failed += 1
            _log.warning("the other monitor was not reached", error=error)
        if self._failed >= FAILED_AT_MOST or (self._said and error is None):
            await self._report(now, error)
        return error is None

    async def close(self) -> None:
        """Close idle connections."""
        await self._out.close()

    async def _call(self, now: datetime) -> str | None:
        try:
            answer = await self._out.post(self._url, b"{}", headers={}, secret=None, at=now)
        except FAILURES as fault:
            return f"{type(fault).__name__}: {fault}"
        return None if answer.ok else f"it answered {answer.status}"

    async def _report(self, now: datetime, error: str | None) -> None:
        async with self._db.alerter() as connection:
            await system.report(
                connection,
                system.SystemFault.PULSE_LOST,
                active=error is not None,
                detail=f"the heartbeat to the other monitor does not get out: {error}",
                tenants=(),
                now=now,
                public_url=self._public_url,
            )
        self._said = error is not None
