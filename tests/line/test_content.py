"""What lines of line protocol become: points, tags, agents, log lines."""

from collections.abc import AsyncIterator

import pytest

from monitor.db import Database
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting
from tests.line.test_write import LOGS, expect_refused, ns, points, write


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def test_commas_spaces_and_equals_signs_are_escaped(api: Collector) -> None:
    answer = await write(api, r"a\,b\ c=d,agent=x\,y\ z\=,k\=1\,\ =v\=2\,\ \3 f\,\ \=g=1,value=2")
    assert answer.status_code == 204
    tags = {"k=1, ": r"v=2, \3"}
    assert await points(api) == [("x,y z=", "a,b c=d", tags, 2.0), ("x,y z=", "a,b c=d_f, =g", tags, 1.0)]


async def test_same_series_and_time_merge_and_the_last_wins(api: Collector, clock: SettableClock) -> None:
    at = ns(clock, -5)
    await write(api, f"m,agent=a,t=1 x=1,y=1 {at}\nm,t=1,agent=a x=2 {at}")
    await write(api, f"m,agent=a,t=1 y=3 {at}")
    assert [(point[1], point[3]) for point in await points(api)] == [("m_x", 2.0), ("m_y", 3.0)]


async def test_lines_without_a_time_keep_their_order_and_all_are_kept(api: Collector) -> None:
    await write(api, "m,agent=a value=1\nm,agent=a value=2\n\nm,agent=a value=3")
    assert [point[3] for point in await points(api)] == [1.0, 2.0, 3.0]


async def test_texts_become_one_searchable_log_line(api: Collector, clock: SettableClock) -> None:
    at = ns(clock, -5)
    body = f'review,agent=akira,level=error error="no \\"diff\\",\nat all",path="C:\\\\x",tokens=12i {at}'
    # A line that is sent again is the same line.
    for _ in range(2):
        assert (await write(api, body)).status_code == 204
    log = await api.one(LOGS)
    fields = {"error": 'no "diff",\nat all', "path": "C:\\x"}
    assert log["details"] == {"measurement": "review", "tags": {"level": "error"}, "fields": fields}
    assert (log["kind"], log["status"], log["level"]) == ("line", "error", "error")
    assert log["message"] == 'review: error=no "diff",\nat all, path=C:\\x'
    assert await points(api) == [("akira", "review_tokens", {"level": "error"}, 12.0)]


async def test_a_field_named_message_is_the_message(api: Collector) -> None:
    await write(api, 'syslog,host=box,severity=warning message="disk full",facility="kern"')
    log = await api.one(LOGS)
    assert (log["message"], log["status"], log["kind"]) == ("disk full", "success", "line")


async def test_a_text_over_64_kilobytes_is_cut_and_the_answer_says_so(api: Collector) -> None:
    answer = await write(api, f'm,agent=a text="{"x" * 70_000}"')
    assert answer.status_code == 204
    assert answer.headers["x-agent-monitor-warning"].startswith("2: line 1: message: cut by")
    assert len((await api.one(LOGS))["message"]) < 66_000


async def test_integers_past_2_53_are_flagged(api: Collector) -> None:
    answer = await write(api, f"m,agent=a value={2**53 + 1}i,ok={2**53}i")
    assert answer.status_code == 204
    assert answer.headers["x-agent-monitor-warning"] == (
        "1: line 1: value: an integer past 2^53, kept as the nearest float 9007199254740992.0"
    )
    assert [point[3] for point in await points(api)] == [2.0**53, 2.0**53]


async def test_names_that_are_reserved(api: Collector) -> None:
    message = expect_refused(await write(api, "_m,agent=a x=1\nm,agent=a _x=1,y=2"), 422, "unprocessable entity")
    assert "line 1: _m: names that begin with _ are reserved; line 2: _x: names that begin" in message
    # Those of tags are ours, and get another name, as labels of other protocols do.
    await write(api, "m,agent=a,tenant=t,_z=1 w=3")
    kept = sorted(await points(api), key=lambda point: point[3])
    assert [point[1:] for point in kept] == [("m_y", {}, 2.0), ("m_w", {"tenant_": "t", "x_z": "1"}, 3.0)]


async def test_names_longer_than_the_longest_are_refused(api: Collector) -> None:
    message = expect_refused(await write(api, f"{'m' * 70_000},agent=a x=1"), 422, "unprocessable entity")
    assert "1 to 200 characters are expected" in message
    tags = "".join(f",t{number}=1" for number in range(40))
    assert "at most 32" in expect_refused(await write(api, f"m,agent=a{tags} x=1"), 422, "unprocessable entity")


async def test_bytes_that_are_no_text_cost_their_line_only(api: Collector) -> None:
    message = expect_refused(await write(api, b"m,agent=a,t=\xff x=1\nm,agent=\xc3\xa9 x=2"), 400, "invalid")
    assert "not valid UTF-8 (line 1)" in message
    assert [point[0] for point in await points(api)] == ["é"]


async def test_which_tags_name_the_agent_is_a_setting(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(line_agent_tags=("bot", "host"))) as api:
        await write(api, "m,bot=akira,host=box value=1\nm,host=box value=2\nm,agent=sol,bot=b value=3")
        kept = sorted((await points(api)), key=lambda point: point[3])
        assert [(point[0], point[2]) for point in kept] == [
            ("akira", {"host": "box"}),
            ("box", {}),
            ("b", {"agent_": "sol"}),
        ]
