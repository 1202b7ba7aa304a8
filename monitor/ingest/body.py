"""Reading bodies: within a budget of bytes over all requests, and decompressed no further than the limit."""

import zlib
from types import TracebackType
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from monitor.errors import Full, TooLarge, Unreadable, UnsupportedMedia
from monitor.ingest.metrics import IngestMetrics

_PIECE = 256 * 1024
_GZIP, _ZLIB, _RAW = 31, 15, -15


class Disconnected(ClientDisconnect):
    """The client went away before its body was complete: there is nobody to answer."""


class Budget:
    """Bytes of bodies in work over all requests: what does not fit is answered 503 and not read."""

    def __init__(self, limit: int, metrics: IngestMetrics) -> None:
        """`limit` in bytes."""
        self._limit = limit
        self._used = 0
        self._metrics = metrics

    def take(self, size: int) -> None:
        """Take bytes, or raise Full."""
        if self._used + size > self._limit:
            raise Full("too much is being taken in at this moment", retry_after=1)
        self._used += size

    def give(self, size: int) -> None:
        """Give bytes back."""
        self._used -= size

    def lease(self) -> "Lease":
        """An account of one request."""
        return Lease(self)

    @property
    def used(self) -> int:
        """Bytes in work now."""
        return self._used


class Lease:
    """What one request has taken of the budget; given back at the end of the `with` block."""

    __slots__ = ("_budget", "_held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0

    def hold(self, size: int) -> None:
        """Hold at least `size` bytes from now on. Raises Full."""
        if size > self._held:
            self._budget.take(size - self._held)
            self._held = size

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None) -> None:
        self._budget.give(self._held)
        self._held = 0


class _Sink(Protocol):
    def add(self, piece: bytes) -> None: ...
    def end(self) -> bytes: ...


class _Plain:
    def __init__(self, lease: Lease, limit: int) -> None:
        self._lease, self._limit = lease, limit
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise _too_large(self._limit)
        self._lease.hold(self._size)
        self._parts.append(piece)

    def end(self) -> bytes:
        return b"".join(self._parts)


class _Inflate:
    """gzip (members one after the other) or deflate (with zlib's header, or bare as some clients send it)."""

    def __init__(self, out: _Plain, *, gzip: bool) -> None:
        self._out = out
        self._gzip = gzip
        self._engine = zlib.decompressobj(_GZIP) if gzip else None

    def add(self, piece: bytes) -> None:
        try:
            self._add(piece)
        except zlib.error as fault:
            raise Unreadable(f"the compressed body is damaged: {fault}") from None

    def _add(self, piece: bytes) -> None:
        while piece:
            if self._engine is None:
                # zlib's header: method 8 in the low bits of the first byte.
                self._engine = zlib.decompressobj(_ZLIB if piece[0] & 0x0F == 8 else _RAW)
            elif self._engine.eof:
                if not self._gzip:
                    raise Unreadable("the compressed body is damaged: something follows its end")
                self._engine = zlib.decompressobj(_GZIP)
            made = self._engine.decompress(piece, _PIECE)
            self._out.add(made)
            piece = self._engine.unconsumed_tail or self._engine.unused_data
            # All input may be taken while output is still to come.
            while len(made) == _PIECE and not piece and not self._engine.eof:
                made = self._engine.decompress(b"", _PIECE)
                self._out.add(made)

    def end(self) -> bytes:
        if self._engine is None or not self._engine.eof:
            raise Unreadable("the compressed body is cut off")
        return self._out.end()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes after decompression")


def _sink(encoding: str, lease: Lease, limit: int) -> _Sink:
    plain = _Plain(lease, limit)
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return plain
    if encoding in {"gzip", "x-gzip"}:
        return _Inflate(plain, gzip=True)
    if encoding == "deflate":
        return _Inflate(plain, gzip=False)
    raise UnsupportedMedia(f"the content encoding {encoding[:40]!r} is none of gzip, deflate, identity")


async def read(receive: Receive, lease: Lease, *, limit: int, encoding: str, length: str | None) -> bytes:
    """The whole body, decompressed. `length` is its Content-Length, taken from the budget before anything is read.

    Raises TooLarge past `limit` bytes (counted after decompression), Full when the budget does not hold it.
    """
    sink = _sink(encoding, lease, limit)
    if length is not None and length.isascii() and length.isdigit():
        announced = int(length[:20])
        if announced > limit:
            raise _too_large(limit)
        lease.hold(announced)
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        if piece := message.get("body", b""):
            sink.add(piece)
        if not message.get("more_body", False):
            return sink.end()


async def read_start(receive: Receive, size: int) -> bytes:
    """The first `size` bytes of a body; the rest is read and dropped."""
    kept = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        if len(kept) < size:
            kept += message.get("body", b"")[: size - len(kept)]
        if not message.get("more_body", False):
            return kept
