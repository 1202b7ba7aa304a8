"""Four bodies of 64 MiB at once: what does not fit is told to come again, and memory stays bounded."""

import asyncio
import gzip
import io
import json

import aiohttp
import pytest

from tests.factories import TenantMade
from tests.stage import Program, Stage

BODY = 64 << 20
MOST = 1 << 30
ROUNDS = 8

pytestmark = pytest.mark.accept


def body() -> bytes:
    """Just under 64 MiB of log lines with long messages."""
    row = json.dumps({"agent": "akira-001", "kind": "line", "status": "success", "message": "x" * 60_000}).encode()
    return b"[" + b",".join([row] * (BODY // (len(row) + 1) - 1)) + b"]"


async def most_memory(collector: Program, sending: asyncio.Future[list[int]]) -> int:
    """The most that the process held while requests were under way."""
    most = 0
    while not sending.done():
        most = max(most, collector.memory())
        await asyncio.sleep(0.02)
    return most


async def post(session: aiohttp.ClientSession, data: bytes, headers: dict[str, str]) -> int:
    """One body; its status. A refusal may come before the body is sent."""
    headers = {"Content-Type": "application/json", **headers}
    async with session.post("/api/v1/logs", data=io.BytesIO(data), headers=headers) as answer:
        assert answer.status != 503 or "Retry-After" in answer.headers
        return answer.status


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_four_of_the_largest_bodies_at_once(stage: Stage, tenant: TenantMade, encoding: str) -> None:
    collector = await stage.collector().start()
    data = body()
    headers = {"Content-Encoding": encoding} if encoding else {}
    sent = gzip.compress(data, 1) if encoding else data
    timeout = aiohttp.ClientTimeout(total=120)
    peaks = []
    async with aiohttp.ClientSession(collector.url, headers=tenant.headers, timeout=timeout) as session:
        for _ in range(ROUNDS):
            sending = asyncio.gather(*(post(session, sent, headers) for _ in range(4)))
            peaks.append(await most_memory(collector, sending))
            statuses = sending.result()
            assert set(statuses) == {202, 503}, statuses
        async with session.post("/api/v1/logs", json={"agent": "akira-001", "status": "success"}) as answer:
            assert answer.status == 202
    print("most memory in each round, MB:", [peak >> 20 for peak in peaks])
    assert max(peaks) < MOST
    assert max(peaks[ROUNDS // 2 :]) < 1.25 * max(peaks[: ROUNDS // 2])
