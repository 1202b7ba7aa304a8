"""One line of line protocol, read as InfluxDB reads it. Pure.

From https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ and, where that is silent, from
InfluxDB's own reader (models/points.go): a backslash makes a comma, space or equals sign after it part of a name, and
is itself part of the name before anything else; within quotes it makes a quote or a backslash plain.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

Value = float | int | bool | str

_NAME = re.compile(r"(?:[^,= ]|(?<=\\)[,= ])+")
_MEASUREMENT = re.compile(r"(?:[^, ]|(?<=\\)[, ])+")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_BARE = re.compile(r"[^, ]+")
_STAMP = re.compile(r" +(-?[0-9]{1,20})")
_INTEGER = re.compile(r"-?[0-9]{1,400}")
_UNSIGNED = re.compile(r"[0-9]{1,400}")
_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A whole line: its head up to the first space that is not escaped, then the rest, with texts over several lines.
_EXTENT = re.compile(r'(?:[^ \n]|(?<=\\) )*+(?:(?<!\\)="(?:[^"\\]|\\.)*+"|[^\n])*+', re.DOTALL)
_ESCAPED = re.compile(r"\\([,= ])")
_ESCAPED_MEASUREMENT = re.compile(r"\\([, ])")
_ESCAPED_STRING = re.compile(r'\\(["\\])')
_HALF = re.compile("[\ud800-\udfff]")
_BOOLEANS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}


class Unparsable(ValueError):
    """Why a line cannot be read, in InfluxDB's words."""


class Line(NamedTuple):
    """A line as it was given. `head` is its measurement and tags unread; `stamp` is in the request's precision."""

    head: str
    measurement: str
    tags: dict[str, str]
    fields: list[tuple[str, Value]]
    stamp: int | None


def lines(text: str) -> Iterator[str]:
    """The lines of a body. A text in quotes may hold ends of lines."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if '"' in text[start:end] and (whole := _EXTENT.match(text, start)) is not None:
            end = whole.end()
        yield text[start:end]
        start = end + 1


def parse(line: str) -> Line | None:
    """What a line says; None for a blank line or a comment. Raises Unparsable."""
    line = line.lstrip(" \t\0").rstrip(" \t\r")
    if not line or line[0] == "#":
        return None
    if not line.isascii() and _HALF.search(line) is not None:
        raise Unparsable("not valid UTF-8")
    found = _MEASUREMENT.match(line)
    if found is None:
        raise Unparsable("missing measurement")
    tags, at = _tags(line, found.end())
    head = line[:at]
    while line[at : at + 1] == " ":
        at += 1
    if at == len(line):
        raise Unparsable("missing fields")
    fields, at = _fields(line, at)
    stamp = _STAMP.fullmatch(line, at)
    if stamp is None and at < len(line):
        raise Unparsable("bad timestamp")
    measurement = _ESCAPED_MEASUREMENT.sub(r"\1", found[0])
    return Line(head, measurement, tags, fields, None if stamp is None else int(stamp[1]))


def _name(line: str, at: int, missing: str) -> tuple[str, int]:
    found = _NAME.match(line, at)
    if found is None:
        raise Unparsable(missing)
    return (_ESCAPED.sub(r"\1", found[0]) if "\\" in found[0] else found[0]), found.end()


def _tags(line: str, at: int) -> tuple[dict[str, str], int]:
    tags: dict[str, str] = {}
    while line[at : at + 1] == ",":
        key, at = _name(line, at + 1, "missing tag key")
        if line[at : at + 1] != "=":
            raise Unparsable("missing tag value")
        value, at = _name(line, at + 1, "missing tag value")
        if line[at : at + 1] == "=":
            raise Unparsable("invalid tag format")
        if key in tags:
            raise Unparsable("duplicate tags")
        tags[key] = value
    return tags, at


def _fields(line: str, at: int) -> tuple[list[tuple[str, Value]], int]:
    fields: list[tuple[str, Value]] = []
    while True:
        key, at = _name(line, at, "missing field key")
        if line[at : at + 1] != "=":
            raise Unparsable("invalid field format")
        at += 1
        found = (_STRING if line[at : at + 1] == '"' else _BARE).match(line, at)
        if found is None:
            raise Unparsable("unbalanced quotes" if line[at : at + 1] == '"' else "missing field value")
        quoted = found.re is _STRING
        fields.append((key, _ESCAPED_STRING.sub(r"\1", found[1]) if quoted else _value(found[0])))
        at = found.end()
        after = line[at : at + 1]
        if after == ",":
            at += 1
        elif after in {"", " "}:
            return fields, at
        else:
            raise Unparsable("invalid field format")


def _value(text: str) -> float | int | bool:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] not in "-.0123456789nN":
        raise Unparsable("invalid boolean")
    last = text[-1]
    if last == "i" and _INTEGER.fullmatch(text, 0, len(text) - 1) is not None:
        return _within(int(text[:-1]), "integer", -(2**63), 2**63 - 1)
    if last == "u" and _UNSIGNED.fullmatch(text, 0, len(text) - 1) is not None:
        return _within(int(text[:-1]), "unsigned", 0, 2**64 - 1)
    number = float(text) if _FLOAT.fullmatch(text) is not None else math.inf
    if math.isinf(number):
        raise Unparsable("invalid number")
    return number


def _within(number: int, kind: str, low: int, high: int) -> int:
    if not low <= number <= high:
        raise Unparsable(f"unable to parse {kind}: value out of range")
    return number
