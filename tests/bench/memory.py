"""The collector's memory after 1 and after 10 million points in 1,000-point batches."""

from datetime import UTC, datetime, timedelta

from tests.bench.client import closed, request
from tests.bench.figure import Figure
from tests.bench.metrics import CONNECTIONS
from tests.bench.traffic import POINTS, Batches
from tests.factories import make_tenant
from tests.stage import Stage


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Resident memory of the process, read every 50 batches."""
    first, last = (200_000, 1_000_000) if quick else (1_000_000, 10_000_000)
    tenant = await make_tenant(stage.db)
    collector = await stage.collector().start()
    at_start = collector.memory()
    batches = Batches(datetime.now(UTC) - timedelta(minutes=4))
    readings: list[tuple[int, int]] = []

    def make() -> bytes:
        return request(collector.url, "/api/v1/metrics", tenant.key, batches.body())

    def until(sent: int) -> bool:
        if sent % 50 == 0:
            readings.append((sent * POINTS, collector.memory()))
        return sent * POINTS >= last

    load = await closed(collector.url, make, connections=CONNECTIONS, until=until)
    load.expect(202)
    early = [size for points, size in readings if first <= points < first * 1.2]
    late = [size for points, size in readings if points >= last * 0.95]
    before, after = sum(early) / len(early), sum(late) / len(late)
    return [
        Figure("at the start", at_start / 1e6, "MB"),
        Figure(f"after {first // 1000:,}k points", before / 1e6, "MB"),
        Figure(f"after {last // 1000:,}k points", after / 1e6, "MB"),
        Figure("growth between them", after / before, least=0.9, most=1.1),
        Figure("most at any time", max(size for _points, size in readings) / 1e6, "MB", most=250),
        Figure("points over HTTP meanwhile", load.rate * POINTS, "/s"),
    ]
