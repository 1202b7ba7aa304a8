"""The values of a fleet of agents with ten metrics each, one in a hundred beyond its threshold, others all the time: as
bodies of points, and as a page for Prometheus."""

import itertools
import json
import time

import numpy as np
from aiohttp import web

METRICS = 10
THRESHOLD = 50
CYCLE = 10.0
"""Seconds in which every series gets one point."""
_LASTS = 10
_OF = 1000
"""A series is beyond its threshold for 10 cycles of 1,000."""
_PRIME = 7919
"""Those that begin together are not neighbours."""


class Values:
    """What the series of `agents` agents are at a time. Series number `10 * agent + metric`."""

    def __init__(self, agents: int) -> None:
        self.names = [f"agent-{number:05d}" for number in range(agents)]
        self._series = np.arange(agents * METRICS)
        self._started = time.monotonic()

    @property
    def cycle(self) -> int:
        """Which it is now."""
        return int((time.monotonic() - self._started) / CYCLE)

    def of(self, cycle: int) -> list[float]:
        """The value of each series."""
        quiet = (self._series * 37 + cycle * 17) % 100 / 10
        beyond = (self._series * _PRIME + cycle) % _OF < _LASTS
        values: list[float] = (quiet + 2 * THRESHOLD * beyond).tolist()
        return values


class Bodies:
    """Requests with the points of a hundredth of the agents each: a hundred of them are a cycle."""

    COUNT = 100

    def __init__(self, values: Values) -> None:
        self._values = values
        self._agents = len(values.names) // self.COUNT
        self._numbers = itertools.count()
        self._now: list[float] = []
        self.points = self._agents * METRICS
        """Of one request."""

    def body(self) -> bytes:
        """The next one."""
        cycle, place = divmod(next(self._numbers), self.COUNT)
        if place == 0:
            self._now = self._values.of(cycle)
        rows = []
        for agent in range(place * self._agents, (place + 1) * self._agents):
            values = self._now[agent * METRICS : (agent + 1) * METRICS]
            metrics = {f"m{number}": value for number, value in enumerate(values)}
            rows.append({"agent": self._values.names[agent], "metrics": metrics, "timestamp": time.time()})
        return json.dumps(rows).encode()


class Page:
    """The same for Prometheus to read, as an exporter of them all would serve it."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._heads = [[f'm{number}{{agent="{name}"}} ' for name in values.names] for number in range(METRICS)]

    async def answer(self, _request: web.Request) -> web.Response:
        """All series as they are now."""
        now = self._values.of(self._values.cycle)
        lines = [
            f"{head}{value}"
            for number, heads in enumerate(self._heads)
            for head, value in zip(heads, now[number::METRICS], strict=True)
        ]
        return web.Response(text="\n".join([*lines, ""]))
