"""Columns for PostgreSQL: what is sent is what the database reads."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from monitor import arrays
from monitor.db import Database

ONE, TWO = UUID(int=1), UUID(int=2**128 - 1)
NOON = datetime(2026, 3, 29, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "made", "read"),
    [
        ("smallint", arrays.int2s([-(2**15), 0, 7]), [-(2**15), 0, 7]),
        ("smallint", arrays.int2s_of(np.array([-1, 2], np.int16)), [-1, 2]),
        ("integer", arrays.int4s(np.array([-(2**31), 2**31 - 1])), [-(2**31), 2**31 - 1]),
        ("bigint", arrays.int8s(np.array([-(2**63), 2**63 - 1])), [-(2**63), 2**63 - 1]),
        ("bigint", arrays.int8s_or_null([None, -1]), [None, -1]),
        ("float8", arrays.float8s(np.array([-0.5, 1e300, float("inf")])), [-0.5, 1e300, float("inf")]),
        ("float8", arrays.float8s_or_null([1.5, None, -2]), [1.5, None, -2.0]),
        ("timestamptz", arrays.times(np.array([0])), [datetime(1970, 1, 1, tzinfo=UTC)]),
        ("timestamptz", arrays.times_or_null([None, 1]), [None, datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]),
        (
            "timestamptz",
            arrays.moments([NOON, None, NOON.astimezone(timezone(timedelta(hours=9)))]),
            [NOON, None, NOON],
        ),
        ("uuid", arrays.uuids([ONE, ONE, TWO]), [ONE, ONE, TWO]),
        ("uuid", arrays.uuids_or_null([None, TWO]), [None, TWO]),
        ("text", arrays.texts(["", None, "NULL", "{ä,\"\U0001f41d}"]), ["", None, "NULL", "{ä,\"\U0001f41d}"]),
        ("jsonb", arrays.jsonbs([b'{"a": [1, null]}', None]), [{"a": [1, None]}, None]),
    ],
)  # fmt: skip
async def test_what_is_sent_is_what_is_read(db: Database, kind: str, made: arrays.Array, read: list[Any]) -> None:
    assert await _read(db, kind, made) == read


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint", "float8", "timestamptz", "uuid", "text", "jsonb"])
async def test_nothing_is_an_array_too(db: Database, kind: str) -> None:
    none = np.zeros(0, np.int64)
    empty: dict[str, arrays.Array] = {
        "smallint": arrays.int2s([]), "integer": arrays.int4s(none), "bigint": arrays.int8s(none),
        "float8": arrays.float8s_or_null([]), "timestamptz": arrays.moments([]), "uuid": arrays.uuids([]),
        "text": arrays.jsons([]), "jsonb": arrays.jsonbs([]),
    }  # fmt: skip
    assert await _read(db, kind, empty[kind]) == []


async def test_objects_are_sent_as_json(db: Database) -> None:
    objects: list[object] = [{"at": NOON, "who": ONE, "said": 'a "quoted"\nline', "n": 2**53}, [], None]
    said = await _read(db, "text", arrays.jsons(objects))
    assert [json.loads(one) for one in said] == [
        {"at": "2026-03-29T12:00:00.123456Z", "who": str(ONE), "said": 'a "quoted"\nline', "n": 2**53},
        [],
        None,
    ]


async def test_json_that_the_database_holds_is_read_whole(db: Database) -> None:
    said = '[123456789012345678901234567890, 0.1, 1e400, -1e400, "ä\\n", {"a": null}]'
    async with db.alerter() as connection:
        read = (await connection.execute(text("SELECT CAST(:said AS jsonb)"), {"said": said})).scalar_one()
    assert read == [123456789012345678901234567890, 0.1, 10**400, -(10**400), "ä\n", {"a": None}]


async def _read(db: Database, kind: str, made: arrays.Array) -> list[Any]:
    async with db.alerter() as connection:
        rows = await connection.execute(
            text(f"SELECT one FROM unnest(CAST(:made AS {kind}[])) WITH ORDINALITY AS _ (one, place) ORDER BY place"),
            {"made": made},
        )
        return list(rows.scalars())
