"""What is due: by size, by dead rows, by the time since."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.maintenance.facts import wasted
from monitor.maintenance.planning import Index, Measures, Relation, Task, Work, due

NOW = datetime(2026, 1, 30, tzinfo=UTC)
MEASURES = Measures()
TABLE = Relation("agent_logs_p20260101", bytes=1 << 20, rows=1_000_000, dead=0, written=0, changed=0)
LARGE = replace(TABLE, bytes=2 << 30)
PARENT = Relation("agent_logs", bytes=0, rows=0, dead=0, written=0, changed=0, parent=True)
INDEX = Index("agent_logs_pkey", bytes=200 << 20, wasted=0.5)


def tasks(*relations: Relation, index: Index | None = None, ago: timedelta | None = None) -> list[tuple[Task, str]]:
    """What is due when everything was done so long ago, or never."""
    names = [one.name for one in relations] + ([index.name] if index else [])
    done = {Work(task, name): NOW - ago for task in Task for name in names} if ago is not None else {}
    found = due(NOW, relations, [index] if index else [], done, measures=MEASURES)
    return [(work.task, work.relation) for work in found]


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (TABLE, []),
        (LARGE, []),
        (replace(LARGE, written=1), [Task.VACUUM]),
        (replace(LARGE, dead=1), [Task.VACUUM]),
        (replace(TABLE, written=1), []),
        (replace(TABLE, dead=100_000), []),
        (replace(TABLE, dead=120_000), [Task.VACUUM]),
        (replace(TABLE, rows=100, dead=9_000), []),
        (replace(TABLE, changed=100_000), []),
        (replace(TABLE, changed=100_001), [Task.ANALYZE]),
        (replace(TABLE, changed=100_001, dead=120_000), [Task.VACUUM]),
        (PARENT, [Task.ANALYZE]),
    ],
)
def test_what_is_due_where_nothing_was_done_yet(relation: Relation, expected: list[Task]) -> None:
    assert tasks(relation) == [(task, relation.name) for task in expected]


@pytest.mark.parametrize(
    ("relation", "index", "every"),
    [
        (replace(LARGE, written=1), None, timedelta(days=7)),
        (PARENT, None, timedelta(days=1)),
        (TABLE, INDEX, timedelta(days=30)),
    ],
)
def test_it_is_done_as_often_as_that(relation: Relation, index: Index | None, every: timedelta) -> None:
    assert tasks(relation, index=index, ago=every - timedelta(seconds=1)) == []
    assert len(tasks(relation, index=index, ago=every)) == 1


@pytest.mark.parametrize("index", [replace(INDEX, bytes=99 << 20), replace(INDEX, wasted=0.4)])
def test_a_small_index_and_a_full_one_stay(index: Index) -> None:
    assert tasks(TABLE, index=index) == []
    assert tasks(TABLE, index=INDEX) == [(Task.REINDEX, INDEX.name)]


def test_what_a_new_index_would_need() -> None:
    # 16 bytes of key and 12 beside it: 262 entries fill nine tenths of a page.
    assert wasted(8192 * 100, 26_200, 16) == pytest.approx(0.0, abs=0.01)
    assert wasted(8192 * 100, 13_100, 16) == pytest.approx(0.5, abs=0.01)
    assert wasted(8192, 26_200, 16) == 0.0
