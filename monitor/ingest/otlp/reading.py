"""From the bytes of a request to its spans, metrics or log records, one by one, each with its resource and scope.

A request of any signal holds groups, each with a resource and parts; a part has a scope and records. In protobuf these
outer messages are taken apart here, and each record is parsed by itself and let go: parsed as a whole, a body could
take a hundred times its size, since an empty message is two bytes to write and a hundred to hold.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1 import resource_pb2

from monitor.errors import TooLarge, Unreadable
from monitor.ingest.otlp.forms import Form, JsonForm, ProtobufForm, text
from monitor.ingest.otlp.records import Resource, Scope

PIECES_LIMIT = 300_000
"""Fields of a request, its groups and its parts, together: about its records."""
PIECE_BYTES = 8 << 20
"""The longest record, resource or scope."""
# More JSON objects than this are refused before they are made: each takes a hundred bytes, and two to write.
OBJECTS_LIMIT = 2_000_000

# Tags: a field's number and its kind, which is a length and so many bytes.
_FIRST, _SECOND = 1 << 3 | 2, 2 << 3 | 2

Records: TypeAlias = Iterator[tuple[Resource, Scope, Any]]


class Names(NamedTuple):
    """What groups, parts and records are called in JSON."""

    groups: str
    parts: str
    records: str


def from_json(decoder: msgspec.json.Decoder[Any], names: Names, body: bytes) -> tuple[Records, Form]:
    """Structs of messages.py. Raises Unreadable and TooLarge, the former while records are taken too."""
    if body.count(b"{") > OBJECTS_LIMIT:
        raise TooLarge(f"more than {OBJECTS_LIMIT} objects in one request")
    try:
        message = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Unreadable(f"the body is not an OTLP request in JSON: {fault}") from None
    form = JsonForm()
    return _structs(message, names, form), form


def _structs(message: Any, names: Names, form: Form) -> Records:
    for group in getattr(message, names.groups) or ():
        resource = _resource(group.resource, form)
        for part in getattr(group, names.parts) or ():
            scope = _scope(part.scope, form)
            for record in getattr(part, names.records) or ():
                yield resource, scope, record


def from_protobuf(record: Callable[[], Message], body: bytes) -> tuple[Records, Form]:
    """Messages of the protobuf package. Raises Unreadable and TooLarge, while records are taken."""
    form = ProtobufForm()
    return _messages(record, body, form), form


def _messages(record: Callable[[], Message], body: bytes, form: Form) -> Records:
    # In all three signals: a request's groups are field 1; of a group, 1 is the resource and 2 the parts; of a part,
    # 1 is the scope and 2 the records.
    outer = _Outer(body)
    for group in outer.fields(0, len(body))[0]:
        resources, parts = outer.fields(*group)
        resource = _resource(_parsed(resource_pb2.Resource, body, resources), form)
        for part in parts:
            scopes, pieces = outer.fields(*part)
            scope = _scope(_parsed(InstrumentationScope, body, scopes), form)
            for piece in pieces:
                yield resource, scope, _parsed(record, body, (piece,))


def _parsed(kind: Callable[[], Message], body: bytes, pieces: Iterable[tuple[int, int]]) -> Message:
    """A message of its pieces: of several, which protobuf allows, the later ones add to the earlier."""
    message = kind()
    for start, end in pieces:
        if end - start > PIECE_BYTES:
            raise TooLarge(f"a {message.DESCRIPTOR.name} of more than {PIECE_BYTES} bytes")
        try:
            message.MergeFromString(body[start:end])
        except DecodeError as fault:
            raise Unreadable(f"the body is not an OTLP request in protobuf: {fault}") from None
    return message


class _Outer:
    """Takes outer messages of a body apart, and counts what it finds."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._left = PIECES_LIMIT

    def fields(self, start: int, end: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Where the messages in fields 1 and 2 of a message that lies between `start` and `end` begin and end."""
        found: dict[int, list[tuple[int, int]]] = {_FIRST: [], _SECOND: []}
        while start < end:
            tag, start = self._varint(start)
            kind = tag & 7
            if kind == 2:
                size, start = self._varint(start)
                if tag in found and start + size <= end:
                    found[tag].append((start, start + size))
                start += size
            elif kind == 0:
                _, start = self._varint(start)
            elif kind in {1, 5}:
                start += 8 if kind == 1 else 4
            else:
                start = end + 1
            if tag < 8:
                start = end + 1
            self._left -= 1
            if self._left < 0:
                raise TooLarge(f"more than {PIECES_LIMIT} records in one request")
        if start != end:
            raise Unreadable("the body is not an OTLP request in protobuf: it is damaged or cut off")
        return found[_FIRST], found[_SECOND]

    def _varint(self, start: int) -> tuple[int, int]:
        """A number and where it ends: seven bits a byte, the lowest first. A damaged one ends beyond everything."""
        body = self._body
        value = shift = 0
        for place in range(start, min(start + 10, len(body))):
            byte = body[place]
            if byte < 128:
                return value | byte << shift, place + 1
            value |= (byte & 127) << shift
            shift += 7
        return value, len(body) + 1


def _resource(given: Any, form: Form) -> Resource:
    return Resource({} if given is None else form.attributes(given.attributes))


def _scope(given: Any, form: Form) -> Scope:
    if given is None:
        return Scope("", "", {})
    return Scope(text(given.name), text(given.version), form.attributes(given.attributes))
