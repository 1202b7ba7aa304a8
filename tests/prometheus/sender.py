"""A sender of remote write: series in short words, as messages of both versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cramjam
import httpx

from monitor.ingest.prometheus.messages import REQUESTS
from tests.http.collector import Collector

COUNTER, GAUGE, HISTOGRAM = 1, 2, 3
TWO = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
ONE = "application/x-protobuf"


@dataclass(frozen=True)
class Series:
    """A series of a request. Times in milliseconds; an exemplar is labels, value and time."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[float, int]] = ()
    exemplars: Sequence[tuple[Mapping[str, str], float, int]] = ()
    histograms: Sequence[Mapping[str, Any]] = ()
    kind: int = 0
    start_ms: int = 0


@dataclass
class _Symbols:
    texts: list[str] = field(default_factory=lambda: [""])

    def refs(self, labels: Mapping[str, str]) -> list[int]:
        """Indexes of names and values."""
        return [self._ref(text) for pair in labels.items() for text in pair]

    def _ref(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)


def one(*series: Series) -> bytes:
    """A request of 1.0, compressed."""
    message = REQUESTS[1]()
    for given in series:
        made = message.timeseries.add()
        for name, value in given.labels.items():
            made.labels.add(name=name, value=value)
        for number, at in given.samples:
            made.samples.add(value=number, timestamp=at)
        for labels, number, at in given.exemplars:
            exemplar = made.exemplars.add(value=number, timestamp=at)
            for name, text in labels.items():
                exemplar.labels.add(name=name, value=text)
        _histograms(made, given)
    return _compressed(message)


def two(*series: Series) -> bytes:
    """A request of 2.0, compressed."""
    message, symbols = REQUESTS[2](), _Symbols()
    for given in series:
        made = message.timeseries.add(labels_refs=symbols.refs(given.labels))
        made.metadata.type = given.kind
        for value, at in given.samples:
            made.samples.add(value=value, timestamp=at, start_timestamp=given.start_ms)
        for labels, value, at in given.exemplars:
            made.exemplars.add(labels_refs=symbols.refs(labels), value=value, timestamp=at)
        _histograms(made, given)
    message.symbols.extend(symbols.texts)
    return _compressed(message)


def _histograms(made: Any, given: Series) -> None:
    for said in given.histograms:
        plain = {name: value for name, value in said.items() if not name.endswith("_spans")}
        histogram = made.histograms.add(**plain)
        for name in ("positive_spans", "negative_spans"):
            for offset, length in said.get(name, ()):
                getattr(histogram, name).add(offset=offset, length=length)


def _compressed(message: Any) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


async def write(collector: Collector, content: bytes, *, media: str = TWO, **headers: str) -> httpx.Response:
    """POST it, as a sender does."""
    given = {"Content-Type": media, "Content-Encoding": "snappy", **collector.tenant.headers}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await collector.client.post("/api/v1/write", content=content, headers=given)


def written(answer: httpx.Response) -> dict[str, int]:
    """What the headers say is written."""
    prefix, suffix = "x-prometheus-remote-write-", "-written"
    return {
        name.removeprefix(prefix).removesuffix(suffix): int(value)
        for name, value in answer.headers.items()
        if name.startswith(prefix)
    }
