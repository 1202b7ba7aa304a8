"""StatsD's lines, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.statsd.lines import Key, Line, Type, parse
from monitor.ingest.values import Fault


def key(kind: Type, name: str = "a.b", agent: str = "statsd", **tags: str) -> Key:
    return Key(kind, agent, name, tuple(sorted(tags.items())))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a.b:1|c", Line(key(Type.COUNTER), (1.0,), False, 1.0, None)),
        ("a.b:-2.5|c|@0.1", Line(key(Type.COUNTER), (-2.5,), False, 0.1, None)),
        ("a.b:320|ms", Line(key(Type.TIMER), (320.0,), False, 1.0, None)),
        ("a.b:1:2:3|ms|@0.5", Line(key(Type.TIMER), (1.0, 2.0, 3.0), False, 0.5, None)),
        ("a.b:7|g", Line(key(Type.GAUGE), (7.0,), False, 1.0, None)),
        ("a.b:+7|g", Line(key(Type.GAUGE), (7.0,), True, 1.0, None)),
        ("a.b:-7|g", Line(key(Type.GAUGE), (-7.0,), True, 1.0, None)),
        ("a.b:user:42|s", Line(key(Type.SET), ("user:42",), False, 1.0, None)),
        ("a.b:.5|h", Line(key(Type.HISTOGRAM), (0.5,), False, 1.0, None)),
        ("a.b:1e3|d", Line(key(Type.DISTRIBUTION), (1000.0,), False, 1.0, None)),
        ("a.b:1|c|#env:prod,flag,url:http://x", Line(
            key(Type.COUNTER, env="prod", flag="true", url="http://x"), (1.0,), False, 1.0, None)),
        ("a.b:1|c|#agent:akira,service:s", Line(
            key(Type.COUNTER, agent="akira", service="s"), (1.0,), False, 1.0, None)),
        ("a.b:1|c|#service:s,tenant:t,_own:x", Line(
            key(Type.COUNTER, agent="s", service="s", tenant_="t", x_own="x"), (1.0,), False, 1.0, None)),
        ("a.b:1|g|#|c:in-1234|T1656581400", Line(key(Type.GAUGE), (1.0,), False, 1.0, 1656581400)),
        ("a.b:1|c|@1|c:ci-x|e:it-false|card:low", Line(key(Type.COUNTER), (1.0,), False, 1.0, None)),
    ],
)  # fmt: skip
def test_what_a_line_says(text: str, line: Line) -> None:
    assert parse(text) == line


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a:1", "a|c", ":1|c", "a:1|x", "a:1|", "a:|c", "a:x|c", "a:nan|g", "a:inf|g", "a:1e999|c", "a:1_0|c",
        "a: 1|c", "a:1|c|@0", "a:1|c|@2", "a:1|c|@x", "a:1|c|0.1", "a:1|c|Tx", "a:1|c|T99999999999999",
        f"{'a' * 201}:1|c", f"a:1|c|#agent:{'a' * 201}", "a:1|c|#" + ",".join(f"t{n}:1" for n in range(40)),
        "a:" + ":".join("1" * 1001) + "|c", "_e{2,4}:ab|text", "_sc|name|0", "a:1|c|#\0:x",
    ],
)  # fmt: skip
def test_malformed_lines_are_named(text: str) -> None:
    with pytest.raises(Fault):
        parse(text)


@given(st.text(alphabet="ab:|@#,.+-0129cgmshdTe_{} é\0", max_size=60))
def test_any_text_is_a_line_or_a_fault(text: str) -> None:
    try:
        line = parse(text)
    except Fault:
        return
    assert line.key.name
    assert 0 < line.rate <= 1
