"""Whatever a program reports, it gets a row or a count, and never an exception."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sdk import Monitor, MonitorHandler
from monitor.sdk.engine import Limits
from monitor.sdk.values import cut, encode, finite
from tests.sdk.collector import Collector


class Hostile:
    """Raises wherever it can."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __float__(self) -> float:
        raise RuntimeError("no")


@pytest.fixture
def monitor(collector: Collector) -> Iterator[Monitor]:
    """A client that sends at once."""
    with Monitor(collector.url, key="k", agent="a", limits=Limits(interval=0.01)) as running:
        yield running


def details(value: object) -> Any:
    return json.loads(encode({"details": {"x": value}}))["details"]["x"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (True, True),
        (None, None),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (1 << 70, "an integer of 71 bits"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, {2}), [1, [2]]),
        ({1: "a", (2, 3): "b"}, {"1": "a", "(2, 3)": "b"}),
        (object, "<class 'object'>"),
        (b"raw", "b'raw'"),
        ("half \ud800 pair", "half ? pair"),
    ],
)
def test_every_value_becomes_json(value: object, kept: object) -> None:
    assert details(value) == kept


def test_values_without_end_end() -> None:
    cycle: dict[str, object] = {"name": "loop"}
    cycle["again"] = [cycle, cycle]
    assert details(cycle)["name"] == "loop"
    assert len(encode({"details": {"x": list(range(10**6))}})) < 100_000
    assert details(10**5000) == "an integer of 16610 bits"
    assert "Hostile" in details(Hostile())


@given(
    st.recursive(
        st.none() | st.text() | st.floats() | st.binary(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_structure_is_valid_json(value: object) -> None:
    assert json.loads(encode({"details": value, "agent": "a"}))["agent"] == "a"


def test_long_text_is_cut_and_says_how_much() -> None:
    assert cut("x" * 64_000) == "x" * 64_000
    assert cut("x" * 70_000).endswith("… [6040 characters cut]")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1),
        (True, 1),
        (2.5, 2.5),
        (np.float64(3), 3.0),
        (float("nan"), None),
        ("x", None),
        (1 << 64, None),
        (None, None),
    ],
)
def test_only_finite_numbers_are_metrics(value: object, number: float | None) -> None:
    assert finite(value) == number


def test_no_call_raises(collector: Collector, monitor: Monitor, caplog: pytest.LogCaptureFixture) -> None:
    bad: Any = Hostile()
    monitor.log(bad)
    monitor.log("ok", details={"x": bad})
    monitor.log("ok", details=bad)
    monitor.metric("x", bad)
    monitor.metric("x", float("nan"))
    monitor.metric("x", 1, tag=bad)
    monitor.heartbeat(bad, metrics=bad)
    monitor.start_heartbeats(bad)
    with monitor.run("work", weird=bad) as run:
        run.metric("y", bad)
        run.tokens(input=bad, output=bad, model=bad)
        run.detail(more=bad)
    assert monitor.flush()
    assert monitor.rejected >= 1
    assert "work" in [row["message"] for row in collector.rows("logs")]
    assert caplog.text.count("could not be reported") == 1


def test_a_row_without_an_agent_is_counted(collector: Collector) -> None:
    with Monitor(collector.url, key="k", agent="") as monitor:
        monitor.log("x")
        monitor.log("y", agent="named")
    assert monitor.rejected == 1
    assert [row["agent"] for row in collector.rows("logs")] == ["named"]


@pytest.mark.parametrize(
    ("url", "key"), [("nonsense", "k"), ("http://", "k"), ("http://x", "k\ny"), ("http://[", "k"), ("http://x", "ключ")]
)
def test_unusable_settings_disable_and_do_not_raise(url: str, key: str) -> None:
    with Monitor(url, key=key, agent="a") as monitor:
        monitor.log("x")
        assert monitor.flush(0.1)


def test_log_records_become_lines(collector: Collector, monitor: Monitor) -> None:
    logger = logging.getLogger("agent.work")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler = MonitorHandler(monitor, level=logging.INFO)
    logger.addHandler(handler)
    try:
        logger.debug("too quiet")
        logger.info("step %d", 3, extra={"pr": 7, "odd": Hostile()})
        logger.warning("misfit %d", "x")
        logger.warning("%s", Hostile())
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            logger.exception("failed")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    assert monitor.flush()
    info, misfit, failed = collector.rows("logs")
    assert (info["kind"], info["level"], info["status"], info["message"]) == ("line", "info", "success", "step 3")
    assert (info["details"]["logger"], info["details"]["pr"]) == ("agent.work", 7)
    assert misfit["message"] == "misfit %d ('x',)"
    assert (failed["level"], failed["status"]) == ("error", "error")
    assert "ZeroDivisionError" in failed["details"]["traceback"]


def test_the_root_logger_at_debug_makes_no_loop(collector: Collector) -> None:
    root = logging.getLogger()
    level = root.level
    with Monitor(collector.url, key="k", agent="a", limits=Limits(interval=0.01)) as monitor:
        handler = MonitorHandler(monitor)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            logging.getLogger("work").info("one")
            assert monitor.flush()
            threads = {str(row["details"].get("thread")) for row in collector.rows("logs")}
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
    assert "agent-monitor" not in threads
    assert [row["message"] for row in collector.rows("logs") if row["details"]["logger"] == "work"] == ["one"]
