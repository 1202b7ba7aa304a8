"""From a body of line protocol to points and log lines: fast for lines whose head came before, exact for all others.

Numbers and booleans are points: field `value` of measurement `cpu` is the metric `cpu`, any other field `usage` is
`cpu_usage`, as Telegraf, Prometheus' influxdb_exporter and VictoriaMetrics name them. The texts of a line become one
log line, since a series cannot hold them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from monitor.errors import TooLarge
from monitor.ingest import logs, values
from monitor.ingest.decode import ROWS_LIMIT, Rows
from monitor.ingest.influx.line import Line, Unparsable, lines, parse
from monitor.ingest.labels import tags_of
from monitor.ingest.logs import LogDraft
from monitor.ingest.payloads import LogIn, Outcome
from monitor.ingest.points import SHAPES, PointDraft, Shape
from monitor.ingest.values import EXACT, Fault, Window
from monitor.series.store import Tags

PAIRS_LIMIT = 500_000
"""Tags and fields of a request: each field becomes a point, and a body of the largest size could hold millions."""
_HEAD_LIMIT = 4000  # longer ones are not remembered
_QUOTED = 100
_BOOLEANS = {"t": 1.0, "true": 1.0, "T": 1.0, "True": 1.0, "TRUE": 1.0}
_BOOLEANS |= {"f": 0.0, "false": 0.0, "F": 0.0, "False": 0.0, "FALSE": 0.0}

Heads = dict[str, dict[str, Shape]]
"""Shapes by a line's head, as it is spelled, and by field."""


class Precision(NamedTuple):
    """How timestamps become microseconds: multiplied, then divided; finer digits are cut off."""

    times: int
    by: int


@dataclass(slots=True)
class Read:
    """What a body says, by line from 0 on. `unparsable`: lines that are not line protocol, each with the reason."""

    lines: int
    points: list[PointDraft] = field(default_factory=list)
    logs: list[LogDraft] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)
    unparsable: list[tuple[int, str]] = field(default_factory=list)


class Reader:
    """Reads bodies, and remembers the shapes of points: clients send the same ones over and over."""

    def __init__(self, agent_tags: Sequence[str]) -> None:
        """`agent_tags`: the first of these that a line has names its agent."""
        self._agent_tags = agent_tags
        self._known: dict[tuple[UUID, str], Heads] = {}
        self._count = 0

    def read(self, raw: bytes, tenant_id: UUID, *, precision: Precision, default: str, window: Window) -> Read:
        """All lines of a body. `default` is the agent of lines that name none; without it they are refused.

        Raises TooLarge for more than 100,000 lines, or 500,000 tags and fields.
        """
        if raw.count(b"=") > PAIRS_LIMIT:
            raise TooLarge(f"more than {PAIRS_LIMIT} tags and fields in one request")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode(errors="surrogateescape")  # the lines at fault are found by what stands there then
        rows = list(lines(text)) if '"' in text else text.split("\n")
        if len(rows) > ROWS_LIMIT + 1:
            raise TooLarge(f"more than {ROWS_LIMIT} lines in one request")
        slow = _Slow(self, self._heads(tenant_id, default), precision, default, window, Read(len(rows)))
        _fast(rows, slow, plain=text.isascii())
        slow.finish()
        return slow.read

    def _heads(self, tenant_id: UUID, default: str) -> Heads:
        """A tenant's: shapes know their series. And one agent's: it may be the default."""
        if self._count >= SHAPES:
            self._known.clear()
            self._count = 0
        self._count += (tenant_id, default) not in self._known
        return self._known.setdefault((tenant_id, default), {})

    def shape(self, line: Line, name: str, tags: Tags, agent: str) -> Shape:
        """The shape of a field's points."""
        for given in (line.measurement, name):
            if given.startswith("_"):
                raise Fault(f"{values.clean(given[: values.NAME_LIMIT])}: names that begin with _ are reserved")
        metric = line.measurement if name == "value" else f"{line.measurement}_{name}"
        self._count += 1
        return Shape(agent, values.name(metric, "measurement and field"), tags, None, None)

    def agent(self, line: Line, default: str) -> tuple[str, Tags]:
        """Whose a line is, and its tags without the one that says so."""
        given = dict(line.tags)
        for tag in self._agent_tags:
            if tag in given:
                agent = values.name(given.pop(tag), f"tag {tag}")
                break
        else:
            if not default:
                raise Fault(
                    f"agent: the line has none of the tags {', '.join(self._agent_tags)}, the request no bucket"
                )
            agent = values.name(default, "bucket")
        return agent, values.tags(tags_of(given.items()))


def _fast(rows: Sequence[str], slow: "_Slow", *, plain: bool) -> None:
    """Lines of the usual form, `head fields stamp`, whose head and fields came before: without a call of ours.

    Whatever is not plainly so is left to `slow`: what Python reads as a number and line protocol does not, too.
    """
    heads, kept, window = slow.heads, slow.read.points, slow.window
    times, by = slow.precision
    low, high = window.oldest_us, window.newest_us
    # A named tuple's own constructor takes three times as long.
    made = tuple.__new__
    for index, row in enumerate(rows):
        mark = len(kept)
        try:
            head, fields, stamp = row.split(" ")
            shapes = heads[head]
            at_us = int(stamp) * times // by
            good = low <= at_us <= high and stamp.isdigit() and (plain or row.isascii())
            for pair in fields.split(",") if good else ():
                name, given = pair.split("=")
                last = given[-1]
                if given[0] not in "-.0123456789" or "_" in given:
                    value = _BOOLEANS[given]
                elif last == "i":
                    whole = int(given[:-1])
                    value = float(whole)
                    good = good and -EXACT <= whole <= EXACT and given[-2] in "0123456789"
                else:
                    value = float(given)
                    good = good and value - value == 0.0 and last in ".0123456789"
                kept.append(made(PointDraft, (index, shapes[name], at_us, value)))
        except (ValueError, KeyError, IndexError):
            good = False
        if not good:
            del kept[mark:]
            slow.line(index, row)


@dataclass(slots=True)
class _Slow:
    """Reads single lines exactly, and remembers their shapes."""

    reader: Reader
    heads: Heads
    precision: Precision
    default: str
    window: Window
    read: Read
    texts: list[tuple[int, LogIn]] = field(default_factory=list)

    def line(self, index: int, row: str) -> None:
        """Take one line in, or name what is wrong with it."""
        try:
            line = parse(row)
        except Unparsable as fault:
            quoted = values.clean(row.strip())
            quoted = quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…"
            self.read.unparsable.append((index, f"unable to parse '{quoted}': {fault}"))
            return
        if line is not None:
            try:
                self._take(index, line)
            except Fault as fault:
                self.read.outcome.reject(index, str(fault))

    def _take(self, index: int, line: Line) -> None:
        times, by = self.precision
        # Lines without a time are a microsecond apart: they keep their order and do not overwrite each other.
        at_us = self.window.now_us + index if line.stamp is None else line.stamp * times // by
        self.window.check(at_us, "timestamp")
        agent, tags = self.reader.agent(line, self.default)
        shapes = self.heads.get(line.head, {})
        texts: dict[str, str] = {}
        for name, value in line.fields:
            if isinstance(value, str):
                texts[name] = value
                continue
            try:
                shape = shapes.get(name) or self.reader.shape(line, name, tags, agent)
                number = float(value) if isinstance(value, bool) else values.number(value, name, self._warn(index))
            except Fault as fault:
                self.read.outcome.reject(index, str(fault))
                continue
            shapes[name] = shape
            self.read.points.append(PointDraft(index, shape, at_us, number))
        if shapes and len(line.head) <= _HEAD_LIMIT:
            self.heads[line.head] = shapes
        if texts:
            self.texts.append((index, _log(line, texts, agent=agent, tags=tags, at_us=at_us)))

    def _warn(self, index: int) -> values.Warn:
        return lambda text: self.read.outcome.warnings.append((index, text))

    def finish(self) -> None:
        """Make the log lines of all texts."""
        rows = [index for index, _ in self.texts]
        inner = Outcome()
        made = logs.drafts(Rows([log for _, log in self.texts]), self.window, inner)
        self.read.logs = [draft._replace(row_index=rows[draft.row_index]) for draft in made]
        outcome = self.read.outcome
        outcome.rejected += [(rows[index], error) for index, error in inner.rejected]
        outcome.warnings += [(rows[index], text) for index, text in inner.warnings]


def _log(line: Line, texts: dict[str, str], *, agent: str, tags: Tags, at_us: int) -> LogIn:
    """The texts of a line as a log line. A line that is sent again with its time makes the same one."""
    details = {"measurement": line.measurement, "tags": dict(tags), "fields": texts}
    said = ", ".join(f"{name}={text}" for name, text in texts.items())
    key = None
    if line.stamp is not None:
        known = repr((agent, at_us, details)).encode(errors="replace")
        key = f"line-{hashlib.blake2b(known, digest_size=16).hexdigest()}"
    return LogIn(
        agent=agent,
        kind="line",
        level=dict(tags).get("level") or texts.get("level"),
        message=texts.get("message") or f"{line.measurement}: {said}",
        details=details,
        timestamp=at_us / 1e6,
        id=key,
    )
