"""One process that a test runs: started, waited for, killed and started again at the same address."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from monitor.pgbinaries import Account

START_SECONDS = 60.0
STOP_SECONDS = 60.0


def free_port() -> int:
    """A TCP port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A program with its words, its environment and its log. `answers` says when it is ready."""

    cwd: Path | None = None
    account: Account | None = None

    def __init__(self, words: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        """Nothing runs before `start`. Without `env`, the environment is ours."""
        self.words = list(words)
        self.env = None if env is None else dict(env)
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    async def answers(self) -> bool:
        """Whether it is ready."""
        return True

    async def start(self) -> Self:
        """Run it, and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - forking takes no time that anybody waits for
                self.words,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        await self.ready()
        return self

    async def ready(self, *, seconds: float = START_SECONDS) -> None:
        """Wait until it answers. AssertionError when it ended, or took too long."""
        deadline = time.monotonic() + seconds
        while not await self.answers():
            self.check()
            assert time.monotonic() < deadline, f"not ready after {seconds} s: {self.said()}"
            await asyncio.sleep(0.05)

    def check(self) -> None:
        """Fail if it ended by itself."""
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.said()}"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it and its children at once, as a crash does."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        process.send_signal(signal.SIGKILL)
        process.wait()

    async def stop(self) -> int:
        """Ask it to end, and return its exit code. Killed after a minute."""
        if self.process is None:
            return 0
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = await asyncio.to_thread(self.process.wait, STOP_SECONDS)
            self.process = None
            return code
        self.kill()
        return -signal.SIGKILL

    def memory(self) -> int:
        """Bytes that the process and its children hold in memory now."""
        root = psutil.Process(self.pid)
        return sum(int(process.memory_info().rss) for process in [root, *root.children(recursive=True)])

    def said(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
