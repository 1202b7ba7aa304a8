"""Points of named series, as tests and benches write them, and their columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

import numpy as np

from monitor.series.store import Columns, SeriesName


class Point(NamedTuple):
    """One value. `at_us` is microseconds since the epoch."""

    series: SeriesName
    at_us: int
    value: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A point that the store will not take: its index among the points given, and why."""

    index: int
    error: str


class Resolver(Protocol):
    """A catalogue, or a store with one."""

    async def resolve(self, tenant_id: UUID, names: Sequence[SeriesName]) -> list[int | str]:
        """The id of each name's series, or why there is none."""
        ...


async def columns_of(resolver: Resolver, tenant_id: UUID, points: Sequence[Point]) -> tuple[Columns, list[Refused]]:
    """Points with their series found or made, and those that are refused."""
    names = dict.fromkeys(point.series for point in points)
    ids = dict(zip(names, await resolver.resolve(tenant_id, list(names)), strict=True))
    kept: list[tuple[int, int, float]] = []
    refused: list[Refused] = []
    for index, point in enumerate(points):
        found = ids[point.series]
        if isinstance(found, str):
            refused.append(Refused(index, found))
        else:
            kept.append((found, point.at_us, point.value))
    series, at, values = zip(*kept, strict=True) if kept else ((), (), ())
    return Columns(np.array(series, np.int64), np.array(at, np.int64), np.array(values, np.float64)), refused
