"""Alerters of the simulated week: the real judge and the real messenger, and ways to break what they stand on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.message import Message, Reference
from alerts.core.vocabulary import ChannelKind
from alerts.deliver import Deliverer
from alerts.evaluate import Evaluator
from alerts.leases import LeaseLost
from alerts.meters import Meters
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import ChannelError, DatabaseDown
from monitor.series.postgres import PostgresSeriesStore
from tests.simulation.fleet import STEP, Manner

PUBLIC_URL = "https://monitor.example"
_SECOND = timedelta(seconds=1)
_SENDS_AT_MOST = 60

Take = Callable[[ChannelKind, str, Message, bool], None]
"""What becomes of a message that a channel took; whether its sender died of it."""


@dataclass(slots=True)
class Trouble:
    """What is broken now: the history store, channels that refuse, and how an alerter is to die."""

    history: bool = False
    refusing: frozenset[ChannelKind] = frozenset()
    death: Manner | None = None


class BreakableDoor(Database):
    """The history store's own way to the database: closed when it is said to be, and whoever uses it may die there."""

    def __init__(self, db: Database, trouble: Trouble) -> None:
        self._engines = db._engines
        self._trouble = trouble

    @contextlib.asynccontextmanager
    async def alerter(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, if it can be had."""
        if self._trouble.death is Manner.READING:
            raise asyncio.CancelledError
        if self._trouble.history:
            raise DatabaseDown("away")
        async with super().alerter() as connection:
            yield connection


class Receiver:
    """Where messages of one kind arrive."""

    def __init__(self, kind: ChannelKind, trouble: Trouble, take: Take) -> None:
        self.kind = kind
        self._trouble = trouble
        self._take = take

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """Take a message or refuse it. Who dies here has sent it, and nobody knows."""
        if self.kind in self._trouble.refusing:
            raise ChannelError("refused", retry_after=30 if self.kind is ChannelKind.SLACK else None)
        dies = self._trouble.death is Manner.SENDING
        self._take(self.kind, target, message, dies)
        if dies:
            raise asyncio.CancelledError
        return previous or {"first": str(message.notification_id)}

    async def close(self) -> None:
        """Nothing to let go of."""


class Even(Random):
    """Chance that is the same for all that ask at one time, whatever their order."""

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed)
        self._seed = seed
        self._clock = clock
        self._start = clock()

    def random(self) -> float:
        """Between 0 and 1."""
        return Random(f"{self._seed} {self._clock() - self._start}").random()


class Alerter:
    """One process' worth: it judges and sends until it is killed."""

    def __init__(self, db: Database, holder: str, *, clock: Clock, seed: int, take: Take) -> None:
        self.trouble = Trouble()
        meters = Meters(CollectorRegistry())
        store = PostgresSeriesStore(BreakableDoor(db, self.trouble))
        self._evaluator = Evaluator(db, store, holder=holder, interval=STEP, public_url=PUBLIC_URL, meters=meters)
        kinds = (ChannelKind.EMAIL, ChannelKind.SLACK, ChannelKind.WEBHOOK)
        self._deliverer = Deliverer(
            db,
            {kind: Receiver(kind, self.trouble, take) for kind in kinds},
            holder=holder,
            clock=clock,
            rng=Even(seed, clock),
            public_url=PUBLIC_URL,
            meters=meters,
        )

    async def judge(self, now: datetime) -> bool:
        """One pass, and more while more is due. False: it died of it, or there was no database."""
        try:
            while (await self._evaluator.run_once(now)).more:
                pass
        except (DatabaseDown, LeaseLost, asyncio.CancelledError):
            return False
        return True

    async def send(self, now: datetime) -> None:
        """Send what is due; a channel of Slack takes one message a second."""
        others = asyncio.all_tasks()
        try:
            for second in range(_SENDS_AT_MOST):
                if not await self._deliverer.run_once(now + second * _SECOND):
                    return
        except (DatabaseDown, asyncio.CancelledError):
            left = asyncio.all_tasks() - others
            if left:
                await asyncio.wait(left)
