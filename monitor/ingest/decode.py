"""From the bytes of a body to rows: fast where all is well, row by row where something is not.

A body as a whole is decoded by msgspec into structs that know the fields of a row. Where that fails (a field that is
not known, NaN, bad UTF-8, malformed JSON somewhere), the body is split into its rows without reading them, and each
row is read by itself: one bad row costs itself only.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from monitor.errors import TooLarge, Unreadable

ROWS_LIMIT = 100_000
# Above this a body is split first: decoding it whole could take many times its size.
WHOLE_LIMIT = 2 << 20
# More values than this in one row are refused before they are decoded.
VALUES_LIMIT = 200_000

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)|[\[\]{},]', re.DOTALL)
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"

Row = TypeVar("Row", bound=msgspec.Struct)


@dataclass(slots=True)
class Rows(Generic[Row]):
    """Rows in their order. A text in the place of a row says why it cannot be read. `extra`: unknown fields by row."""

    rows: list[Row | str]
    extra: dict[int, dict[str, Any]] = field(default_factory=dict)


class Decoder(Generic[Row]):
    """Decodes bodies of one kind of row."""

    def __init__(self, row: type[Row]) -> None:
        """`row` is a Struct that forbids unknown fields and leaves the types of its fields open."""
        self._row = row
        self._fields = frozenset(row.__struct_fields__)
        self._many = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
        self._one: msgspec.json.Decoder[Row] = msgspec.json.Decoder(row)

    def decode(self, body: bytes, *, lines: bool, sniff: bool) -> Rows[Row]:
        """All rows of a body: an object, an array, or with `lines` one object a line; `sniff`: any of these.

        Raises Unreadable when there is nothing to make out, TooLarge for more than 100,000 rows.
        """
        body = body.removeprefix(_BOM)
        start = body.lstrip(_BLANK)[:1]
        if not start:
            raise Unreadable("the body is empty")
        if lines and not sniff:
            return self._lines(body)
        if start == b"[":
            return self._array(body)
        if start == b"{":
            if sniff and b"\n" in body.strip(_BLANK) and not _is_json(body):
                return self._lines(body)
            return self._single(body)
        raise Unreadable("the body is not JSON: an object or an array is expected")

    def _single(self, body: bytes) -> Rows[Row]:
        made: Rows[Row] = Rows([])
        self._add(made, body.strip(_BLANK), unreadable=True)
        return made

    def _array(self, body: bytes) -> Rows[Row]:
        if len(body) <= WHOLE_LIMIT:
            try:
                rows: list[Row | str] = self._many.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
            else:
                return Rows(_bounded(rows))
        made: Rows[Row] = Rows([])
        for part in split(body):
            self._add(made, part)
        return made

    def _lines(self, body: bytes) -> Rows[Row]:
        if len(body) <= WHOLE_LIMIT:
            try:
                rows: list[Row | str] = self._one.decode_lines(body)  # type: ignore[assignment]
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
            else:
                return Rows(_bounded(rows))
        made: Rows[Row] = Rows([])
        for line in _each_line(body):
            self._add(made, line)
        return made

    def _add(self, made: Rows[Row], raw: bytes, *, unreadable: bool = False) -> None:
        """One row by itself. `unreadable`: it is the whole body, so that malformed JSON makes that unreadable."""
        if len(made.rows) >= ROWS_LIMIT:
            _too_many()
        if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > VALUES_LIMIT:
            made.rows.append(f"more than {VALUES_LIMIT} values in one row")
            return
        try:
            made.rows.append(self._one.decode(raw))
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        given = tolerant(raw)
        if isinstance(given, str):
            if unreadable:
                raise Unreadable(f"the body is {given}")
            made.rows.append(given)
        elif not isinstance(given, dict):
            made.rows.append("an object is expected")
        else:
            known = {key: value for key, value in given.items() if key in self._fields}
            if len(known) < len(given):
                made.extra[len(made.rows)] = {key: value for key, value in given.items() if key not in known}
            made.rows.append(self._row(**known))


def _integer(digits: str) -> int | float:
    # No float has more digits; and Python refuses to read integers of several thousand.
    return int(digits) if len(digits) <= 400 else float("inf")


def tolerant(raw: bytes) -> dict[str, Any] | list[Any] | str | float | None:
    """Read JSON with Python's own reader, which takes NaN and half surrogates. A text says what is wrong."""
    try:
        value: Any = json.loads(raw.decode(), parse_int=_integer, strict=False)
    except UnicodeDecodeError:
        return "not valid UTF-8"
    except RecursionError:
        return "nested too deeply"
    except ValueError as fault:
        return f"not valid JSON: {fault}"
    return None if isinstance(value, str) else value


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _each_line(body: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        line = body[start:end].strip(_BLANK)
        if line:
            yield line
        start = end + 1


def split(body: bytes) -> Iterator[bytes]:
    """The elements of an array, each as it is written, without reading them. Raises Unreadable where it is cut off."""
    depth = 0
    start = end = 0
    for token in _TOKEN.finditer(body):
        mark = body[token.start()]
        if mark == 0x22:
            if not token[1]:
                break
        elif mark == 0x2C:
            if depth == 1:
                yield body[start : token.start()].strip(_BLANK)
                start = token.end()
        elif mark in b"[{":
            depth += 1
            if depth == 1:
                start = token.end()
        else:
            depth -= 1
            if depth == 0:
                end = token.start()
                break
    if depth != 0 or end == 0:
        raise Unreadable("the body is not valid JSON: the array is cut off")
    if body[end:].strip(_BLANK) != b"]":
        raise Unreadable("the body is not valid JSON: something follows the array")
    last = body[start:end].strip(_BLANK)
    if last or body[:start].strip(_BLANK) != b"[":
        yield last


def _bounded(rows: list[Row | str]) -> list[Row | str]:
    if len(rows) > ROWS_LIMIT:
        _too_many()
    return rows


def _too_many() -> NoReturn:
    raise TooLarge(f"more than {ROWS_LIMIT} rows in one request")
