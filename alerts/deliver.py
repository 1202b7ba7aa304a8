"""Delivery: claim what is due to be sent, send it, mark it. A crash in between sends again, never not at all."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import structlog
from sqlalchemy import text

from alerts.channels.base import Channels
from alerts.claiming import Claimed, Rests, claim
from alerts.core.backoff import DEFAULT_BACKOFF, Backoff, retry_at
from alerts.core.message import Message, Reference
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.meters import Meters
from alerts.undeliverable import bury, works_again
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import ChannelError, Unavailable
from monitor.sealing import TARGETS, Ring

_log = structlog.get_logger(__name__)

SEND_AT_MOST = 60.0
"""Seconds for one message, well inside the claim: after that, another process may send it."""

_WITHHOLD = text("""
    UPDATE notifications SET status = 'withheld', claimed_by = NULL, claimed_until = NULL,
        last_error = 'nobody heard that it fired'
    WHERE tenant_id = :tenant_id AND id = :id AND claimed_by = :holder AND attempts = :attempts
""")
_SENT = text("""
    UPDATE notifications SET status = 'sent', sent_at = :now, claimed_by = NULL, claimed_until = NULL, last_error = NULL
    WHERE tenant_id = :tenant_id AND id = :id AND claimed_by = :holder AND attempts = :attempts
""")
_REFERENCE = text("""
    UPDATE notification_groups SET reference = CAST(:reference AS jsonb) WHERE tenant_id = :tenant_id AND id = :group_id
""")
_RETRY = text("""
    UPDATE notifications SET status = 'pending', next_attempt_at = :at, last_error = :error, claimed_by = NULL,
        claimed_until = NULL
    WHERE tenant_id = :tenant_id AND id = :id AND claimed_by = :holder AND attempts = :attempts
""")
_OLDEST = text("SELECT min(created_at) FROM notifications WHERE status IN ('pending', 'sending')")


@dataclass(slots=True)
class _Attempt:
    """How one attempt to send went."""

    reference: Reference | None = None
    error: ChannelError | None = None


_Sent = tuple[Claimed, Reference | None, datetime]
"""What was sent and is not marked yet, and when it went out."""


class Deliverer:
    """Sends what the outbox holds. Any number may run against one database."""

    def __init__(
        self,
        db: Database,
        channels: Channels,
        *,
        holder: str,
        clock: Clock,
        rng: Random,
        public_url: str,
        meters: Meters,
        backoff: Backoff = DEFAULT_BACKOFF,
        ring: Ring | None = None,
    ) -> None:
        """`holder` names this process in its claims; `clock` says when a message went out; `rng` spreads retries;
        `ring` opens the secrets of targets, which are sealed up to here."""
        self._db = db
        self._channels = channels
        self._holder = holder
        self._clock = clock
        self._rng = rng
        self._public_url = public_url
        self._meters = meters
        self._backoff = backoff
        self._ring = Ring(()) if ring is None else ring
        self._sent: list[_Sent] = []
        self._rests = Rests()

    @property
    def kinds(self) -> tuple[ChannelKind, ...]:
        """The kinds of channels that this process can send through."""
        return tuple(self._channels)

    async def run_once(self, now: datetime, kind: ChannelKind | None = None) -> int:
        """Claim and send once, one kind or all of them side by side; returns how many were claimed."""
        if kind is not None:
            return await self._run_kind(now, kind)
        return sum(await asyncio.gather(*(self._run_kind(now, each) for each in self._channels)))

    async def measure(self, now: datetime) -> None:
        """Set the gauge of the oldest notification that is still to be sent."""
        async with self._db.alerter() as connection:
            oldest: datetime | None = (await connection.execute(_OLDEST)).scalar()
        self._meters.oldest_unsent.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))

    async def _run_kind(self, now: datetime, kind: ChannelKind) -> int:
        for sent in [each for each in self._sent if each[0].target.kind is kind]:
            await self._mark(sent)
        claimed = await self._claim(now, kind)
        await asyncio.gather(*(self._handle(one) for one in claimed))
        return len(claimed)

    async def _claim(self, now: datetime, kind: ChannelKind) -> list[Claimed]:
        async with self._db.alerter() as connection:
            return await claim(connection, kind, self._rests, holder=self._holder, now=now)

    async def _handle(self, one: Claimed) -> None:
        try:
            if one.message.reason in (Reason.RESOLVED, Reason.RESPONDED) and one.unheard:
                await self._finish(one, _WITHHOLD)
                self._count(one, "withheld")
                return
            with self._guard(one) as attempt:
                if one.bounced is not None and one.message.reason is not Reason.TEST:
                    raise ChannelError(f"mail to it bounced: {one.bounced}", permanent=True)
                async with asyncio.timeout(SEND_AT_MOST):
                    attempt.reference = await self._channels[one.target.kind].send(
                        one.target.address, self._opened(one), one.previous
                    )
            if attempt.error is not None:
                await self._put_off(one, attempt.error)
            else:
                sent = (one, attempt.reference, self._clock())
                self._sent.append(sent)
                await self._mark(sent)
        except Unavailable as error:
            # What was sent is marked when the database is back; what was not is claimed again.
            _log.warning("delivery waits for the database", error=error.message)

    def _opened(self, one: Claimed) -> Message:
        """The message with the secret of its target as it was told. Raises ChannelError without the key for it."""
        try:
            # Of an address that an earlier release stored uncovered, only what signs is sealed: the second line.
            lines = [
                self._ring.reveal(line, tenant_id=one.tenant_id, place=TARGETS) or ""
                for line in (one.message.secret or "").split("\n")
            ]
        except Unavailable as error:
            raise ChannelError(error.message) from None
        return replace(one.message, secret="\n".join(lines) or None)

    async def _mark(self, sent: _Sent) -> None:
        """Mark what was sent. Where the database is away just then, it is remembered and not sent again."""
        one, reference, at = sent
        async with self._db.alerter() as connection:
            await connection.execute(_SENT, self._given(one) | {"now": at})
            if reference:
                given = {"tenant_id": one.tenant_id, "group_id": one.group_id}
                await connection.execute(_REFERENCE, given | {"reference": json.dumps(dict(reference))})
            await works_again(connection, slug=one.tenant_slug, target=one.target, now=at, public_url=self._public_url)
        self._sent.remove(sent)
        self._count(one, "sent")

    async def _put_off(self, one: Claimed, error: ChannelError) -> None:
        now = self._clock()
        wait = None if error.retry_after is None else timedelta(seconds=error.retry_after)
        if wait is not None:
            # Whoever asks for time gets nothing else in it either.
            self._rests.rest(one.target, now + wait)
        at = None if error.permanent else self._retry_at(one, now, wait)
        _log.warning(
            "a notification was not sent", channel=str(one.target.kind), attempts=one.attempts, error=error.message
        )
        if at is not None:
            await self._finish(one, _RETRY, at=at, error=error.message)
            self._count(one, "retried")
            return
        async with self._db.alerter() as connection:
            await bury(
                connection,
                tenant=(one.tenant_id, one.tenant_slug),
                notification_id=one.id,
                attempts=one.attempts,
                holder=self._holder,
                error=error.message,
                now=now,
                public_url=self._public_url,
                bounced=error.bounced,
            )
        self._count(one, "dead")

    def _retry_at(self, one: Claimed, now: datetime, wait: timedelta | None) -> datetime | None:
        return retry_at(
            one.attempts,
            now=now,
            first_at=one.first_attempt_at,
            rng=self._rng,
            retry_after=wait,
            backoff=self._backoff,
        )

    async def _finish(self, one: Claimed, statement: Any, **more: Any) -> None:
        async with self._db.alerter() as connection:
            await connection.execute(statement, self._given(one) | more)

    def _given(self, one: Claimed) -> dict[str, Any]:
        """What a mark is fenced by: a claim that expired and was taken again has more attempts."""
        return {"tenant_id": one.tenant_id, "id": one.id, "holder": self._holder, "attempts": one.attempts}

    def _count(self, one: Claimed, outcome: str) -> None:
        self._meters.deliveries.labels(str(one.target.kind), outcome).inc()

    @contextmanager
    def _guard(self, one: Claimed) -> Iterator[_Attempt]:
        """One notification's fault stays its own: it is tried again later, and the others go out."""
        attempt = _Attempt()
        try:
            yield attempt
        except ChannelError as error:
            attempt.error = error
        except TimeoutError:
            attempt.error = ChannelError(f"not sent within {SEND_AT_MOST:.0f} s")
        except Exception as error:  # noqa: BLE001 - one of the three places: whatever it is, the others go out
            _log.exception("sending failed", notification=str(one.id))
            attempt.error = ChannelError(f"{type(error).__name__}: {error}")
