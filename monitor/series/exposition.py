"""Newest values as Prometheus reads them: OpenMetrics, or its older text format, as the one who asks accepts.

Names get the letters that every Prometheus takes: `gen_ai.client.token.usage` is `gen_ai_client_token_usage`. A
counter ends with `_total`, a distribution's `_count` and `_sum` stay as they are. A value has no time of its own: it is
scraped as of now, and gone from the next scrape when it has become too old.
"""

import re
from collections.abc import Iterable, Sequence

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from monitor.series.store import Kind, Latest

_NAME, _LABEL = re.compile(r"[^a-zA-Z0-9_:]"), re.compile(r"[^a-zA-Z0-9_]")
_OPEN_METRICS = "application/openmetrics-text"
MEDIA = ("text/plain", _OPEN_METRICS)
"""Media types of what is encoded here."""
_PARTS = ("_count", "_sum", "_bucket")


class _Families(Collector):
    """What an encoder asks."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._families


def exposed(found: Sequence[Latest], accept: str) -> tuple[bytes, str]:
    """The text and its content type. `accept`: what the request's header says."""
    return encoded(_Families(families(found)), accept)


def encoded(source: Collector, accept: str) -> tuple[bytes, str]:
    """Any families as text, and its content type: OpenMetrics for those who accept it, else the older format."""
    # The library's own choice fails on a version that is no number.
    encoder, media = choose_encoder(_OPEN_METRICS if any(map(_is_open, accept.split(","))) else "")
    return encoder(source), media


def _is_open(kind: str) -> bool:
    media, *parameters = (part.strip().lower() for part in kind.split(";"))
    said = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
    wanted = said.get("version", "1.0.0").strip('"') in {"0.0.1", "1.0.0"}
    return media == _OPEN_METRICS and wanted and said.get("q") not in {"0", "0.0", "0.00", "0.000"}


def families(found: Sequence[Latest]) -> list[Metric]:
    """One family a name. Names and labels that fall together by their replaced form are there once, with the newest
    value: Prometheus would refuse the scrape."""
    made: dict[str, Metric] = {}
    newest: dict[tuple[str, tuple[tuple[str, str], ...]], Latest] = {}
    for one in found:
        name = _plain(_NAME, one.metric)
        labels = {_plain(_LABEL, tag): value for tag, value in one.tags} | {"agent": one.agent}
        key = name, tuple(sorted(labels.items()))
        if key not in newest or newest[key].at < one.at:
            newest[key] = one
    for (name, pairs), one in newest.items():
        kind, sample = _typed(name, one.kind)
        base = sample.removesuffix("_total") if kind == "counter" else name
        family = made.setdefault(base, Metric(base, f"{one.metric}, the newest value", kind))
        family.add_sample(f"{base}_total" if family.type == "counter" else base, dict(pairs), one.value)
    return list(made.values())


def _typed(name: str, kind: Kind) -> tuple[str, str]:
    """The type in the words of OpenMetrics, and the sample's name."""
    if kind is not Kind.COUNTER:
        return "gauge", name
    if name.endswith(_PARTS):
        return "unknown", name
    return "counter", name if name.endswith("_total") else f"{name}_total"


def _plain(others: re.Pattern[str], name: str) -> str:
    plain = others.sub("_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain
