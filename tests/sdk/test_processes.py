"""What only a process of its own shows: the end of the program, forks, imports."""

import os
import subprocess
import sys
from pathlib import Path

from tests.sdk.collector import Collector

ROOT = Path(__file__).parents[2]


def run(code: str, collector: Collector | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python program, with the collector's address in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_MONITOR_")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    if collector is not None:
        environment |= {"AGENT_MONITOR_URL": collector.url, "AGENT_MONITOR_API_KEY": "am_test_secret"}
    program = [sys.executable, "-c", code] if not code.endswith(".py") else [sys.executable, code]
    return subprocess.run(
        [*program, *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_example_reports_everything_when_it_ends(collector: Collector) -> None:
    ended = run(str(Path(__file__).with_name("example_agent.py")), collector)
    assert (ended.returncode, ended.stderr) == (0, "")
    execution, line = sorted(collector.rows("logs"), key=lambda row: str(row["kind"]))
    assert (execution["kind"], execution["status"], execution["agent"]) == ("execution", "success", "akira-001")
    assert execution["details"]["tokens"] == {"input": 900, "output": 120}
    assert (line["kind"], line["level"], line["message"]) == ("line", "warning", "the diff is long")
    metrics = {row["metric"]: row["value"] for row in collector.rows("metrics")}
    assert metrics == {"latency_ms": 812, "tokens_input": 900, "tokens_output": 120}
    assert [row["status"] for row in collector.rows("heartbeats")] == ["active"]


def test_the_example_is_short_enough_for_the_readme() -> None:
    lines = Path(__file__).with_name("example_agent.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) < 15


def test_a_program_that_crashes_reports_its_crash(collector: Collector) -> None:
    code = "from monitor.sdk import Monitor\nwith Monitor(agent='a').run('job'): 1/0"
    ended = run(code, collector)
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr
    (row,) = collector.rows("logs")
    assert row["status"] == "error"
    assert row["message"] == "job: ZeroDivisionError: division by zero"
    assert "Traceback" in row["details"]["traceback"]


def test_an_async_program_that_forgot_to_close_loses_nothing(collector: Collector) -> None:
    code = (
        "import asyncio\nfrom monitor.sdk import AsyncMonitor\nm = AsyncMonitor(agent='a')\n"
        "async def main():\n    m.log('one'); await asyncio.sleep(0); m.log('two')\nasyncio.run(main())\nm.log('three')"
    )
    assert run(code, collector).returncode == 0
    assert [row["message"] for row in collector.rows("logs")] == ["one", "two", "three"]


def test_the_end_waits_five_seconds_at_most_for_a_dead_collector(collector: Collector) -> None:
    collector.down = True
    code = (
        "import time\nfrom monitor.sdk import Monitor\nm = Monitor(agent='a')\nm.log('x')\n"
        "import atexit; start = time.monotonic()\natexit._run_exitfuncs()\nprint(time.monotonic() - start)"
    )
    ended = run(code, collector)
    assert ended.returncode == 0
    assert 4.0 < float(ended.stdout) < 6.5
    assert "1 rows could not be sent" in ended.stderr


def test_an_end_within_a_hanging_request_is_bounded_too(collector: Collector) -> None:
    collector.delay = 20.0
    code = (
        "import time\nfrom monitor.sdk import Monitor\nm = Monitor(agent='a')\nm.log('x')\n"
        "start = time.monotonic()\nm.close(1.0)\nprint(time.monotonic() - start)"
    )
    ended = run(code, collector)
    assert ended.returncode == 0
    assert float(ended.stdout) < 2.0


def test_parent_and_child_of_a_fork_each_send_their_own_rows(collector: Collector) -> None:
    code = (
        "import os, sys, time\nfrom monitor.sdk import Monitor\nm = Monitor(agent='a')\n"
        "m.log('first'); m.flush(); m.log('before')\npid = os.fork()\n"
        "m.log('child' if pid == 0 else 'parent')\n"
        "if pid == 0: sys.exit(0 if m.flush() else 3)\n"
        "_, status = os.waitpid(pid, 0)\nassert m.flush()\nsys.exit(os.waitstatus_to_exitcode(status))"
    )
    ended = run(code, collector)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(row["message"] for row in collector.rows("logs")) == ["before", "child", "first", "parent"]


def test_a_fork_while_other_threads_hold_the_locks_does_not_hang(collector: Collector) -> None:
    code = """
import os, threading
from monitor.sdk import Monitor
from monitor.sdk.engine import Limits

# The parent's threads fight for the queue's lock, and never send: batches do not fill.
m = Monitor(agent="a", limits=Limits(interval=60, batch_rows=10**9, batch_bytes=10**9, queue_rows=1000))
end = False

def work():
    while not end:
        m.metric("x", 1)

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
codes = []
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        m.log("child")
        os._exit(0 if m.flush(10) else 3)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(codes, flush=True)
os._exit(0)
"""
    ended = run(code, collector)
    assert ended.stdout.strip() == str([0] * 20)
    assert len(collector.rows("logs")) == 20


def test_the_client_needs_httpx_and_nothing_else_of_the_project() -> None:
    code = (
        "import sys, monitor.sdk\n"
        "heavy = {'fastapi', 'sqlalchemy', 'psycopg', 'pydantic', 'msgspec', 'numpy', 'structlog', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)),\n"
        "  sorted(n for n in sys.modules if n.split('.')[0] in ('monitor', 'alerts')\n"
        "         and n != 'monitor' and not n.startswith('monitor.sdk')))"
    )
    assert run(code, None).stdout.strip() == "[] []"


def test_without_settings_the_program_runs_unmonitored_and_is_told_once() -> None:
    code = (
        "from monitor.sdk import Monitor\nm = Monitor()\nm.log('x'); m.start_heartbeats(1)\n"
        "with m.run('y'): pass\nprint(m.flush())"
    )
    ended = run(code, None)
    assert (ended.returncode, ended.stdout) == (0, "True\n")
    assert ended.stderr.count("nothing will be reported") == 1
    assert "AGENT_MONITOR_URL and AGENT_MONITOR_API_KEY" in ended.stderr
