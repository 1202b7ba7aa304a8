"""Real parts that a test needs and a machine may lack: a browser, a load generator.

Without its part a test is left out, and the end of the run says which and why. Where
AGENT_MONITOR_TEST_REQUIRE_ALL is set, as in `.ci/run`, it fails instead.
"""

import os
import shutil

import pytest

LEFT_OUT = "no real part: "


def program(name: str) -> str:
    """The path of a program on PATH, or the end of this test: left out, or failed where all parts are required."""
    path = shutil.which(name)
    if path is not None:
        return path
    if os.environ.get("AGENT_MONITOR_TEST_REQUIRE_ALL"):
        pytest.fail(f"{name} is not on PATH, and AGENT_MONITOR_TEST_REQUIRE_ALL is set")
    pytest.skip(f"{LEFT_OUT}{name} is not on PATH")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out for want of a real part, or that nothing was."""
    reports = terminalreporter.stats.get("skipped", [])
    left_out: dict[str, list[str]] = {}
    for report in reports:
        _before, found, reason = str(report.longrepr).partition(LEFT_OUT)
        if found:
            left_out.setdefault(reason.rstrip("')"), []).append(report.nodeid)
    terminalreporter.section("left out for want of a real part")
    if not left_out:
        terminalreporter.line("nothing")
    for reason, tests in sorted(left_out.items()):
        terminalreporter.line(f"{reason}: {len(tests)}")
        for test in sorted(tests):
            terminalreporter.line(f"  {test}")
