"""What is remembered of streams that count since their sender's start."""

from monitor.ingest.buckets import Explicit
from monitor.ingest.streams import RECENT_US, Streams, Stretch

MINUTE = 60_000_000
START = 1_000 * MINUTE


def counted(*counts: int) -> Explicit:
    return Explicit((1.0,) * (len(counts) - 1), counts)


def test_the_first_point_of_a_run_counts_from_its_start() -> None:
    streams = Streams()
    assert streams.next("a", START, START + MINUTE, counted(1, 0)) == Stretch(START, True, None)
    assert streams.next("a", START, START + 2 * MINUTE, counted(2, 0)) == Stretch(None, True, counted(1, 0))
    assert streams.next("a", START, START + 3 * MINUTE, counted(3, 0)) == Stretch(None, True, counted(2, 0))


def test_a_run_that_began_long_ago_and_is_new_here_only_says_where_to_count_from() -> None:
    streams = Streams()
    assert streams.next("a", START, START + RECENT_US + 1, counted(90, 0)) == Stretch()
    assert streams.next("a", START, START + RECENT_US + 2, counted(91, 0)).before == counted(90, 0)


def test_a_new_start_is_a_restart_however_large_the_total() -> None:
    streams = Streams()
    streams.next("a", START, START + MINUTE)
    again = START + 100 * MINUTE
    assert streams.next("a", again, again + 60 * MINUTE) == Stretch(again, True, None)


def test_the_same_point_again_gets_the_same_answer() -> None:
    streams = Streams()
    first = streams.next("a", START, START + MINUTE, counted(1, 0))
    assert streams.next("a", START, START + MINUTE, counted(1, 0)) == first
    second = streams.next("a", START, START + 2 * MINUTE, counted(2, 0))
    assert streams.next("a", START, START + 2 * MINUTE, counted(2, 0)) == second


def test_what_comes_late_has_no_answer_and_changes_nothing() -> None:
    streams = Streams()
    streams.next("a", START, START + 2 * MINUTE, counted(2, 0))
    assert streams.next("a", START, START + MINUTE, counted(1, 0)) == Stretch()
    assert streams.next("a", START - MINUTE, START + 3 * MINUTE, counted(9, 0)) == Stretch()
    assert streams.next("a", START, START + 3 * MINUTE, counted(3, 0)).before == counted(2, 0)


def test_without_a_start_the_first_point_only_says_where_to_count_from() -> None:
    streams = Streams()
    assert streams.next("a", 0, START, counted(5, 0)) == Stretch()
    assert streams.next("a", 0, START + MINUTE, counted(7, 0)) == Stretch(None, True, counted(5, 0))


def test_memory_is_bounded_and_forgets_what_was_not_seen_for_longest() -> None:
    streams = Streams(weight=1000)
    for name in range(500):
        streams.next(name, START, START + MINUTE, counted(1, 0))
        streams.next("busy", START, START + (name + 1) * 1000, counted(name, 0))
    assert 10 < len(streams) < 100
    assert streams.next("busy", START, START + 10 * MINUTE, counted(501, 0)).before == counted(499, 0)
    assert streams.next(0, START, START + 100 * MINUTE, counted(2, 0)) == Stretch()
    large = Streams(weight=1000)
    large.next("huge", START, START + MINUTE, counted(*range(2000)))
    assert len(large) == 0
