"""Targets of plain metric rules that read the same shape, in columns: one comparison judges all of them. No I/O."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import numpy as np
import numpy.typing as npt

from alerts.core.condition import MetricLeaf
from alerts.core.due import looks_again, only_falls
from alerts.core.reading import Reading
from alerts.core.terms import Op
from alerts.sources.base import Agent
from alerts.targets import TargetKey
from monitor.ids import from_microseconds
from monitor.series.store import Answer, Reduction, Selection
from monitor.series.stored import Who

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
"""Rows of a mesh's table."""

NEVER = np.iinfo(np.int64).max
NO_SERIES = Selection(Who([], np.zeros(0, np.int64)), np.zeros(0, np.int64), np.zeros(0, np.bool_), [])
_OPS = tuple(Op)
_COLUMN = np.dtype(
    [
        ("threshold", np.float64),
        ("op", np.int8),
        ("min_count", np.int64),
        ("falls", np.bool_),  # points that leave the window cannot begin a breach
        ("agent", np.int64),  # the number that the sieve gave the agent
        ("tenant", np.int64),  # of `owners`
        ("line", np.int64),  # of the selection; -1: no series
        ("look_at", np.int64),  # microseconds since the epoch
        ("fresh", np.bool_),  # points have come since it was last looked at
    ]
)


@dataclass(frozen=True, slots=True)
class Look:
    """What was read of some places: number of points, newest point and value of each, and whether it is a breach."""

    places: Places
    value: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    last_at: npt.NDArray[np.int64]
    breached: Mask

    def reading(self, row: int) -> Reading | None:
        """As `judge` takes it; None: no points."""
        count = int(self.count[row])
        return Reading(float(self.value[row]), count, from_microseconds(int(self.last_at[row]))) if count else None

    def without(self, rows: Places) -> "Look":
        """Less some of it."""
        if not len(rows):
            return self
        keep = np.ones(len(self.places), np.bool_)
        keep[rows] = False
        return Look(self.places[keep], self.value[keep], self.count[keep], self.last_at[keep], self.breached[keep])


@dataclass(slots=True)
class Mesh:
    """One shape. `unselected`: agents whose series are not known, or not all of them."""

    reduction: Reduction
    keys: list[TargetKey] = field(default_factory=list)
    leaves: list[MetricLeaf] = field(default_factory=list)
    table: npt.NDArray[np.void] = field(default_factory=lambda: np.zeros(0, _COLUMN))
    places: dict[TargetKey, int] = field(default_factory=dict)
    selection: Selection = NO_SERIES
    unselected: set[Agent] = field(default_factory=set)
    owners: dict[UUID, int] = field(default_factory=dict)
    """Tenants that have, or have had, targets here, with their numbers: 0, 1, ..."""

    def add(self, targets: Mapping[TargetKey, MetricLeaf], agents: Mapping[Agent, int]) -> None:
        """Targets that are not in it yet; each is looked at as soon as possible. `agents`: the agents' numbers."""
        rows = np.zeros(len(targets), _COLUMN)
        for row, (key, leaf) in enumerate(targets.items()):
            self.places[key] = len(self.keys)
            self.keys.append(key)
            self.leaves.append(leaf)
            agent = key.tenant_id, key.agent_id
            falls = only_falls(leaf)
            who = agents[agent], self.owners.setdefault(key.tenant_id, len(self.owners))
            rows[row] = (leaf.threshold, _OPS.index(leaf.op), leaf.min_count, falls, *who, -1, 0, False)
            self.unselected.add(agent)
        self.table = np.concatenate((self.table, rows))

    def drop(self, gone: Collection[TargetKey]) -> None:
        """Forget targets; those that are not in it do not matter."""
        keep = np.ones(len(self.keys), np.bool_)
        keep[[self.places[key] for key in gone if key in self.places]] = False
        if keep.all():
            return
        kept = np.flatnonzero(keep).tolist()
        self.keys, self.leaves = [self.keys[row] for row in kept], [self.leaves[row] for row in kept]
        self.table, self.places = self.table[keep], {key: row for row, key in enumerate(self.keys)}

    def touch(self, agents: Mask, now_us: int) -> None:
        """Points of these agents, by number, have come."""
        touched = agents[self.table["agent"]]
        self.table["look_at"][touched] = np.minimum(self.table["look_at"][touched], now_us)
        self.table["fresh"] |= touched

    def unselect(self, agents: Mask, names: Sequence[Agent]) -> None:
        """These agents, by number, have a new series."""
        self.unselected |= {names[number] for number in self.table["agent"][agents[self.table["agent"]]].tolist()}

    def due(self, now_us: int, asked: Collection[int]) -> Places:
        """What is to be looked at, ascending: what was asked for, too."""
        due = self.table["look_at"] <= now_us
        due[list(asked)] = True
        return np.flatnonzero(due)

    def tenants(self, places: Places) -> set[UUID]:
        """Whose these are."""
        theirs = np.zeros(len(self.owners), np.bool_)
        theirs[self.table["tenant"][places]] = True
        return {owner for owner, number in self.owners.items() if theirs[number]}

    def select(self, found: Selection) -> None:
        """Take what was found of the series of `unselected`, in place of what was known of these agents."""
        self.selection = _merged(self.selection, self.unselected, found)
        self.unselected = set()
        lines = {(tenant, agent): line for line, (tenant, agent, _) in enumerate(self.selection.labels)}
        self.table["line"] = [lines.get((key.tenant_id, key.agent_id), -1) for key in self.keys]

    def selected(self, places: Places) -> Selection:
        """The series of some places."""
        lines = np.zeros(len(self.selection.labels) + 1, np.bool_)  # one more, for those without a line
        lines[self.table["line"][places]] = True
        return self.selection.only(lines[:-1])

    def look(self, places: Places, answer: Answer) -> Look:
        """Hold what was read of the selection against the thresholds."""
        rows = np.full(len(self.selection.labels) + 1, -1)
        rows[answer.line] = np.arange(len(answer.line))
        table = self.table[places]
        row = rows[table["line"]]
        known = row >= 0
        value, count, last_at = np.full(len(row), np.nan), np.zeros(len(row), np.int64), np.zeros(len(row), np.int64)
        value[known], count[known] = answer.value[row[known]], answer.count[row[known]]
        last_at[known] = answer.last_at[row[known]]
        told = known & np.isfinite(value) & (count >= table["min_count"])
        return Look(places, value, count, last_at, told & _holds(table["op"], value, table["threshold"]))

    def settle(self, look: Look, now_us: int, interval: timedelta) -> None:
        """All of it was judged and saved: when to look again without news.

        Points that have just come may lie a little after `now`, so that the next pass looks once more.
        """
        table, one = self.table[look.places], timedelta(microseconds=1)
        changes = now_us + looks_again(self.reduction.window, interval) // one
        quiet = np.where(table["falls"] | (look.count == 0), NEVER, changes)
        self.table["look_at"][look.places] = np.where(table["fresh"], now_us + interval // one, quiet)
        self.table["fresh"][look.places] = False


def _holds(ops: npt.NDArray[np.int8], value: npt.NDArray[np.float64], bound: npt.NDArray[np.float64]) -> Mask:
    """`Op.holds`, in columns."""
    compare = {
        Op.GT: np.greater,
        Op.GE: np.greater_equal,
        Op.LT: np.less,
        Op.LE: np.less_equal,
        Op.EQ: np.equal,
        Op.NE: np.not_equal,
    }
    holds = np.zeros(len(ops), np.bool_)
    for number, op in enumerate(_OPS):
        of = ops == number
        holds[of] = compare[op](value[of], bound[of])
    return holds


def _merged(known: Selection, again: Collection[Agent], found: Selection) -> Selection:
    """What was known without these agents, and what was found of them."""
    keep = np.array([(tenant, agent) not in again for tenant, agent, _ in known.labels], np.bool_)
    number = np.cumsum(keep) - 1
    kept = np.flatnonzero(keep[known.lines])
    labels = [label for label, stays in zip(known.labels, keep.tolist(), strict=True) if stays]
    ids = np.concatenate((known.who.ids[kept], found.who.ids))
    lines = np.concatenate((number[known.lines[kept]], found.lines + len(labels)))
    counters = np.concatenate((known.counters[kept], found.counters))
    tenants = [*(known.who.tenants[row] for row in kept.tolist()), *found.who.tenants]
    order = np.argsort(ids)
    who = Who([tenants[row] for row in order.tolist()], ids[order])
    return Selection(who, lines[order], counters[order], [*labels, *found.labels])
