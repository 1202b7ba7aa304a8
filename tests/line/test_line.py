"""How a line is read: by a table, by what InfluxDB's client writes, by InfluxDB itself, and by chance."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point

from monitor.errors import TooLarge
from monitor.ids import microseconds
from monitor.ingest.influx.line import Line, Unparsable, lines, parse
from monitor.ingest.influx.reader import Precision, Read, Reader
from monitor.ingest.values import Window
from tests.servers.fixtures import Influx

TENANT = UUID(int=1)
NANOSECONDS = Precision(1, 1000)
NOW = microseconds(datetime.now(UTC))
WINDOW = Window.of(NOW, retention=30 * 86_400.0)

GOOD = [
    r"cpu value=1",
    r"cpu,host=a value=1,b=2 1000",
    r"cpu,b=2,a=1 value=1",
    r"cpu  value=1   1000  ",
    "\tcpu value=1",
    r"a\ b\,c=d,t\,\ \=x=v\,\ \=y f\,\ \=g=1",
    r"back\slash,t=v\x,u=\\\,x f\y=1",
    r'm,t="quoted",u=a"b value=1',
    r'm s="",q="a \" b \\ c, d=e",n=1',
    'm s="two\nlines\n",n=1 1000',
    r'm s="a=b",t="c,d" 1000',
    r"m a=1i,b=-1i,c=9223372036854775807i,d=-9223372036854775808i",
    r"m f=1.5,g=-0.25,h=1e3,i=1E-3,j=1e+3,k=1.,l=.5,m=-.5,n=007",
    r"m a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE",
    r"temperatur,ort=Köln wert=21.5",
    r"m,t=1\ 2 v=1 -1",
    r"#comment",
    r"  # comment",
    r"",
    r"   ",
]
BAD = [
    (r"cpu", "missing fields"),
    (r"cpu ", "missing fields"),
    (r"cpu,", "missing tag key"),
    (r",a=b value=1", "missing measurement"),
    (r"cpu,a value=1", "missing tag value"),
    (r"cpu,a= value=1", "missing tag value"),
    (r"cpu,=b value=1", "missing tag key"),
    (r"cpu,,a=b value=1", "missing tag key"),
    (r"cpu,a=b, value=1", "missing tag key"),
    (r"cpu,a=b=c value=1", "invalid tag format"),
    (r"cpu,a=1,a=2 value=1", "duplicate tags"),
    (r"cpu,b=1,a=1,b=2 value=1", "duplicate tags"),
    (r"cpu value", "invalid field format"),
    (r"cpu value=", "missing field value"),
    (r"cpu =1", "missing field key"),
    (r"cpu a=1,=2", "missing field key"),
    (r"cpu a=1,b", "invalid field format"),
    (r"cpu a=,b=1", "missing field value"),
    (r"cpu a=x", "invalid boolean"),
    (r"cpu a=tru", "invalid boolean"),
    (r"cpu a=tRUE", "invalid boolean"),
    (r"cpu a=+1", "invalid boolean"),
    (r"cpu a=1_000", "invalid number"),
    (r"cpu a=1.2.3", "invalid number"),
    (r"cpu a=1.5i", "invalid number"),
    (r"cpu a=1ii", "invalid number"),
    (r"cpu a=-", "invalid number"),
    (r"cpu a=NaN", "invalid number"),
    (r"cpu a=nan", "invalid number"),
    (r"cpu a=-inf", "invalid number"),
    (r"cpu a=1e999", "invalid number"),
    (r"cpu a=9223372036854775808i", "unable to parse integer: value out of range"),
    (r"cpu a=-9223372036854775809i", "unable to parse integer: value out of range"),
    (r'cpu a="open', "unbalanced quotes"),
    (r"cpu a=1 1.5", "bad timestamp"),
    (r"cpu a=1 soon", "bad timestamp"),
    (r"cpu a=1 1 2", "bad timestamp"),
]


def told(line: str) -> str | None:
    """Why a line cannot be read; None where it can."""
    try:
        parse(line)
    except Unparsable as fault:
        return str(fault)
    return None


def test_good_lines_are_read_and_bad_ones_named() -> None:
    assert {line: told(line) for line in GOOD} == dict.fromkeys(GOOD)
    assert {line: told(line) for line, _ in BAD} == dict(BAD)


def test_the_parts_of_a_line() -> None:
    assert parse(r'a\ b,t\,=1\=2 f\ g="q\"\\n",h=7u,i=f  -5 ') == Line(
        r"a\ b,t\,=1\=2", "a b", {"t,": "1=2"}, [("f g", 'q"\\n'), ("h", 7), ("i", False)], -5
    )
    assert told(r"m a=18446744073709551616u") == "unable to parse unsigned: value out of range"
    assert told("m a=1\r") is None


def test_a_text_may_go_over_lines_and_an_open_one_ends_with_its_line() -> None:
    body = 'a b="x\ny",c=1 3\nd e=1\n\nf g="open\nh i=1\nj k="="'
    assert list(lines(body)) == ['a b="x\ny",c=1 3', "d e=1", "", 'f g="open\nh i=1\nj k="="']
    assert list(lines('f g="open\nh i=1')) == ['f g="open', "h i=1"]
    assert list(lines('a,t="x b=1\nc d=1')) == ['a,t="x b=1', "c d=1"]


_LETTERS = st.characters(exclude_characters="\0\n\r\t", exclude_categories=["Cs"])
NAMES = st.text(_LETTERS, min_size=1, max_size=12).filter(lambda name: not name.endswith("\\"))
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    measurement=NAMES.filter(lambda name: name[0] != "#"),
    tags=st.dictionaries(NAMES, NAMES, max_size=4),
    fields=st.dictionaries(NAMES, NUMBERS | TEXTS, min_size=1, max_size=4),
    at=st.none() | st.integers(-(2**62), 2**62),
)
@example(measurement="m", tags={}, fields={'="': 1, "x": '"\n'}, at=1)
@example(measurement="a\\,b", tags={"t\\=": "v\\ w"}, fields={"f\\,g": 1.0}, at=None)
@settings(max_examples=150, deadline=None)
def test_what_influxdb_client_writes_is_read_back_exactly(
    measurement: str, tags: dict[str, str], fields: dict[str, Any], at: int | None
) -> None:
    point = Point(measurement)
    for name, tag in tags.items():
        point.tag(name, tag)
    for name, value in fields.items():
        point.field(name, value)
    if at is not None:
        point.time(at)
    written = point.to_line_protocol()
    # Between two others: it neither takes from its neighbours nor gives to them.
    before, found, after = lines(f"before x=1\n{written}\nafter y=2")
    assert (before, after) == ("before x=1", "after y=2")
    line = parse(found)
    assert line is not None
    assert (line.measurement, line.tags, line.stamp) == (measurement, tags, at)
    assert dict(line.fields) == fields
    assert {name: type(value) for name, value in line.fields if isinstance(value, str | bool)} == {
        name: type(value) for name, value in fields.items() if isinstance(value, str | bool)
    }


PIECES = ["cpu", "host", "a", "value", "f", ",", "=", " ", "\n", '"', "\\", "1", "0", "7", ".", "-", "+", "_", "e", "i"]
PIECES += ["u", "t", "true", "\t", "\r", "#", "é", "٣", "\x85", "nan", "inf", "agent", "cpu,host=a ", " value=", "\0"]
PIECES += [f" {NOW}000", f" {NOW}999", "cpu,host=a value=1", "cpu,host=a f=2,value=", "\n#", "\ud800"]
SOUP = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
TAUGHT = "".join(f"cpu,host=a value={value},f=1 {NOW}000\n" for value in ("1", "1i", "t"))


def read(reader: Reader, body: bytes) -> Read:
    """A body, read now."""
    return reader.read(body, TENANT, precision=NANOSECONDS, default="b", window=WINDOW)


def plain(found: Read) -> Iterator[Any]:
    """What was read, in a form that can be compared."""
    yield [
        (draft.row, draft.shape.agent, draft.shape.metric, draft.shape.tags, draft.at_us, draft.value)
        for draft in found.points
    ]
    yield found.unparsable
    yield sorted(found.outcome.rejected)
    yield [(draft.row_index, draft.agent, draft.at_us, draft.message, draft.details) for draft in found.logs]


def check_alike(text: str) -> None:
    """What came before changes nothing: the fast way reads as the exact one does."""
    body = text.encode(errors="surrogatepass")
    fresh, taught = Reader(("agent", "host")), Reader(("agent", "host"))
    read(taught, TAUGHT.encode())
    first = list(plain(read(fresh, body)))
    assert list(plain(read(fresh, body))) == first
    assert list(plain(read(taught, body))) == first


@given(SOUP)
@example(f"cpu,host=a value=1_0 {NOW}000")
@example(f"cpu,host=a value=1\ti {NOW}000")
@example(f"cpu,host=a value=1٣3 {NOW}000")
@example(f"cpu,host=a value=+1 {NOW}000\ncpu,host=a value=nan {NOW}000")
@example(f"cpu,host=a value=1 {NOW}_000")
@example('cpu,host=a f="a b=1\n" 1')
@settings(max_examples=300, deadline=None)
def test_lines_by_chance_are_read_the_same_fast_and_exact(text: str) -> None:
    check_alike(text)


@pytest.mark.accept
def test_long_fuzzing_neither_crashes_nor_grows() -> None:
    reader = Reader(("agent", "host"))

    @given(st.binary(max_size=300) | SOUP.map(lambda text: text.encode(errors="surrogatepass")))
    @settings(max_examples=10_000, deadline=None)
    def by_chance(body: bytes) -> None:
        try:
            found = read(reader, body)
        except TooLarge:
            return
        assert found.lines >= len({index for index, _ in found.unparsable})

    by_chance()
    tracemalloc.start()
    try:
        # Heads that are never seen again: what is remembered of them has an end.
        for number in range(40):
            read(reader, "\n".join(f"m,host=h{number}x{n} value=1 {NOW}000" for n in range(2000)).encode())
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 200 << 20


async def test_influxdb_itself_takes_and_refuses_the_same_lines(influx: Influx) -> None:
    async with httpx.AsyncClient(base_url=influx.url, headers={"Authorization": f"Token {influx.token}"}) as client:
        orgs = (await client.get("/api/v2/orgs", params={"org": influx.org})).json()["orgs"]
        made = await client.post(
            "/api/v2/buckets", json={"orgID": orgs[0]["id"], "name": influx.bucket, "retentionRules": []}
        )
        assert made.status_code == 201, made.text
        answers = {}
        for number, line in enumerate([*GOOD, *(bad for bad, _ in BAD)]):
            # A measurement of its own for each, since a field has one type in InfluxDB.
            own = line if line.lstrip().startswith(("#", ",")) or not line.strip() else f"n{number}{line.lstrip()}"
            query = {"org": influx.org, "bucket": influx.bucket}
            answers[line] = (await client.post("/api/v2/write", params=query, content=own.encode())).status_code
    assert {line for line, status in answers.items() if status != 204} == {bad for bad, _ in BAD}
    assert set(answers.values()) == {204, 400}
    kept = await asyncio.to_thread(_stored, influx)
    ours: dict[tuple[str, str], Any] = {}
    for number, line in enumerate(GOOD):
        if (known := parse(line)) is not None:
            ours |= {(f"n{number}{known.measurement}", name): (known.tags, value) for name, value in known.fields}
    assert kept == ours


def _stored(influx: Influx) -> dict[tuple[str, str], Any]:
    """Tags and value of every field in the bucket, by measurement and field."""
    found: dict[tuple[str, str], Any] = {}
    with InfluxDBClient(influx.url, token=influx.token, org=influx.org) as client:
        span = "start: 1960-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z"
        for table in client.query_api().query(f'from(bucket: "{influx.bucket}") |> range({span})'):
            for record in table.records:
                own = {"result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"}
                tags = {name: value for name, value in record.values.items() if name not in own}
                value = record.get_value()
                if value is None or isinstance(value, str):
                    # CSV, in which answers come, has no empty text and ends lines in its own way.
                    value = (value or "").replace("\r\n", "\n")
                found[record.get_measurement(), record.get_field()] = (tags, value)
    return found
