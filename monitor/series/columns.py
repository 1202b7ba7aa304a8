"""Columns in numpy: decoded from PostgreSQL's binary arrays, ragged ones among them, and cut into runs.

Ragged: many short arrays kept as one long one and their lengths. The binary format is that of monitor/arrays.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from sqlalchemy.ext.asyncio import AsyncConnection

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
Cursor = psycopg.AsyncCursor[tuple[Any, ...]]

_HEADER = 20
EPOCH_2000_US = 946_684_800_000_000
"""PostgreSQL counts microseconds from then."""
_ELEMENT = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float8": ">f8", "timestamptz": ">i8"}
_ARRAYS = tuple(psycopg.adapters.types[name].array_oid for name in _ELEMENT)


class _RawLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class _TimeLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return int.from_bytes(data, signed=True) + EPOCH_2000_US


def cursor(connection: psycopg.AsyncConnection[Any]) -> Cursor:
    """A cursor in binary format.

    It leaves arrays to `column` and `Ragged.load`; times come as microseconds since the epoch.
    """
    made = connection.cursor(binary=True)
    for oid in _ARRAYS:
        made.adapters.register_loader(oid, _RawLoader)
    made.adapters.register_loader("timestamptz", _TimeLoader)
    return made


async def driver(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection under a SQLAlchemy one, inside the same transaction."""
    raw: Any = await connection.get_raw_connection()
    found: psycopg.AsyncConnection[Any] = raw.driver_connection
    return found


def column(data: bytes | None, name: str) -> npt.NDArray[Any]:
    """The array of a binary array of type `name` without nulls; timestamps in Unix microseconds. None is empty."""
    return _flat((data or b"")[_HEADER:], name)


def _flat(body: bytes, name: str) -> npt.NDArray[Any]:
    element = np.dtype(_ELEMENT[name])
    values = np.frombuffer(body, np.dtype([("length", ">i4"), ("value", element)]))["value"]
    native = values.astype(element.newbyteorder("="))
    return native + EPOCH_2000_US if name == "timestamptz" else native


@dataclass(frozen=True, slots=True)
class Ragged:
    """Arrays of various lengths, end to end in `flat`; `lengths[i]` belongs to row i."""

    flat: npt.NDArray[Any]
    lengths: Int

    @classmethod
    def load(cls, data: Sequence[bytes], name: str) -> "Ragged":
        """From binary arrays of type `name` without nulls."""
        size = 4 + np.dtype(_ELEMENT[name]).itemsize
        bodies = [item[_HEADER:] for item in data]
        lengths = np.fromiter((len(body) // size for body in bodies), np.int64, len(bodies))
        return cls(_flat(b"".join(bodies), name), lengths)

    @property
    def ends(self) -> Int:
        """Where each row ends in `flat`."""
        return np.cumsum(self.lengths)

    @property
    def starts(self) -> Int:
        """Where each row starts in `flat`."""
        return self.ends - self.lengths

    @property
    def rows(self) -> Int:
        """The row of each element of `flat`."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def runs(keys: npt.NDArray[Any]) -> Int:
    """Where each run of equal neighbours starts: with sorted keys, the groups for `reduceat`."""
    if not len(keys):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))


def run_lengths(starts: Int, total: int) -> Int:
    """The length of each run that `runs` found among `total` keys."""
    return np.diff(np.append(starts, total))
