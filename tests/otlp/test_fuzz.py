"""Bodies that nobody meant, to both decoders and all that follows them: no crash, no 500, no growing memory.

What is drawn are requests of every shape, as they are and damaged: cut off, with bytes or pieces changed, doubled or
taken out, and mere bytes. `make test` draws some hundred; `make accept` goes on for ten minutes.
"""

import gc
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import psutil
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.db import Database
from monitor.errors import TooLarge, Unreadable
from monitor.ingest.normalise.events import steps_of_logs
from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.otlp import lines, points, protocol
from monitor.ingest.otlp.logs import logs
from monitor.ingest.otlp.metrics import metrics
from monitor.ingest.otlp.protocol import METRICS, SIGNALS, TRACES, Encoding, Signal
from monitor.ingest.otlp.traces import spans
from monitor.ingest.payloads import Outcome
from monitor.ingest.values import Window
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting
from tests.otlp import strategies
from tests.otlp.asking import post
from tests.otlp.requests import spelled

TENANT = UUID(int=1)
MESSAGES: dict[str, st.SearchStrategy[Message]] = {
    "traces": strategies.traces, "metrics": strategies.metrics, "logs": strategies.logs,
}  # fmt: skip
DECODING_SECONDS, POSTING_SECONDS = 70.0, 30.0
"""For each signal in each encoding: together ten minutes."""
MORE_MEMORY = 48 << 20
CASES = pytest.mark.parametrize(
    ("signal", "encoding"),
    [(signal, encoding) for signal in SIGNALS for encoding in Encoding],
    ids=lambda value: value.name.lower(),
)


def bodies(signal: Signal, encoding: Encoding) -> st.SearchStrategy[bytes]:
    """Good bodies, damaged ones, and what is none."""
    good = MESSAGES[signal.name].map(lambda message: spelled(message, encoding.value))
    return st.one_of(good, good, damaged(good), damaged(good), st.binary(max_size=60))


@st.composite
def damaged(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """A body with up to four damages."""
    body = bytearray(draw(good))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(body)))
        end = min(len(body), place + draw(st.integers(0, 8)))
        match draw(st.sampled_from(["cut", "change", "double", "take", "literal"])):
            case "cut":
                del body[place:]
            case "change":
                body[place:end] = draw(st.binary(min_size=end - place, max_size=end - place))
            case "double":
                body[place:place] = body[place:end]
            case "take":
                del body[place:end]
            case _:
                body[place:end] = draw(st.sampled_from([b"null", b"-1", b"1e400", b'"NaN"', b"{}", b"[[", b"\xff"]))
    return bytes(body)


def go_through(signal: Signal, encoding: Encoding, body: bytes, memory: points.Memory) -> None:
    """All that a request goes through before the database. Whatever is refused is refused by its own error."""
    now_us = strategies.NOW // 1000
    window, outcome = Window.of(now_us, retention=30 * 86_400.0), Outcome()
    try:
        message, form = protocol.read(signal, body, encoding)
        made: Any
        if signal is TRACES:
            made = steps_of_spans(spans(message, form, outcome).values()).steps
        elif signal is METRICS:
            made = points.convert(
                metrics(message, form), tenant_id=TENANT, window=window, memory=memory, outcome=outcome
            )
        else:
            records = logs(message, form)
            made = [lines.drafts(records, window, outcome), steps_of_logs(records).steps]
    except (Unreadable, TooLarge):
        return
    msgspec.json.encode(made)
    protocol.success(signal, outcome, encoding)


def check_decoding(signal: Signal, encoding: Encoding, examples: int, memory: points.Memory) -> None:
    """Draw so many bodies and send each through."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies(signal, encoding))
    def check(body: bytes) -> None:
        go_through(signal, encoding, body, memory)

    check()


def drawn(signal: Signal, encoding: Encoding, count: int) -> list[bytes]:
    """So many bodies."""
    made: list[bytes] = []

    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(bodies(signal, encoding))
    def collect(body: bytes) -> None:
        made.append(body)

    collect()
    return made


async def check_posting(api: Collector, signal: Signal, encoding: Encoding, count: int) -> None:
    """Post so many bodies: each is taken or refused, and never a fault of ours."""
    for body in drawn(signal, encoding, count):
        answer = await post(api, signal.path, body, encoding.value)
        assert answer.status_code in {200, 400}, (body, answer.status_code, answer.content)
        assert answer.headers["content-type"] == encoding.value


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


@CASES
def test_decoders_take_or_refuse_whatever_comes(signal: Signal, encoding: Encoding) -> None:
    check_decoding(signal, encoding, 100, points.Memory())


@CASES
async def test_the_routes_take_or_refuse_whatever_comes(api: Collector, signal: Signal, encoding: Encoding) -> None:
    await check_posting(api, signal, encoding, 40)


@pytest.mark.accept
@CASES
def test_decoders_take_or_refuse_whatever_comes_and_keep_no_memory(signal: Signal, encoding: Encoding) -> None:
    process, memory = psutil.Process(), points.Memory()
    check_decoding(signal, encoding, 1000, memory)
    gc.collect()
    before, deadline = process.memory_info().rss, time.monotonic() + DECODING_SECONDS
    while time.monotonic() < deadline:
        check_decoding(signal, encoding, 1000, memory)
    gc.collect()
    assert process.memory_info().rss - before < MORE_MEMORY


@pytest.mark.accept
@CASES
async def test_the_routes_take_or_refuse_whatever_comes_for_long(
    api: Collector, signal: Signal, encoding: Encoding
) -> None:
    deadline = time.monotonic() + POSTING_SECONDS
    while time.monotonic() < deadline:
        await check_posting(api, signal, encoding, 200)
