"""What is due. Pure: `now`, facts and what was done before come in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Task(StrEnum):
    """What is done to a relation."""

    VACUUM = "vacuum"
    ANALYZE = "analyze"
    REINDEX = "reindex"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table that holds rows, or one that has partitions with some (`parent`), as PostgreSQL's statistics know it.

    `rows`, `dead`: about how many. `written`: rows inserted since it was vacuumed; `changed`: rows inserted, updated or
    deleted since it was analysed. Of a parent nothing is counted.
    """

    name: str
    bytes: int
    rows: int
    dead: int
    written: int
    changed: int
    parent: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """A B-tree. `wasted`: the share of its bytes that a new one would not need."""

    name: str
    bytes: int
    wasted: float


@dataclass(frozen=True, slots=True)
class Measures:
    """From when on a table is large, changed much, an index bloated; and how often things are done at most."""

    large: int = 1 << 30
    dead: float = 0.1
    changed: float = 0.1
    few: int = 10_000
    index: int = 100 << 20
    wasted: float = 0.4
    vacuum_every: timedelta = timedelta(days=7)
    parent_every: timedelta = timedelta(days=1)
    reindex_every: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do."""

    task: Task
    relation: str


Done = Mapping[Work, datetime]
"""When each was last done."""


def due(
    now: datetime, relations: Iterable[Relation], indexes: Iterable[Index], done: Done, *, measures: Measures
) -> list[Work]:
    """What is to be done now: vacuuming first, since it changes what the others see."""
    relations = list(relations)
    vacuumed = list(_vacuums(now, relations, done, measures))
    # VACUUM is told to analyse too.
    analysed = [work for work in _analyses(now, relations, done, measures) if _same(work) not in vacuumed]
    return [*vacuumed, *analysed, *_reindexes(now, indexes, done, measures)]


def _same(work: Work) -> Work:
    return Work(Task.VACUUM, work.relation)


def _vacuums(now: datetime, relations: Iterable[Relation], done: Done, measures: Measures) -> Iterator[Work]:
    for one in relations:
        stale = one.dead > max(measures.few, measures.dead * (one.rows + one.dead))
        worn = one.bytes >= measures.large and one.dead + one.written > 0
        work = Work(Task.VACUUM, one.name)
        if not one.parent and (stale or worn) and _is_time(now, done.get(work), measures.vacuum_every):
            yield work


def _analyses(now: datetime, relations: Iterable[Relation], done: Done, measures: Measures) -> Iterator[Work]:
    for one in relations:
        work = Work(Task.ANALYZE, one.name)
        if one.parent:
            # Autovacuum never does: https://www.postgresql.org/docs/current/sql-analyze.html
            if _is_time(now, done.get(work), measures.parent_every):
                yield work
        elif one.changed > max(measures.few, measures.changed * one.rows):
            yield work


def _reindexes(now: datetime, indexes: Iterable[Index], done: Done, measures: Measures) -> Iterator[Work]:
    for one in indexes:
        work = Work(Task.REINDEX, one.name)
        bloated = one.bytes >= measures.index and one.wasted > measures.wasted
        if bloated and _is_time(now, done.get(work), measures.reindex_every):
            yield work


def _is_time(now: datetime, last: datetime | None, every: timedelta) -> bool:
    return last is None or now - last >= every
