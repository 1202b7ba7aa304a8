"""The two spellings of the protocol, behind the same few questions.

Both decoders give objects with the same field names: protobuf's messages, and the structs of messages.py in which
whatever is absent is None. Where they differ (attributes, ids, what is set) a form knows how to ask.
"""

import base64
import binascii
import math
import re
from typing import Any, Protocol

from monitor.errors import TooLarge, Unreadable

# As deep as protobuf's own limit of 100 nested messages lets values be, nearly.
DEPTH_LIMIT = 30
VALUES_LIMIT = 2_000_000
"""What has attributes, attributes and elements of lists, in one request in protobuf."""
_ID = re.compile(r"[0-9a-fA-F]*", re.ASCII)
_KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


class Form(Protocol):
    """What is asked of a message. Messages are Any: they have no common types."""

    def attributes(self, given: Any) -> dict[str, Any]:
        """Key-value pairs as a dict of plain values; the last of a name wins."""
        ...

    def value(self, given: Any) -> Any:
        """The plain value of an AnyValue. Raises Unreadable where it is nested too deeply."""
        ...

    def trace_id(self, given: Any) -> str | None:
        """A trace id as 32 hex digits; None for none, or one that is not valid."""
        ...

    def span_id(self, given: Any) -> str | None:
        """A span id as 16 hex digits; None for none, or one that is not valid."""
        ...

    def optional(self, message: Any, field: str) -> float | None:
        """A field that may be absent."""
        ...

    def number(self, message: Any) -> int | float | None:
        """`as_double` or `as_int`, whichever is set."""
        ...

    def kind(self, metric: Any) -> str | None:
        """The field that holds a metric's data."""
        ...


def text(given: str | None) -> str:
    """A text that PostgreSQL can hold."""
    if not given:
        return ""
    return given if "\0" not in given else given.replace("\0", "\ufffd")


def _double(given: float) -> float | str:
    if given - given == 0.0:
        return given
    return "NaN" if math.isnan(given) else "Infinity" if given > 0 else "-Infinity"


def _base64(given: bytes) -> str:
    return base64.b64encode(given).decode()


class ProtobufForm:
    """Messages of the protobuf package, of one request: their values are counted."""

    def __init__(self) -> None:
        self._left = VALUES_LIMIT

    def attributes(self, given: Any, depth: int = DEPTH_LIMIT) -> dict[str, Any]:
        self._count(1 + len(given))
        made: dict[str, Any] = {}
        for pair in given:
            key = pair.key
            value = pair.value
            # Most values are texts that are not empty: with these it costs two look-ups less.
            plain = value.string_value
            if not plain:
                plain = self.value(value, depth)
            elif "\0" in plain:
                plain = text(plain)
            made[key if "\0" not in key else text(key)] = plain
        return made

    def value(self, given: Any, depth: int = DEPTH_LIMIT) -> Any:
        field = given.WhichOneof("value")
        if field == "string_value":
            return text(given.string_value)
        if field == "int_value":
            return given.int_value
        if field == "bool_value":
            return given.bool_value
        if field == "double_value":
            return _double(given.double_value)
        if field == "bytes_value":
            return _base64(given.bytes_value)
        _check(depth)
        if field == "array_value":
            self._count(len(given.array_value.values))
            return [self.value(item, depth - 1) for item in given.array_value.values]
        if field == "kvlist_value":
            return self.attributes(given.kvlist_value.values, depth - 1)
        return None

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise TooLarge(f"more than {VALUES_LIMIT} values in one request")

    def trace_id(self, given: bytes) -> str | None:
        return given.hex() if len(given) == 16 and any(given) else None

    def span_id(self, given: bytes) -> str | None:
        return given.hex() if len(given) == 8 and any(given) else None

    def optional(self, message: Any, field: str) -> float | None:
        return getattr(message, field) if message.HasField(field) else None

    def number(self, message: Any) -> int | float | None:
        field = message.WhichOneof("value")
        return None if field is None else getattr(message, field)

    def kind(self, metric: Any) -> str | None:
        field: str | None = metric.WhichOneof("data")
        return field


class JsonForm:
    """Structs of messages.py."""

    def attributes(self, given: Any, depth: int = DEPTH_LIMIT) -> dict[str, Any]:
        return {text(pair.key): None if pair.value is None else self.value(pair.value, depth) for pair in given or ()}

    def value(self, given: Any, depth: int = DEPTH_LIMIT) -> Any:
        if given is None:
            return None
        if given.string_value is not None:
            return text(given.string_value)
        if given.int_value is not None:
            return given.int_value
        if given.bool_value is not None:
            return given.bool_value
        if given.double_value is not None:
            return _double(given.double_value)
        if given.bytes_value is not None:
            return _base64(_bytes(given.bytes_value))
        _check(depth)
        if given.array_value is not None:
            return [self.value(item, depth - 1) for item in given.array_value.values or ()]
        if given.kvlist_value is not None:
            return self.attributes(given.kvlist_value.values, depth - 1)
        return None

    def trace_id(self, given: str | None) -> str | None:
        return _hex(given, 32)

    def span_id(self, given: str | None) -> str | None:
        return _hex(given, 16)

    def optional(self, message: Any, field: str) -> float | None:
        value: float | None = getattr(message, field)
        return value

    def number(self, message: Any) -> int | float | None:
        value: int | float | None = message.as_double
        return value if value is not None else message.as_int

    def kind(self, metric: Any) -> str | None:
        return next((field for field in _KINDS if getattr(metric, field) is not None), None)


def _check(depth: int) -> None:
    if depth == 0:
        raise Unreadable(f"a value is nested deeper than {DEPTH_LIMIT}")


def _hex(given: str | None, digits: int) -> str | None:
    if given is None or len(given) != digits or _ID.fullmatch(given) is None or not given.strip("0"):
        return None
    return given.lower()


def _bytes(given: str) -> bytes:
    """Base64 of either alphabet, padded or not, as protobuf's JSON mapping allows it."""
    try:
        return base64.b64decode(
            given.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(given.rstrip("=")) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        raise Unreadable("a bytesValue is not base64") from None
