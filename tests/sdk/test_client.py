"""The clients against a collector that fails in every way."""

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime

import pytest

from monitor.sdk import AsyncMonitor, Monitor, MonitorHandler
from monitor.sdk.engine import Drop, Limits
from tests.sdk.collector import Collector, Failure, wait_until

QUICK = Limits(interval=0.05)


def client(collector: Collector, limits: Limits = QUICK) -> Monitor:
    return Monitor(collector.url, key="am_test_secret", agent="akira-001", limits=limits, timeout=2.0)


def aclient(collector: Collector, limits: Limits = QUICK) -> AsyncMonitor:
    return AsyncMonitor(collector.url, key="am_test_secret", agent="akira-001", limits=limits, timeout=2.0)


def test_a_run_is_one_execution_with_its_metrics(collector: Collector) -> None:
    before = datetime.now(UTC)
    with client(collector) as monitor, monitor.run("review", task_type="code_review", pr=7) as run:
        run.metric("latency_ms", 812, env="prod")
        run.tokens(input=900, output=120, model="claude-opus-4-1")
        run.tokens(input=100, model="claude-opus-4-1")
    (log,) = collector.rows("logs")
    assert (log["agent"], log["kind"], log["status"], log["message"]) == (
        "akira-001",
        "execution",
        "success",
        "review",
    )
    assert log["details"] == {
        "run": "review",
        "task_type": "code_review",
        "pr": 7,
        "tokens": {"input": 1000, "output": 120},
        "model": "claude-opus-4-1",
        "task_id": collector.rows("tasks")[0]["id"],
    }
    started, completed = (datetime.fromisoformat(log[name]) for name in ("started_at", "completed_at"))
    assert before <= started <= completed
    assert abs((completed - started).total_seconds() * 1000 - log["duration"]) < 0.01
    latency, given, _taken, *_ = collector.rows("metrics")
    assert (latency["value"], latency["tags"]) == (812, {"task_type": "code_review", "env": "prod"})
    assert (given["metric"], given["value"], given["tags"]) == ("tokens_input", 900, {"model": "claude-opus-4-1"})
    assert {seen.authorization for seen in collector.requests} == {"Bearer am_test_secret"}


def test_an_exception_is_reported_and_goes_on(collector: Collector) -> None:
    with client(collector) as monitor:
        with pytest.raises(ValueError, match="bad diff"), monitor.run("review"):
            raise ValueError("bad diff")
        with pytest.raises(SystemExit), monitor.run("clean end"):
            raise SystemExit(0)
    failed, ended = collector.rows("logs")
    assert (failed["status"], failed["message"]) == ("error", "review: ValueError: bad diff")
    assert 'raise ValueError("bad diff")' in failed["details"]["traceback"]
    assert ended["status"] == "success"


@pytest.mark.parametrize("failure", [Failure(503), Failure(429), Failure(500), Failure(502), Failure(0), Failure(408)])
def test_a_failure_that_passes_is_tried_again_with_the_same_key(collector: Collector, failure: Failure) -> None:
    collector.failures = [failure, failure]
    with client(collector) as monitor:
        monitor.log("one")
        assert monitor.flush(10)
    assert [row["message"] for row in collector.rows("logs")] == ["one"]
    assert list(collector.attempts().values()) == [3]


def test_an_answer_lost_on_its_way_makes_no_second_row(collector: Collector) -> None:
    collector.failures = [Failure(0, keep=True)]
    with client(collector) as monitor:
        monitor.log("one")
        assert monitor.flush(10)
        monitor.log("two")
    assert [row["message"] for row in collector.rows("logs")] == ["one", "two"]
    assert sorted(collector.attempts().values()) == [1, 2]


def test_retry_after_is_honoured(collector: Collector) -> None:
    collector.failures = [Failure(429, {"Retry-After": "2"})]
    with client(collector) as monitor:
        monitor.log("one")
        assert monitor.flush(10)
    first, second = collector.requests
    assert 2.0 <= second.at - first.at < 4.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415])
def test_a_refusal_is_not_repeated(collector: Collector, status: int, caplog: pytest.LogCaptureFixture) -> None:
    collector.failures = [Failure(status, body="no")]
    with client(collector) as monitor:
        monitor.log("one")
        assert monitor.flush()
        assert monitor.dropped == 1
    assert len(collector.requests) == 1
    assert f"HTTP {status} no" in caplog.text


def test_rows_that_the_collector_names_are_logged_once(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    collector.answer = {"rejected": [{"index": 1, "error": "status: unknown"}]}
    root = logging.getLogger()
    with client(collector) as monitor:
        handler = MonitorHandler(monitor)
        root.addHandler(handler)
        try:
            monitor.log("good")
            monitor.log("bad", status="odd")
            assert monitor.flush()
            time.sleep(0.3)
        finally:
            root.removeHandler(handler)
        assert monitor.rejected == 1
    assert caplog.text.count("row 1: status: unknown") == 1
    assert len(collector.rows("logs")) == 2


def test_batches_hold_a_thousand_rows_and_one_mebibyte(collector: Collector) -> None:
    with client(collector, Limits(interval=60)) as monitor:
        for number in range(2500):
            monitor.metric("x", number)
        for _ in range(30):
            monitor.log("y" * 60_000)
        assert monitor.flush(10)
    metrics = [seen for seen in collector.requests if seen.path.endswith("metrics")]
    assert sum(len(seen.rows) for seen in metrics) == 2500
    assert max(len(seen.rows) for seen in collector.requests) == 1000
    assert max(seen.size for seen in collector.requests) <= 1 << 20
    assert [row["value"] for row in collector.rows("metrics")] == list(range(2500))
    assert {seen.encoding for seen in metrics if len(seen.rows) > 100} == {"gzip"}


@pytest.mark.parametrize(("drop", "kept"), [(Drop.OLDEST, range(900, 1000)), (Drop.NEWEST, range(100))])
def test_memory_is_bounded_while_the_collector_is_down(
    collector: Collector, drop: Drop, kept: range, caplog: pytest.LogCaptureFixture
) -> None:
    collector.down = True
    with client(collector, Limits(interval=60, queue_rows=100, drop=drop)) as monitor:
        for number in range(1000):
            monitor.metric("x", number)
            assert monitor._engine.held[0] <= 100
        assert monitor.dropped == 900
        collector.down = False
        assert monitor.flush()
    assert [row["value"] for row in collector.rows("metrics")] == list(kept)
    assert caplog.text.count("the queue is full") == 1


def test_the_bound_in_bytes_counts_what_is_in_flight(collector: Collector) -> None:
    collector.down = True
    limits = Limits(interval=0.01, queue_bytes=300_000, batch_bytes=100_000)
    monitor = client(collector, limits)
    for _ in range(2000):
        monitor.log("z" * 5000)
        assert monitor._engine.held[1] <= 300_000
    wait_until(lambda: bool(collector.requests))
    assert monitor.dropped > 1900
    monitor.close(0.1)


def test_reporting_takes_microseconds_whatever_the_collector_does(collector: Collector) -> None:
    collector.delay = 1.0
    with client(collector) as monitor:
        slowest = 0.0
        for number in range(2000):
            before = time.perf_counter()
            monitor.metric("x", number)
            slowest = max(slowest, time.perf_counter() - before)
        collector.delay = 0.0
        assert slowest < 0.5
        assert monitor.flush(10)


def test_rows_go_out_by_themselves(collector: Collector) -> None:
    with client(collector, Limits()) as monitor:
        monitor.log("one")
        wait_until(lambda: len(collector.rows("logs")) == 1, 3.0)


def test_heartbeats_are_sent_until_the_end_and_do_not_pile_up(collector: Collector) -> None:
    collector.down = True
    with client(collector) as monitor:
        monitor.start_heartbeats(0.05)
        time.sleep(0.6)
        assert monitor._engine.held[0] <= 2
        collector.down = False
        wait_until(lambda: len(collector.rows("heartbeats")) >= 4)
        monitor.heartbeat("busy", metrics={"memory_mb": 210, "odd": float("nan")})
    assert {"agent": "akira-001", "status": "busy", "metrics": {"memory_mb": 210}} in collector.rows("heartbeats")
    sent = len(collector.requests)
    time.sleep(0.2)
    assert len(collector.requests) == sent


def test_many_threads_lose_nothing(collector: Collector) -> None:
    with client(collector) as monitor:

        def report() -> None:
            for number in range(500):
                monitor.metric("x", number)

        work = [threading.Thread(target=report) for _ in range(8)]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        assert monitor.flush(10)
        assert monitor.dropped == 0
    assert len(collector.rows("metrics")) == 4000


async def test_the_async_client_sends_the_same(collector: Collector) -> None:
    collector.failures = [Failure(503), Failure(0)]
    async with aclient(collector) as monitor:
        async with monitor.run("review", task_type="code_review") as run:
            run.metric("latency_ms", 812)
        with pytest.raises(asyncio.CancelledError), monitor.run("stopped"):
            raise asyncio.CancelledError
        monitor.start_heartbeats(10)
        await asyncio.to_thread(monitor.log, "from another thread")
        assert await monitor.flush(10)
        assert monitor.dropped == 0
    logs = {row["message"]: row["status"] for row in collector.rows("logs")}
    assert logs == {"review": "success", "stopped: CancelledError: ": "error", "from another thread": "success"}
    assert len(collector.rows("metrics")) == len(collector.rows("heartbeats")) == 1
    assert max(collector.attempts().values()) >= 2


async def test_the_async_client_ends_in_time_when_the_collector_hangs(collector: Collector) -> None:
    collector.delay = 20.0
    monitor = aclient(collector)
    monitor.log("one")
    started = time.monotonic()
    assert not await monitor.flush(0.3)
    await monitor.close(0.3)
    assert time.monotonic() - started < 2.0
    assert monitor.dropped == 1


def test_after_close_nothing_is_sent_and_nothing_raises(collector: Collector) -> None:
    monitor = client(collector)
    monitor.log("one")
    monitor.close()
    monitor.close()
    monitor.log("two")
    monitor.heartbeat()
    assert monitor.flush(0.1)
    assert [row["message"] for row in collector.rows("logs")] == ["one"]
