"""The messages of remote write, by their fields: what is read here of the published definitions, no more.

1.0: prompb/remote.proto and types.proto; 2.0: prompb/io/prometheus/write/v2/types.proto, both in prometheus/prometheus.
No package that is kept up has them; protobuf builds the classes from these tables, and reads by them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_F = FieldDescriptorProto
_TYPES = {
    "double": _F.TYPE_DOUBLE,
    "int64": _F.TYPE_INT64,
    "uint64": _F.TYPE_UINT64,
    "uint32": _F.TYPE_UINT32,
    "sint32": _F.TYPE_SINT32,
    "sint64": _F.TYPE_SINT64,
    "int32": _F.TYPE_INT32,
    "string": _F.TYPE_STRING,
}

Fields = Mapping[int, tuple[str, str]]
"""Number to name and type; `*` before the type: repeated; a type that is no scalar is a message beside it."""

_SPAN: Fields = {1: ("offset", "sint32"), 2: ("length", "uint32")}
_HISTOGRAM: Fields = {
    1: ("count_int", "uint64"),
    2: ("count_float", "double"),
    3: ("sum", "double"),
    4: ("schema", "sint32"),
    5: ("zero_threshold", "double"),
    6: ("zero_count_int", "uint64"),
    7: ("zero_count_float", "double"),
    8: ("negative_spans", "*Span"),
    9: ("negative_deltas", "*sint64"),
    10: ("negative_counts", "*double"),
    11: ("positive_spans", "*Span"),
    12: ("positive_deltas", "*sint64"),
    13: ("positive_counts", "*double"),
    14: ("reset_hint", "int32"),
    15: ("timestamp", "int64"),
    16: ("custom_values", "*double"),
    17: ("start_timestamp", "int64"),
}
_SAMPLE: Fields = {1: ("value", "double"), 2: ("timestamp", "int64"), 3: ("start_timestamp", "int64")}

_ONE: Mapping[str, Fields] = {
    "Label": {1: ("name", "string"), 2: ("value", "string")},
    "Sample": _SAMPLE,
    "Exemplar": {1: ("labels", "*Label"), 2: ("value", "double"), 3: ("timestamp", "int64")},
    "Span": _SPAN,
    "Histogram": _HISTOGRAM,
    "TimeSeries": {
        1: ("labels", "*Label"),
        2: ("samples", "*Sample"),
        3: ("exemplars", "*Exemplar"),
        4: ("histograms", "*Histogram"),
    },
    "Request": {1: ("timeseries", "*TimeSeries")},
}
_TWO: Mapping[str, Fields] = {
    "Sample": _SAMPLE,
    "Exemplar": {1: ("labels_refs", "*uint32"), 2: ("value", "double"), 3: ("timestamp", "int64")},
    "Span": _SPAN,
    "Histogram": _HISTOGRAM,
    "Metadata": {1: ("type", "int32")},
    "TimeSeries": {
        1: ("labels_refs", "*uint32"),
        2: ("samples", "*Sample"),
        3: ("histograms", "*Histogram"),
        4: ("exemplars", "*Exemplar"),
        5: ("metadata", "Metadata"),
    },
    "Request": {4: ("symbols", "*string"), 5: ("timeseries", "*TimeSeries")},
}


def _request(package: str, messages: Mapping[str, Fields]) -> type[Message]:
    """The class of a package's Request."""
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in fields.items():
            scalar = kind.lstrip("*")
            message.field.add(
                name=field,
                number=number,
                label=_F.LABEL_REPEATED if kind.startswith("*") else _F.LABEL_OPTIONAL,
                type=_TYPES.get(scalar, _F.TYPE_MESSAGE),
                type_name=None if scalar in _TYPES else f".{package}.{scalar}",
            )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{package}.Request"))


REQUESTS: Mapping[int, Any] = MappingProxyType(
    {1: _request("agent_monitor.write_one", _ONE), 2: _request("agent_monitor.write_two", _TWO)}
)
"""The class of a request by the protocol's version."""
