"""A thousand malformed requests: each is a 4xx or a named row, none a 500, and good rows beside bad ones are kept."""

import gzip
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting

GOOD: dict[str, dict[str, Any]] = {
    "logs": {"agent": "good", "status": "success", "message": "fine", "details": {"a": 1}},
    "metrics": {"agent": "good", "metric": "m", "value": 1.5, "tags": {"env": "prod"}},
    "heartbeats": {"agent": "good", "status": "active", "metrics": {"cpu": 0.5}},
}
LITERALS = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 30, "9" * 500, "9" * 5000, "-0", "1e-400", "true", "null",
    "[]", "{}", '""', '"text"', '"\\ud800"', '"\\u0000"', '"0000-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999Z"',
    '"2026-02-30T00:00:00Z"', '"2026-01-01T00:00:00"', '"2026-01-01T25:00:00Z"', "253402300800", "-1", "1e308",
    "[" * 10 + "]" * 10, '{"a":' * 10 + "1" + "}" * 10, "[" * 5000 + "]" * 5000, '{"a":' * 2000 + "1" + "}" * 2000,
    '"' + "x" * 300 + '"', '{"":""}', '{"\\u0000":"\\u0000"}', '["a", 1, null]', '"\\ud83d"', "99999999999999999999",
]  # fmt: skip
FIELDS = {
    "logs": ["agent", "kind", "status", "message", "details", "started_at", "completed_at", "duration", "id", "level",
             "timestamp", "surprise"],
    "metrics": ["agent", "metric", "value", "unit", "kind", "timestamp", "tags", "metrics", "surprise"],
    "heartbeats": ["agent", "status", "metrics", "interval", "timestamp", "tags", "surprise"],
}  # fmt: skip


def spoiled(route: str, dice: random.Random) -> bytes:
    """A row with one to three fields that are wrong, or strange."""
    row = {key: json.dumps(value) for key, value in GOOD[route].items()}
    for field in dice.sample(FIELDS[route], dice.randint(1, 3)):
        row[field] = dice.choice(LITERALS)
    return ("{" + ",".join(f'"{key}":{value}' for key, value in row.items()) + "}").encode()


def broken(route: str, dice: random.Random) -> bytes:
    """A row that is not JSON, or not UTF-8."""
    raw = bytearray(json.dumps(GOOD[route]).encode())
    match dice.randrange(4):
        case 0:
            return bytes(raw[: dice.randrange(1, len(raw) - 1)])
        case 1:
            raw[raw.index(b"good") + 1] = dice.choice([0xFF, 0xC3, 0x80])
        case 2:
            raw[raw.index(b":")] = 0x3B
        case _:
            return b"[" * dice.choice([10, 100_000])
    return bytes(raw)


def beside_good_ones(route: str, dice: random.Random) -> tuple[bytes, str, int]:
    """A spoiled row between two good ones, in an array or as lines: both are to be kept."""
    good = json.dumps(GOOD[route]).encode()
    if dice.random() < 0.5:
        return b"[" + b",".join([good, spoiled(route, dice), good]) + b"]", "application/json", 2
    bad = dice.choice([spoiled, broken])(route, dice)
    return b"\n".join([good, bad, good]), "application/x-ndjson", 2


def alone(route: str, dice: random.Random) -> tuple[bytes, str, int]:
    """A body that is bad as a whole."""
    good = json.dumps([GOOD[route]] * 3).encode()
    bodies: list[Callable[[], bytes]] = [
        lambda: good[: dice.randrange(0, len(good) - 1)],
        lambda: b"\xff\xfe" + good,
        lambda: b"[" * 100_000,
        lambda: b'{"a":' * 50_000,
        lambda: b"[" + broken(route, dice) + b"]",
        lambda: spoiled(route, dice),
        lambda: bytes(dice.randrange(256) for _ in range(60)),
        lambda: good + good,
        lambda: good.decode().encode("utf-16"),
    ]
    return dice.choice(bodies)(), dice.choice(["application/json", "text/plain", "application/x-ndjson"]), 0


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


@pytest.mark.parametrize("seed", range(10))
async def test_malformed_requests_are_named_and_never_a_500(api: Collector, seed: int) -> None:
    dice = random.Random(seed)
    bombs = 0
    for number in range(100):
        route = dice.choice(sorted(GOOD))
        body, media, good = dice.choice([beside_good_ones, beside_good_ones, alone])(route, dice)
        headers = {"Content_Type": media}
        if dice.random() < 0.1:
            headers["Content_Encoding"] = "gzip"
            body = gzip.compress(body)
            if bombs == 0:
                body, good, bombs = gzip.compress(bytes(70 << 20), 1), 0, 1
            elif dice.random() < 0.5:
                body, good = body[: len(body) // 2], 0
        answer = await api.post(route, body, **headers)
        context = f"{seed}/{number} {route} {media} {body[:300]!r} {answer.text[:300]}"
        assert answer.status_code == 202 or 400 <= answer.status_code < 500, context
        if answer.status_code in {202, 422}:
            said = answer.json()
            assert said["accepted"] >= good, context
            assert said["rejected"] or said["accepted"], context
            assert all(row["error"] for row in said["rejected"]), context
        else:
            assert good == 0, context
            assert answer.json()["detail"], context
    assert (await api.post("logs", GOOD["logs"])).json() == {"accepted": 1, "rejected": []}


async def test_what_was_kept_can_be_read(api: Collector) -> None:
    dice = random.Random(99)
    for _ in range(60):
        await api.post("logs", b"[" + b",".join(spoiled("logs", dice) for _ in range(5)) + b"]")
    rows = await api.rows("SELECT message, details, started_at, completed_at FROM agent_logs")
    assert len(rows) > 10
    assert all("\0" not in (row["message"] or "") for row in rows)
