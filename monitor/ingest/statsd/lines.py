"""Lines of StatsD: `name:value|type|@rate|#tag:value,tag|T<seconds>`. Pure.

https://github.com/statsd/statsd/blob/master/docs/metric_types.md; tags, several values in a line, times, histograms
and distributions as in https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/
"""

import math
import re
from enum import StrEnum
from typing import NamedTuple

from monitor.ingest import values
from monitor.ingest.labels import tags_of
from monitor.ingest.values import Fault
from monitor.series.store import Tags

NOBODY = "statsd"
"""The agent of lines without a tag that names one."""

AGENT_TAGS = ("agent", "service")
VALUES_LIMIT = 1000
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_KNOWN = ("c:", "e:", "card:")


class Type(StrEnum):
    """What a line measures. Histograms and distributions are timers without a unit."""

    COUNTER = "c"
    GAUGE = "g"
    TIMER = "ms"
    SET = "s"
    HISTOGRAM = "h"
    DISTRIBUTION = "d"


class Key(NamedTuple):
    """What is summed up together."""

    type: Type
    agent: str
    name: str
    tags: Tags


class Line(NamedTuple):
    """One line. `values` are numbers, of a set texts. `relative`: a gauge that is moved, not set. `rate`: the share of
    events that was sent. `at_s`: Unix seconds, where the line has a time of its own."""

    key: Key
    values: tuple[float | str, ...]
    relative: bool
    rate: float
    at_s: int | None


def parse(text: str) -> Line:
    """A line. Raises Fault with what is wrong."""
    name, colon, rest = text.partition(":")
    if text.startswith(("_e{", "_sc|")):
        raise Fault("events and service checks are not taken")
    given, bar, rest = rest.partition("|")
    if not (colon and bar):
        raise Fault("name:value|type is expected")
    word, *sections = rest.split("|")
    try:
        kind = Type(word)
    except ValueError:
        raise Fault(f"type: {values.clean(word[:20])} is none of {', '.join(Type)}") from None
    rate, tags, at_s = _sections(sections)
    agent = next((tags[tag] for tag in AGENT_TAGS if tags.get(tag)), NOBODY)
    if tags.get("agent") == agent:
        del tags["agent"]
    key = Key(
        kind,
        values.name(agent, "agent"),
        values.name(name, "name"),
        values.tags(tags_of(tags.items())),
    )
    if kind is Type.SET:
        return Line(key, (values.clean(given),), False, 1.0, at_s)
    numbers = given.split(":")
    if len(numbers) > VALUES_LIMIT:
        raise Fault(f"value: at most {VALUES_LIMIT} are expected")
    relative = kind is Type.GAUGE and given[:1] in ("+", "-")
    return Line(key, tuple(map(_number, numbers)), relative, rate, at_s)


def _sections(sections: list[str]) -> tuple[float, dict[str, str], int | None]:
    rate, at_s = 1.0, None
    tags: dict[str, str] = {}
    for section in sections:
        if section.startswith("@"):
            rate = _number(section[1:])
            if not 0 < rate <= 1:
                raise Fault("rate: more than 0 and at most 1 is expected")
        elif section.startswith("#"):
            for tag in filter(None, section[1:].split(",")):
                name, colon, value = tag.partition(":")
                tags[name] = value if colon else "true"
        elif section.startswith("T"):
            if not (section[1:].isascii() and section[1:].isdigit() and len(section) <= 12):
                raise Fault("time: Unix seconds are expected")
            at_s = int(section[1:])
        elif not section.startswith(_KNOWN):
            raise Fault(f"{values.clean(section[:20])}: none of @rate, #tags, T<seconds>")
    return rate, tags, at_s


def _number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise Fault(f"value: {values.clean(text[:40])!r} is no finite number")
    return value
