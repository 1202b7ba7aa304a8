"""The two senders: a daemon thread, or a task on the running loop. Everything they decide is in `engine`."""

import asyncio
import atexit
import contextlib
import encodings.idna  # noqa: F401  # see _Client.__init__
import os
import threading
import time
import weakref
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType

import httpx

from monitor.sdk.engine import Engine, Limits, Send, Stop, Wait
from monitor.sdk.reporter import Reporter
from monitor.sdk.surroundings import sending
from monitor.sdk.wire import Outcome, Request, pack

AT_EXIT = 5.0
"""Seconds that the end of the program may take for what is still queued."""

_OFF_LOOP = 64 << 10  # packing more than this would be felt by other tasks


class _Client(Reporter):
    """What both share: credentials, the last flush, and a clean start after a fork."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        agent: str | None = None,
        limits: Limits | None = None,
        timeout: float = 10.0,
    ) -> None:
        super().__init__(url, key=key, agent=agent, limits=limits, timeout=timeout)
        # What httpx and the sockets import when first used, they import here: a fork while the sender's thread
        # does it would leave the import locks locked in the child, for ever.
        self._tls = httpx.create_ssl_context()
        httpx.HTTPTransport(verify=self._tls).close()
        self._reset()
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            myself = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _forked(myself()))

    @abstractmethod
    def _reset(self) -> None:
        """Begin without a sender."""

    def _after_fork(self) -> None:
        # The parent sends what was queued before; locks may have been held by threads that are gone.
        self._engine = self._new_engine()
        self._reset()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", "User-Agent": "agent-monitor-sdk"}

    def _at_exit(self) -> None:
        with self.shield:
            self._finish(AT_EXIT)

    def _finish(self, seconds: float) -> None:
        """Send what is left, in this thread, for at most about `seconds`."""
        self._engine.close(time.monotonic() + seconds)
        self._open = False
        if not self._engine.idle:
            token = sending.set(True)
            self._send_all(self._engine, time.sleep, timeout=min(seconds, self._timeout))
            sending.reset(token)
        self._engine.abandon()

    def _send_all(self, engine: Engine, wait: Callable[[float], object], *, timeout: float) -> None:
        headers = self._headers()
        with httpx.Client(base_url=self._url, headers=headers, timeout=timeout, verify=self._tls) as client:
            while True:
                match engine.poll(time.monotonic()):
                    case Send(batch):
                        engine.settle(_post(client, pack(batch)), time.monotonic())
                        self._settled()
                    case Wait(seconds):
                        self._settled()
                        wait(3600.0 if seconds is None else seconds)
                    case Stop():
                        return

    def _settled(self) -> None:
        """Something was sent or given up."""


class Monitor(_Client):
    """The client for threads: one daemon thread sends. Also a context manager, which closes it."""

    def flush(self, timeout: float = AT_EXIT) -> bool:
        """Wait until everything queued so far is sent; False when `timeout` seconds did not suffice."""
        deadline = time.monotonic() + timeout
        self._engine.hurry()
        self._wake()
        with self._changed:
            done = self._changed.wait_for(lambda: self._engine.idle, timeout)
        return self._flush_telemetry(deadline - time.monotonic()) and done

    def close(self, timeout: float = AT_EXIT) -> None:
        """Flush, for at most `timeout` seconds, and stop. What comes later is not sent."""
        atexit.unregister(self._at_exit)
        self._flush_telemetry(timeout)
        self._at_exit_within(timeout)

    def __enter__(self) -> "Monitor":
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def _at_exit(self) -> None:
        self._at_exit_within(AT_EXIT)

    def _at_exit_within(self, seconds: float) -> None:
        with self.shield:
            thread = self._thread
            if thread is None or not thread.is_alive():
                self._finish(seconds)
                return
            self._open = False
            self._engine.close(time.monotonic() + seconds)
            self._event.set()
            thread.join(seconds)
            self._engine.abandon()

    def _reset(self) -> None:
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._event = threading.Event()
        self._changed = threading.Condition()

    def _wake(self) -> None:
        self._event.set()
        if self._thread is not None or not self._open:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="agent-monitor", daemon=True)
                # At the end of the program no thread can start: the last flush sends by itself.
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _work(self) -> None:
        sending.set(True)
        event, engine = self._event, self._engine

        def wait(seconds: float) -> None:
            event.wait(seconds)
            event.clear()

        while not engine.stopped:
            with self.shield:
                self._send_all(engine, wait, timeout=self._timeout)
            if not engine.stopped:  # an error that nobody foresaw; the rows are still there
                event.wait(1.0)

    def _settled(self) -> None:
        with self._changed:
            self._changed.notify_all()


class AsyncMonitor(_Client):
    """The client for asyncio: reporting is not awaited, only `flush` and `close` are. `async with` closes it."""

    async def flush(self, timeout: float = AT_EXIT) -> bool:
        """Wait until everything queued so far is sent; False when `timeout` seconds did not suffice."""
        self._engine.hurry()
        self._wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._engine.idle:
                    self._progress.clear()
                    await self._progress.wait()
        return await self._flush_telemetry_aside(timeout) and self._engine.idle

    async def close(self, timeout: float = AT_EXIT) -> None:
        """Flush, for at most `timeout` seconds, and stop. What comes later is not sent."""
        atexit.unregister(self._at_exit)
        await self._flush_telemetry_aside(timeout)
        self._engine.close(time.monotonic() + timeout)
        self._wake()
        self._open = False
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout)
            self._task.cancel()
            await asyncio.wait([self._task])
        self._engine.abandon()

    async def _flush_telemetry_aside(self, timeout: float) -> bool:
        return self._telemetry is None or await asyncio.to_thread(self._flush_telemetry, timeout)

    async def __aenter__(self) -> "AsyncMonitor":
        """The client itself."""
        self._wake()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    def _reset(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._event = asyncio.Event()
        self._progress = asyncio.Event()

    def _wake(self) -> None:
        if not self._open:
            return
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is None or self._loop.is_closed():
            if running is None:
                return  # the rows wait for a loop, or for the end of the program
            self._reset()
            self._loop = running
            self._task = running.create_task(self._work(), name="agent-monitor")
        with contextlib.suppress(RuntimeError):  # closed in between
            self._loop.call_soon_threadsafe(self._event.set)

    async def _work(self) -> None:
        sending.set(True)
        while not self._engine.stopped:
            with self.shield:
                await self._send_all_async(self._engine, self._event)
            if not self._engine.stopped:  # an error that nobody foresaw; the rows are still there
                await asyncio.sleep(1.0)

    async def _send_all_async(self, engine: Engine, event: asyncio.Event) -> None:
        headers, timeout, tls = self._headers(), self._timeout, self._tls
        async with httpx.AsyncClient(base_url=self._url, headers=headers, timeout=timeout, verify=tls) as client:
            while True:
                match engine.poll(time.monotonic()):
                    case Send(batch):
                        large = batch.size > _OFF_LOOP
                        request = await asyncio.to_thread(pack, batch) if large else pack(batch)
                        engine.settle(await _post_async(client, request), time.monotonic())
                        self._progress.set()
                    case Wait(seconds):
                        self._progress.set()
                        with contextlib.suppress(TimeoutError):
                            # Not `wait_for`: before Python 3.12 it can swallow a cancellation.
                            async with asyncio.timeout(seconds):
                                await event.wait()
                        event.clear()
                    case Stop():
                        return


def _post(client: httpx.Client, request: Request) -> Outcome:
    try:
        answer = client.post(request.path, content=request.content, headers=request.headers)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Outcome(None, error=_named(error))
    return _outcome(answer)


async def _post_async(client: httpx.AsyncClient, request: Request) -> Outcome:
    try:
        answer = await client.post(request.path, content=request.content, headers=request.headers)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Outcome(None, error=_named(error))
    return _outcome(answer)


def _outcome(answer: httpx.Response) -> Outcome:
    return Outcome(answer.status_code, answer.content, answer.headers.get("Retry-After"))


def _named(error: Exception) -> str:
    return str(error) or type(error).__name__


def _forked(client: _Client | None) -> None:
    if client is not None:
        client._after_fork()
