"""A message of the protocol as OTLP's JSON spells it, made from the protobuf message by other means than the product's.

Protobuf's own JSON mapping, with the three differences that the specification names: ids are hex, enums are integers,
and names are lowerCamelCase (which the mapping has too).
"""

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

_IDS = {"traceId", "spanId", "parentSpanId"}


def otlp_json(message: Message) -> bytes:
    """The message as JSON."""
    return json.dumps(as_dict(message)).encode()


def as_dict(message: Message) -> dict[str, Any]:
    """The message as what its JSON says."""
    made: dict[str, Any] = _hex_ids(MessageToDict(message, use_integers_for_enums=True))
    return made


def _hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_hex_ids(item) for item in value]
    if isinstance(value, dict):
        return {key: _hex(item) if key in _IDS else _hex_ids(item) for key, item in value.items()}
    return value


def _hex(encoded: str) -> str:
    return base64.b64decode(encoded).hex()
