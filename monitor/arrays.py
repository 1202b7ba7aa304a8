"""Arrays in PostgreSQL's binary format, made with numpy or one join: what makes bulk writes cheap.

The format (array_send in PostgreSQL's arrayfuncs.c): int32 dimensions, int32 has-null flag, int32 element type, then
for each dimension int32 length and int32 lower bound, then each element as int32 byte length (-1: null) and its
bytes. All integers are big-endian.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from monitor.ids import microseconds

_HEADER = struct.Struct("!iIIii").pack
_LENGTH = struct.Struct("!i").pack
_INT8 = struct.Struct("!iq").pack
_FLOAT8 = struct.Struct("!id").pack
_INT2 = struct.Struct("!ih").pack
_NULL = _LENGTH(-1)
_json = msgspec.json.Encoder().encode
_SIXTEEN = _LENGTH(16)
_WIDE = np.dtype([("length", ">i4"), ("bits", ">u8")])
# PostgreSQL counts microseconds from 2000-01-01.
_EPOCH = microseconds(datetime(2000, 1, 1, tzinfo=UTC))


class Array:
    """One encoded array."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Int2s(Array):
    """smallint[]"""


class Int4s(Array):
    """integer[]"""


class Int8s(Array):
    """bigint[]"""


class Float8s(Array):
    """double precision[]"""


class Times(Array):
    """timestamptz[]"""


class Uuids(Array):
    """uuid[]"""


class Texts(Array):
    """text[]"""


class Jsonbs(Array):
    """jsonb[]"""


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        data: bytes = obj.data
        return data


def _dumper(array_oid: int) -> type[_ArrayDumper]:
    return type(f"_ArrayDumper{array_oid}", (_ArrayDumper,), {"oid": array_oid})


# Type numbers are fixed in PostgreSQL's pg_type.dat.
_DUMPERS: tuple[tuple[type[Array], type[_ArrayDumper]], ...] = (
    (Int2s, _dumper(1005)),
    (Int4s, _dumper(1007)),
    (Int8s, _dumper(1016)),
    (Float8s, _dumper(1022)),
    (Times, _dumper(1185)),
    (Uuids, _dumper(2951)),
    (Texts, _dumper(1009)),
    (Jsonbs, _dumper(3807)),
)


def register(connection: psycopg.AsyncConnection[Any]) -> None:
    """Teach one connection to send these arrays. Cheap, and safe to repeat."""
    for kind, dumper in _DUMPERS:
        connection.adapters.register_dumper(kind, dumper)


def _whole(element: int, count: int, body: bytes) -> bytes:
    if count == 0:
        return struct.pack("!iII", 0, 0, element)
    return _HEADER(1, 1, element, count, 1) + body


def _wide(element: int, values: npt.NDArray[np.int64] | npt.NDArray[np.float64], layout: str) -> bytes:
    packed = np.empty(len(values), dtype=_WIDE)
    packed["length"] = 8
    packed["bits"] = values.astype(layout).view(">u8")
    return _whole(element, len(values), packed.tobytes())


def _narrow(element: int, values: npt.NDArray[Any], layout: str) -> bytes:
    packed = np.empty(len(values), dtype=[("length", ">i4"), ("value", layout)])
    packed["length"] = packed.dtype["value"].itemsize
    packed["value"] = values
    return _whole(element, len(values), packed.tobytes())


def int2s_of(values: npt.NDArray[np.int16]) -> Int2s:
    """smallint[] from a numpy column."""
    return Int2s(_narrow(21, values, ">i2"))


def int4s(values: npt.NDArray[np.int64]) -> Int4s:
    """integer[] from a numpy column whose values fit 32 bits."""
    return Int4s(_narrow(23, values, ">i4"))


def int8s(values: npt.NDArray[np.int64]) -> Int8s:
    """bigint[] from a numpy column."""
    return Int8s(_wide(20, values, ">i8"))


def float8s(values: npt.NDArray[np.float64]) -> Float8s:
    """double precision[] from a numpy column."""
    return Float8s(_wide(701, values, ">f8"))


def times(at_us: npt.NDArray[np.int64]) -> Times:
    """timestamptz[] from a numpy column of microseconds since 1970."""
    return Times(_wide(1184, at_us - _EPOCH, ">i8"))


def int8s_or_null(values: Sequence[int | None]) -> Int8s:
    """bigint[] with nulls."""
    return Int8s(_whole(20, len(values), b"".join([_NULL if v is None else _INT8(8, v) for v in values])))


def times_or_null(at_us: Sequence[int | None]) -> Times:
    """timestamptz[] with nulls, from microseconds since 1970."""
    body = b"".join([_NULL if at is None else _INT8(8, at - _EPOCH) for at in at_us])
    return Times(_whole(1184, len(at_us), body))


def moments(values: Sequence[datetime | None]) -> Times:
    """timestamptz[] with nulls, from aware datetimes."""
    return times_or_null([None if at is None else microseconds(at) for at in values])


def float8s_or_null(values: Sequence[float | None]) -> Float8s:
    """double precision[] with nulls."""
    body = b"".join([_NULL if value is None else _FLOAT8(8, value) for value in values])
    return Float8s(_whole(701, len(values), body))


def int2s(values: Iterable[int]) -> Int2s:
    """smallint[]"""
    parts = [_INT2(2, value) for value in values]
    return Int2s(_whole(21, len(parts), b"".join(parts)))


def uuids(values: Iterable[UUID]) -> Uuids:
    """uuid[]"""
    parts: list[bytes] = []
    last, part = None, b""
    for value in values:
        # Columns often repeat one object, as that of a tenant.
        if value is not last:
            last, part = value, _SIXTEEN + value.bytes
        parts.append(part)
    return Uuids(_whole(2950, len(parts), b"".join(parts)))


def uuids_or_null(values: Sequence[UUID | None]) -> Uuids:
    """uuid[] with nulls"""
    body = b"".join([_NULL if value is None else _SIXTEEN + value.bytes for value in values])
    return Uuids(_whole(2950, len(values), body))


def texts(values: Sequence[str | None]) -> Texts:
    """text[] with nulls. The values must hold neither NUL nor lone surrogates."""
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            raw = value.encode()
            parts.append(_LENGTH(len(raw)))
            parts.append(raw)
    return Texts(_whole(25, len(values), b"".join(parts)))


def jsons(values: Iterable[object]) -> Texts:
    """text[] of JSON, for what is cast to jsonb: datetimes as RFC 3339, UUIDs as text."""
    made = [_json(value) for value in values]
    return Texts(_whole(25, len(made), b"".join([_LENGTH(len(raw)) + raw for raw in made])))


def jsonbs(values: Sequence[bytes | None]) -> Jsonbs:
    """jsonb[] with nulls, from encoded JSON without `\\u0000`."""
    # A value is its format's version, 1, and the text.
    body = b"".join([_NULL if v is None else _LENGTH(len(v) + 1) + b"\x01" + v for v in values])
    return Jsonbs(_whole(3802, len(values), body))
