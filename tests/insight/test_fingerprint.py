"""What makes two errors the same one, and what does not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.runs.fingerprint import MESSAGE_READ, constant_part, fingerprint, frames

PYTHON = """Traceback (most recent call last):
  File "{folder}/main.py", line {line}, in main
    fetch(url)
  File "{folder}/net/client.py", line {line}, in fetch
    raise TimeoutError(f"no answer after {line} s")
    ^^^^^^^^^^^^^^^^^^
TimeoutError: no answer after {line} s
"""
CHAINED = """Traceback (most recent call last):
  File "/srv/other.py", line 3, in cause
    1 / 0
ZeroDivisionError: division by zero

The above exception was the direct cause of the following exception:

"""
JAVA = """java.lang.IllegalStateException: order {line} is closed
\tat com.acme.Orders.close(Orders.java:{line})
\tat app//com.acme.Main$1.run(Main.java:{line})
\tat java.base/java.lang.Thread.run(Thread.java:833)
\tat com.acme.Foo$$Lambda${line}/0x0000000800c{line}.apply(Unknown Source)
Caused by: java.io.IOException: gone
\tat com.acme.Disk.read(Disk.java:1)
\t... 3 more
"""
V8 = """TypeError: Cannot read properties of undefined (reading 'x')
    at parse ({folder}/index.js:{line}:5)
    at async Promise.all (index 0)
    at async Object.run [as go] (file://{folder}/main.{line}f2a1b.js:{line}:1)
    at {folder}/anonymous.mjs:1:{line}
    at node:internal/process/task_queues:95:5
"""
GECKO = """parse@https://h{folder}/a.js?v={line}:{line}:2
@https://h{folder}/b.js:3:{line}
"""
GO = """panic: runtime error: index out of range [{line}] with length 3

goroutine {line} [running]:
github.com/acme/{line}x/y.(*T).Do(0xc000{line}, {{0x1, 0x2}})
\t{folder}/t.go:{line} +0x1d
main.main()
\t{folder}/main.go:{line} +0x20
created by main.start in goroutine {line}
\t{folder}/main.go:9 +0x20

goroutine 2 [select]:
other.waits()
\t/x/other.go:1
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 30.5 s", "timeout after 7 s"),
        ("user 17 is unknown", "user -4 is unknown"),
        ("job 550e8400-e29b-41d4-a716-446655440000 died", "job 018fd1a2-7c3b-7d4e-8f90-123456789abc died"),
        ("object at 0x7f3a2c", "object at 0xdeadbeef"),
        ("commit deadbeefcafe is bad", "commit 1234567 is bad"),
        ("no route to 10.0.0.1:5432", "no route to 192.168.7.20"),
        ("no route to fe80::1", "no route to 2001:db8::7"),
        ("no file '/srv/a/b.txt'", "no file '/home/x.txt'"),
        ("cannot open /srv/a/b.txt: gone", "cannot open ~/x.txt: gone"),
        (r"cannot open C:\a\b.txt", r"cannot open D:\c.txt"),
        ('no column "a b"', 'no column "it\\"s"'),
        ("key `a`", "key `b`"),
        ("key “a”", "key «b»"),
        ("mail to a.b@example.org bounced", "mail to someone@example.com bounced"),
        ("GET https://a.example/x?q=1 failed", "GET http://b.example failed"),
        ("call_AbCdEfGhIjKlMnOpQr is unknown", "call_x1 is unknown"),
        ("missing rows 1, 2, 3", "missing rows 4"),
        ("at 2026-07-01T10:00:00.123Z it stopped", "at 2026-07-01 it stopped"),
        ("two\nlines", "two   lines"),
        ("a" * MESSAGE_READ + "b", "a" * MESSAGE_READ + "c"),
    ],
)
def test_what_differs_between_occurrences_does_not_count(one: str, other: str) -> None:
    """Two messages of one error."""
    assert fingerprint("E", one, None) == fingerprint("E", other, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connection refused", "connection reset"),
        ("can't read it", "can't write it"),
        ("read/write failed", "read/only failed"),
        ("no file 'x'", "no folder 'x'"),
        ("", "something"),
    ],
)
def test_what_is_said_does_count(one: str, other: str) -> None:
    """Two errors."""
    assert fingerprint("E", one, None) != fingerprint("E", other, None)


def test_the_type_counts_and_the_same_text_under_another_type_is_another_error() -> None:
    """`KeyError: 'x'` and `ValueError: 'x'`."""
    assert fingerprint("KeyError", "'x'", None) != fingerprint("ValueError", "'x'", None)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (PYTHON, ["client.py:fetch", "main.py:main"]),
        (CHAINED + PYTHON, ["client.py:fetch", "main.py:main"]),
        (JAVA, ["Orders.java:close", "Main.java:run", "Thread.java:run", "Foo$$Lambda$*:apply"]),
        (V8, ["index.js:parse", "main.*.js:Object.run", "anonymous.mjs:", "task_queues:"]),
        (GECKO, ["a.js:parse", "b.js:"]),
        (GO, ["t.go:y.(*T).Do", "main.go:main.main", "main.go:main.start"]),
    ],
)
def test_frames_of_each_language_are_read_without_folders_and_lines(shape: str, expected: list[str]) -> None:
    """Innermost first; the frames of what caused it, and of other threads, are left out."""
    here, there = shape.format(folder="/srv/app", line=12), shape.format(folder="/opt/other", line=345)
    assert list(frames(here)) == expected
    assert fingerprint(None, None, here) == fingerprint(None, None, there)
    assert fingerprint(None, None, here) != fingerprint("Other", None, here)


def test_another_function_is_another_error() -> None:
    """The innermost frame decides as the message does."""
    text = PYTHON.format(folder="", line=1)
    assert fingerprint("E", "m", text) != fingerprint("E", "m", text.replace("in fetch", "in post"))


def test_a_function_that_calls_itself_counts_once_however_deep_it_went() -> None:
    """A stack that is deeper by some calls of the same function."""
    frame = '  File "/a/x.py", line 3, in down\n    down()\n'
    shallow, deep = (f"Traceback:\n{frame * depth}RecursionError: too deep\n" for depth in (3, 90))
    assert fingerprint(None, None, shallow) == fingerprint(None, None, deep)


def test_what_is_not_given_is_taken_from_the_traceback() -> None:
    """A message that is a traceback, a traceback alone and all three parts are one error."""
    text = PYTHON.format(folder="/a", line=7)
    assert (
        fingerprint(None, text, None)
        == fingerprint(None, None, text)
        == fingerprint("TimeoutError", "no answer after 9 s", text)
    )


def test_a_long_message_has_a_bounded_constant_part() -> None:
    """However long it is."""
    assert len(constant_part("word " * 10_000)) <= 400


@pytest.mark.parametrize(
    "unit",
    [
        "a-",
        "'",
        "1",
        ":",
        "/",
        "a@",
        'File "',
        "at ",
        "\n\t",
        "at a.b(",
        "a.b.",
        "a(",
        "a\n",
        " ",
        "x@",
        "@x:",
        "\\",
        "* ",
    ],
)
def test_no_text_takes_long(unit: str) -> None:
    """Text that a sender chose cannot hold up the process: 64 kB of it, three times, in far less than a second."""
    text = unit * (65_536 // len(unit))
    started = time.process_time()
    fingerprint(text, text, text)
    fingerprint(None, text, f"goroutine 1 [running]:\n{text}")
    assert time.process_time() - started < 0.5


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=600))
def test_any_text_has_a_fingerprint(error_type: str, message: str, traceback: str) -> None:
    """16 hex digits, the same each time."""
    found = fingerprint(error_type, message, traceback)
    assert len(found) == 16
    assert int(found, 16) >= 0
    assert found == fingerprint(error_type, message, traceback)
