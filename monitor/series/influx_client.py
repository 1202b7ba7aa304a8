"""InfluxDB over HTTP: influxdb-client's asynchronous API with our errors, our limits and bound parameters.

A query's parameters travel beside its text, as the `extern` syntax tree of the query API, never inside it. What comes
back is annotated CSV (https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/), which influxdb-client
would turn into an object a row: here it becomes columns.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException

from monitor.errors import SeriesDown
from monitor.series.columns import Float, Int

WRITE_TIMEOUT = 5.0
QUERY_TIMEOUT = 30.0
REQUEST_BYTES = 250_000
CONNECTIONS = 20
_LARGE = 200_000
_MICROSECONDS: Any = "us"  # typed as a class of constants that it is not
_PERMANENT = frozenset({400, 413, 422})
_MISSING = {401: "refuses the token", 403: "refuses the token", 404: "has no such organization or bucket"}


class Refusal(Exception):
    """InfluxDB will never take this request as it is. `message` is the server's."""

    def __init__(self, message: str) -> None:
        """`message` names what is wrong."""
        super().__init__(message)
        self.message = message


class Denied(SeriesDown):
    """InfluxDB wants another token, organization or bucket: it goes on once somebody has set that right."""

    def __init__(self, message: str, status: int) -> None:
        """`status` is that of the answer: 401, 403 or 404."""
        super().__init__(message, retry_after=5.0)
        self.status = status


def trust(ca: str | None) -> ssl.SSLContext:
    """How a server's certificate is looked at: signed by these authorities (PEM; None: the system's), for its name."""
    return ssl.create_default_context(cadata=ca)


class Buckets(NamedTuple):
    """The names of the buckets: one for each length of time that something is kept."""

    raw: str
    minute: str
    hour: str
    day: str

    @classmethod
    def of(cls, prefix: str) -> "Buckets":
        """`prefix` is the setting INFLUX_BUCKET."""
        return cls(*(f"{prefix}_{level}" for level in cls._fields))


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows of one result as columns of undecoded text, in the order in which they came."""

    columns: Mapping[str, list[bytes]]

    def ints(self, name: str) -> Int:
        """Whole numbers."""
        return np.fromiter(map(int, self.columns[name]), np.int64, len(self))

    def floats(self, name: str) -> Float:
        """Numbers; NaN where there is none."""
        return np.fromiter((float(item or b"nan") for item in self.columns[name]), np.float64, len(self))

    def times(self, name: str) -> Int:
        """RFC 3339 in UTC as microseconds since the epoch."""
        texts = [item[:-1] for item in self.columns[name]]
        return np.array(texts, np.bytes_).astype("datetime64[us]").astype(np.int64)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


class Influx:
    """One server and organization. The connections are made at first use, on the loop that runs then."""

    def __init__(self, url: str, *, token: str, org: str, bucket: str, ca: str | None = None) -> None:
        """`bucket` is the first part of every bucket's name; `ca` as in `trust`. Nothing is sent yet."""
        self.buckets = Buckets.of(bucket)
        self.org = org
        self._url = url
        self._token = token
        self._ca = ca
        self._client: InfluxDBClientAsync | None = None

    @property
    def client(self) -> InfluxDBClientAsync:
        """influxdb-client's own, for what has no method here; see `answering`."""
        if self._client is None:
            # Each call has a limit of its own.
            self._client = InfluxDBClientAsync(
                self._url, self._token, self.org, timeout=600_000, connection_pool_maxsize=CONNECTIONS,
                ssl_context=trust(self._ca),
            )  # fmt: skip
        return self._client

    async def answers(self) -> bool:
        """Whether the server can be reached at all."""
        try:
            async with answering(WRITE_TIMEOUT):
                return bool(await self.client.ping())
        except (SeriesDown, Refusal):
            return False

    async def close(self) -> None:
        """End all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def write(self, bucket: str, lines: bytes) -> None:
        """Write line protocol with times in microseconds; large bodies in several requests, all at once. No two lines
        may be of one series and time: which of them would win is open.

        Raises SeriesDown when it may succeed later; some of it may be written then. Raises Refusal when some of it
        never will: what can be written is written, unless the message is of lines that could not be read.
        """
        # All are waited for: none may still be on its way when the caller goes on.
        done = await asyncio.gather(*(self._write(bucket, part) for part in _parts(lines)), return_exceptions=True)
        refusals = [fault.message for fault in done if isinstance(fault, Refusal)]
        for fault in done:
            if isinstance(fault, BaseException) and not isinstance(fault, Refusal):
                raise fault
        if refusals:
            raise Refusal("; ".join(refusals))

    async def _write(self, bucket: str, part: bytes) -> None:
        async with answering(WRITE_TIMEOUT):
            await self.client.write_api().write(bucket, self.org, part, write_precision=_MICROSECONDS)

    async def query(self, flux: str, **params: object) -> dict[str, Frame]:
        """The results of a query by the names of their `yield`. Results without rows are absent.

        `params` are bound: each is a variable of the query. Raises SeriesDown whatever goes wrong.
        """
        try:
            async with answering(QUERY_TIMEOUT):
                text = await self.client.query_api().query_raw(flux, self.org, params=dict(params))
        except Refusal as fault:
            raise SeriesDown(f"InfluxDB does not answer a query: {fault.message}") from fault
        body = text.encode()
        return await asyncio.to_thread(parse, body) if len(body) > _LARGE else parse(body)

    async def delete(self, bucket: str, start: str, stop: str, *, predicate: str) -> None:
        """Delete the points of a span, given as RFC 3339. Values in `predicate` must be our own."""
        async with answering(QUERY_TIMEOUT):
            await self.client.delete_api().delete(start, stop, predicate, bucket=bucket, org=self.org)


@contextlib.asynccontextmanager
async def answering(timeout: float) -> AsyncIterator[None]:
    """Ask for something within so many seconds. Raises SeriesDown and Refusal for what goes wrong."""
    try:
        async with asyncio.timeout(timeout):
            yield
    except ApiException as fault:
        raise _of_status(fault) from fault
    except (aiohttp.ClientError, InfluxDBError, TimeoutError, OSError) as fault:
        raise SeriesDown(f"InfluxDB does not answer: {str(fault) or type(fault).__name__}") from fault


def _of_status(fault: ApiException) -> SeriesDown | Refusal:
    said = _message(fault.body) or str(fault.reason)
    if fault.status in _PERMANENT:
        return Refusal(said)
    if fault.status in _MISSING:
        return Denied(f"InfluxDB {_MISSING[fault.status]} ({said}): see agent-monitor doctor", fault.status)
    return SeriesDown(f"InfluxDB answers {fault.status}: {said}")


def _message(body: Any) -> str | None:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, TypeError, KeyError):
        return None


def _parts(lines: bytes) -> list[bytes]:
    """Cut at ends of lines: aiohttp sends a body in one go, and past a megabyte the loop would feel it."""
    parts, low = [], 0
    while len(lines) - low > REQUEST_BYTES:
        high = lines.rfind(b"\n", low, low + REQUEST_BYTES)
        if high <= low:
            break
        parts.append(lines[low:high])
        low = high + 1
    return [*parts, lines[low:]]


def parse(body: bytes) -> dict[str, Frame]:
    """Columns by result. For results without text of callers: nothing in them is quoted. Raises SeriesDown for an
    error that came instead of rows, as happens when a query fails half way."""
    found: dict[str, dict[str, list[bytes]]] = {}
    result = ""
    for block in body.split(b"\r\n\r\n"):
        lines = block.strip(b"\r\n").split(b"\r\n")
        at = 0
        while at < len(lines) and lines[at].startswith(b"#"):
            if lines[at].startswith(b"#default,"):
                result = lines[at].split(b",")[1].decode()
            at += 1
        names = lines[at].decode().split(",") if at < len(lines) else [""]
        if "error" in names:
            raise SeriesDown(f"InfluxDB gave up on a query: {b' '.join(lines[at + 1 :]).decode()}")
        tokens = b",".join(lines[at + 1 :]).split(b",") if at + 1 < len(lines) else []
        columns = found.setdefault(result, {name: [] for name in names if name not in ("", "result", "table")})
        for place, name in enumerate(names):
            if name in columns:
                columns[name] += tokens[place :: len(names)]
    return {name: Frame(columns) for name, columns in found.items() if any(columns.values())}
