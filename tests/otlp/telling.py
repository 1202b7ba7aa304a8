"""Short words for the records that tests of metrics and log records are made of."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from monitor.ingest.otlp import points, records
from monitor.ingest.payloads import Outcome
from monitor.ingest.values import Window

TENANT = UUID(int=1)
NOW_US = 1_800_000_000_000_000
MINUTE = 60_000_000
SCOPE = records.Scope("", "", {})
DELTA, CUMULATIVE = records.Temporality.DELTA, records.Temporality.CUMULATIVE


def resource(**attributes: Any) -> records.Resource:
    """A resource; `service_name` stands for `service.name`."""
    return records.Resource({name.replace("_", "."): value for name, value in attributes.items()})


MARK = resource(service_name="mark")


def about(name: str = "tokens", unit: str = "", of: records.Resource = MARK) -> dict[str, Any]:
    """What metrics of every kind have."""
    return {"resource": of, "scope": SCOPE, "name": name, "unit": unit, "description": ""}


def number(value: float | None, *, minute: float = 0, start: float = 0, **more: Any) -> records.NumberPoint:
    """A number so many minutes before or after now, of a run that began so many minutes from now (0: not said)."""
    return records.NumberPoint(value=value, **_when(minute, start, more))


def gauge(*given: records.NumberPoint, **more: Any) -> records.Gauge:
    """A gauge."""
    return records.Gauge(**about(**more), points=given)


def total(
    *given: records.NumberPoint,
    temporality: records.Temporality = CUMULATIVE,
    monotonic: bool = True,
    **more: Any,
) -> records.Sum:
    """A sum."""
    return records.Sum(**about(**more), points=given, temporality=temporality, monotonic=monotonic)


def histogram(
    *given: records.HistogramPoint, temporality: records.Temporality = DELTA, **more: Any
) -> records.Histogram:
    """A histogram of explicit bounds."""
    return records.Histogram(**about(**more), points=given, temporality=temporality)


def counted(
    *counts: int,
    bounds: tuple[float, ...] = (10.0, 20.0),
    added: float | None = None,
    minute: float = 0,
    start: float = 0,
    **more: Any,
) -> records.HistogramPoint:
    """A point of one."""
    said = {"count": sum(counts), "min": None, "max": None} | more
    return records.HistogramPoint(sum=added, bounds=bounds, counts=counts, **_when(minute, start, said))


def _when(minute: float, start: float, more: Mapping[str, Any]) -> dict[str, Any]:
    at_us = NOW_US + int(minute * MINUTE)
    start_us = NOW_US + int(start * MINUTE) if start else 0
    return {"attributes": {}, "time_ns": at_us * 1000, "start_ns": start_us * 1000, **more}


class Told:
    """One process that takes metrics in: what became of what it was told last."""

    def __init__(self) -> None:
        self.memory = points.Memory()
        self.outcome = Outcome()
        self.made = points.Converted([], [])

    def tell(self, *metrics: records.MetricRecord) -> dict[tuple[str, str], list[tuple[float, float]]]:
        """Points by metric and quantile: (minutes from now, value)."""
        self.outcome = Outcome()
        window = Window.of(NOW_US, retention=30 * 86400.0)
        self.made = points.convert(metrics, tenant_id=TENANT, window=window, memory=self.memory, outcome=self.outcome)
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _row, shape, at_us, value in self.made.drafts:
            key = (shape.metric, dict(shape.tags).get("quantile", ""))
            found.setdefault(key, []).append(((at_us - NOW_US) / MINUTE, value))
        return found

    def faults(self, *metrics: records.MetricRecord) -> list[tuple[int, str]]:
        """The data points that are not kept; nothing of them is."""
        self.tell(*metrics)
        assert {draft.row for draft in self.made.drafts}.isdisjoint(row for row, _ in self.outcome.rejected)
        return self.outcome.rejected
