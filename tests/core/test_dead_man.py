"""Dead-man: when a heartbeat is expected, and when it is missed."""

from datetime import timedelta

from alerts.core.condition import (
    HeartbeatLeaf,
)
from alerts.core.judge import HEARTBEAT_GRACE
from alerts.core.reading import Reading
from alerts.core.vocabulary import NoData
from tests.core.judging import OK, B, U, only
from tests.core.strategies import START


def heartbeat(seconds: float, *, count: int = 3, interval: float | None = None, expected: bool = True) -> Reading:
    return Reading(
        count=count,
        last_at=START - timedelta(seconds=seconds),
        interval=None if interval is None else timedelta(seconds=interval),
        expected=expected,
    )


EXPLICIT = HeartbeatLeaf(timedelta(seconds=90))


def test_dead_man_an_explicit_interval_is_expected_from_the_first_heartbeat() -> None:
    assert only(EXPLICIT, heartbeat(90, count=1)).verdict is OK
    evaluation = only(EXPLICIT, heartbeat(91, count=1))
    assert (evaluation.verdict, evaluation.value, evaluation.bound) == (B, 91, 90)
    assert (evaluation.detail, evaluation.threshold) == ("last heartbeat 91s ago", "> 90s")


def test_dead_man_a_learned_interval_is_expected_from_the_third_heartbeat() -> None:
    limit = 3 * 60 + HEARTBEAT_GRACE.total_seconds()
    assert only(HeartbeatLeaf(), heartbeat(10_000, count=2, interval=60)).verdict is U
    assert only(HeartbeatLeaf(), heartbeat(10_000, count=3)).verdict is U
    assert only(HeartbeatLeaf(), heartbeat(limit, interval=60)).verdict is OK
    assert only(HeartbeatLeaf(), heartbeat(limit + 1, interval=60)).verdict is B


def test_dead_man_an_expectation_that_ended_opens_nothing() -> None:
    assert only(EXPLICIT, heartbeat(10_000, expected=False)).verdict is U
    assert only(HeartbeatLeaf(EXPLICIT.after, NoData.ALERT), heartbeat(10_000, expected=False)).verdict is U
    assert only(HeartbeatLeaf(EXPLICIT.after, NoData.OK), heartbeat(10_000, expected=False)).verdict is OK


def test_dead_man_a_clean_shutdown_is_a_sign_of_life() -> None:
    assert only(EXPLICIT, heartbeat(1, expected=False), firing=True).verdict is OK


def test_dead_man_heartbeats_that_are_not_yet_an_expectation_are_no_lack_of_data() -> None:
    odd = HeartbeatLeaf(timedelta(seconds=90), NoData.ALERT)
    assert only(odd, heartbeat(10_000, count=0)).verdict is U
