"""The guard of `outbound` for libraries that connect by themselves, with sockets of Python's, in whatever thread.

The interpreter announces every connection before it is made (PEP 578). While work is guarded, what it announces is
checked, so that a connection goes to exactly what was checked; nothing else in the process is affected.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from ipaddress import ip_address
from typing import Any

from monitor.http.outbound import Allowed, Refused

_SENDS = frozenset(["socket.connect", "socket.sendto", "socket.sendmsg"])
_STARTS = frozenset(["subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.startfile"])

_guard: ContextVar["Guard | None"] = ContextVar("guard", default=None)


class Guard:
    """What one piece of work may do. `refused`: the first thing that it was not let do."""

    def __init__(self, allowed: Allowed) -> None:
        """`allowed`: what is not public and may be reached all the same."""
        self.refused: Refused | None = None
        self._allowed = allowed
        self._host = ""

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """One announcement of the interpreter's. Raises Refused, and what was announced does not come about."""
        if event == "socket.getaddrinfo":
            self._host = str(args[0])
        elif event in _SENDS or event in _STARTS:
            try:
                self._check(event, args)
            except Refused as error:
                self.refused = self.refused or error
                raise

    def _check(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _STARTS:
            raise Refused("it would start a program")
        address = args[1]
        if address is None:  # the socket is connected: that was checked
            return
        if not isinstance(address, tuple):
            raise Refused("the address is not on the Internet")
        try:
            ip_address(str(address[0]))
        except ValueError:
            raise Refused("the address was not looked up before") from None
        self._allowed.check_resolved(self._host, [str(address[0])])


@contextmanager
def guarded(allowed: Allowed) -> Iterator[Guard]:
    """Guard what is done inside, and what is handed to threads with this context."""
    _listen()
    guard = Guard(allowed)
    token = _guard.set(guard)
    try:
        yield guard
    finally:
        _guard.reset(token)


@cache
def _listen() -> None:
    """Once in a process: the interpreter knows no way to stop listening."""
    sys.addaudithook(_hear)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event.startswith(("socket.", "subprocess.", "os.")) and (guard := _guard.get()) is not None:
        guard.hear(event, args)
