"""What a series' lines begin with in InfluxDB's line protocol: measurement and tags, with every character safe. Pure.

`tenant`, `agent` and `_id` are ours and callers cannot send them; `_id` is the catalogue's id, by which points
come back. The names are for people who look into InfluxDB: a character that line protocol cannot carry
(https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/) stands there as `%` and its code, and the
catalogue has the true ones.
"""

import re
from collections.abc import Mapping
from uuid import UUID

_KEY_BYTES = 60_000  # of 65,535 that InfluxDB takes, with room for the name of a field
_TIME = "time"  # as a tag, InfluxDB drops the whole point
# Control characters end or split lines; a backslash escapes or not depending on what follows; `#` begins a comment.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd\\]|^#")
_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_TAG = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})


def plain(text: str) -> str:
    """The form of a name or value that InfluxDB holds, before escaping: what queries must compare with."""
    return text if text.isprintable() and "\\" not in text and text[:1] != "#" else _UNSAFE.sub(_code, text)


def _code(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def measurement(metric: str) -> str:
    """The measurement in which a metric's points are."""
    return plain(metric)


def key_of(metric: str, tags: Mapping[str, str], *, tenant_id: UUID, agent: str, series_id: int) -> bytes:
    """Measurement and tags of a line, escaped, sorted by name. Names that fall together by their replaced form are
    there once, and what does not fit into InfluxDB's longest key is left out: `_id` tells series apart."""
    pairs = {"tenant": str(tenant_id), "agent": plain(agent), "_id": str(series_id)}
    for name, value in tags.items():
        pairs.setdefault(plain(name if name != _TIME else f"{_TIME}_"), plain(value))
    parts = [(name.translate(_TAG).encode(), value.translate(_TAG).encode()) for name, value in pairs.items()]
    start = measurement(metric).translate(_MEASUREMENT).encode()
    room, kept = _KEY_BYTES - len(start), []
    for pair in parts:
        room -= len(pair[0]) + len(pair[1]) + 2
        if room >= 0:
            kept.append(pair)
    # InfluxDB would sort them itself, more slowly.
    return b",".join([start, *(b"=".join(pair) for pair in sorted(kept))])
