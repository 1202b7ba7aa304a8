"""Real parts that a test needs and a machine may lack: a server, a browser, a load generator.

A server is looked for at an address in the environment, as a program on this machine, and in a container. Without
its part a test is left out, and the end of the run says which and why. Where AGENT_MONITOR_TEST_REQUIRE_ALL is set,
as in `.ci/run`, it fails instead.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

LEFT_OUT = "no real part: "
PREFIX = "AGENT_MONITOR_TEST_"
IMAGES = {
    "INFLUX": "influxdb:2.7.12",
    "POSTGRES": "pgvector/pgvector:0.8.1-pg17",
    "REDIS": "redis:7.4.2",
}
"""What containers are made of, as in docker-compose.yml, unless AGENT_MONITOR_TEST_<NAME>_IMAGE says otherwise."""


def setting(name: str, default: str = "") -> str:
    """What the environment says about the parts: AGENT_MONITOR_TEST_<name>."""
    return os.environ.get(PREFIX + name) or default


def image(name: str) -> str:
    """The image that a container of INFLUX, POSTGRES or REDIS is made of."""
    return setting(f"{name}_IMAGE", IMAGES[name])


def leave_out(reason: str) -> NoReturn:
    """The end of this test: left out, or failed where all parts are required."""
    if setting("REQUIRE_ALL"):
        pytest.fail(f"{reason}, and {PREFIX}REQUIRE_ALL is set")
    pytest.skip(f"{LEFT_OUT}{reason}")


def found(name: str) -> str | None:
    """The path of a program on PATH, or where only root's PATH leads."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin")


def program(name: str) -> str:
    """The same, or the end of this test."""
    return found(name) or leave_out(f"{name} is not on PATH")


@cache
def docker_runs() -> bool:
    """Whether a Docker engine answers here."""
    # In a process of its own: docker's client leaves sockets open when nobody answers.
    ask = [sys.executable, "-c", "import docker; docker.from_env(timeout=5).ping()"]
    return subprocess.run(ask, capture_output=True, check=False).returncode == 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """What only people can hand in."""
    parser.addoption("--seeds", type=Path, help="Folder of the five seed documents, to read them again.")


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> Path:
    """The folder of the seed documents, which a person hands in."""
    given: Path | None = request.config.getoption("--seeds")
    return given or leave_out("the seed documents are named by --seeds FOLDER")


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
