"""Line protocol into PostgreSQL in 1,000-point batches, against the same points as JSON, in turns."""

import itertools
from datetime import UTC, datetime, timedelta

from tests.bench.client import Load, closed, lasting, request
from tests.bench.figure import Figure
from tests.bench.metrics import CONNECTIONS, over_http
from tests.bench.traffic import GROUPS, POINTS, STEPS, TAGS, Batches, names
from tests.factories import TenantMade, make_tenant
from tests.stage import Program, Stage


class Lines:
    """The bodies of `Batches` as line protocol."""

    def __init__(self, batches: Batches) -> None:
        """`batches` gives the times."""
        self._batches = batches
        self._numbers = itertools.count()
        self._bodies = [_body(group) for group in range(GROUPS)]

    def body(self) -> bytes:
        """The next one."""
        number = next(self._numbers)
        body = self._bodies[number % GROUPS]
        for step, at_us in enumerate(self._batches.times_us(number)):
            body = body.replace(b"\0%d\0" % step, b"%d000" % at_us)
        return body


def _body(group: int) -> bytes:
    tags = "".join(f",{name}={value}" for name, value in TAGS.items())
    lines = [
        f"{metric},agent={agent}{tags} value={number + step / 8 + 0.5} \0{step}\0"
        for number, (agent, metric) in enumerate(names(group))
        for step in range(STEPS)
    ]
    return "\n".join(lines).encode()


async def _written(collector: Program, tenant: TenantMade, lines: Lines, seconds: float) -> Load:
    def make() -> bytes:
        return request(collector.url, "/api/v2/write?org=o&bucket=b", tenant.key, lines.body())

    load = await closed(collector.url, make, connections=CONNECTIONS, until=lasting(seconds))
    load.expect(204)
    return load


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Both ways in turns, so that a busy machine hurts both alike."""
    rounds, seconds = (2, 2.0) if quick else (4, 5.0)
    tenant = await make_tenant(stage.db)
    collector = await stage.collector().start()
    now = datetime.now(UTC)
    batches, lines = Batches(now - timedelta(minutes=2)), Lines(Batches(now - timedelta(minutes=4)))
    await over_http(collector, tenant, batches, 1.0)
    await _written(collector, tenant, lines, 1.0)
    rates, json_rates, latencies = [], [], []
    for _ in range(rounds):
        json_rates.append((await over_http(collector, tenant, batches, seconds)).rate * POINTS)
        load = await _written(collector, tenant, lines, seconds)
        rates.append(load.rate * POINTS)
        latencies.append(load.percentile(99) * 1000)
    mean, base = sum(rates) / rounds, sum(json_rates) / rounds
    return [
        Figure("points as line protocol", mean, "/s"),
        Figure("the same points as JSON", base, "/s"),
        Figure("ratio", mean / base, least=0.8),
        Figure("p99 of a batch", max(latencies), "ms"),
    ]
