"""The tables of messages against bytes that protobuf's own compiler made of the published definitions."""

import pytest

from monitor.ingest.prometheus.messages import REQUESTS

AT = 1_800_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
TWO = (
    "220022085f5f6e616d655f5f22076c6174656e637922036a6f622205616b697261220a72756e735f746f74616c2208747261"
    "63655f696422203061663736353139313663643433646438343438656232313163383033313963220468656c702201732a3d"
    "0a04010503041217090000000000001e401080a0f1c2b13418a0cbedc2b13422140a02060711000000000000d03f1880a0f1"
    "c2b1342a060801180820092a92010a04010203041a41080a190000000000003e4029fca9f1d24d62503f3001420408051001"
    "4a01025a04080210025a0408021001620308010170017880a0f1c2b1348801a0cbedc2b1341a471100000000000004401900"
    "0000000000f83f20693900000000000000005a0210016a08000000000000044070037881a0f1c2b134820110000000000000"
    "f03f0000000000000040"
)
"""A counter with a start, metadata and an exemplar; an exponential histogram and one of custom bounds."""

ONE = (
    "0a780a160a085f5f6e616d655f5f120a72756e735f746f74616c0a0c0a036a6f621205616b6972611210090000000000001e"
    "401080a0f1c2b1341a3e0a2c0a0874726163655f696412203061663736353139313663643433646438343438656232313163"
    "38303331396311000000000000d03f1880a0f1c2b1340a5e0a130a085f5f6e616d655f5f12076c6174656e63790a0c0a036a"
    "6f621205616b6972612239080a190000000000003e4029fca9f1d24d62503f30014204080510014a01025a04080210025a04"
    "08021001620308010170017880a0f1c2b1341a110801120a72756e735f746f74616c220178"
)
"""The same in 1.0, without custom bounds, and metadata apart from the series."""


def test_a_request_of_two() -> None:
    message = REQUESTS[2]()
    message.ParseFromString(bytes.fromhex(TWO))
    assert list(message.symbols) == [
        "", "__name__", "latency", "job", "akira", "runs_total", "trace_id", TRACE, "help", "s",
    ]  # fmt: skip
    counter, histograms = message.timeseries
    assert list(counter.labels_refs) == [1, 5, 3, 4]
    assert [(one.value, one.timestamp, one.start_timestamp) for one in counter.samples] == [(7.5, AT, AT - 60_000)]
    assert counter.metadata.type == 1
    assert [(list(one.labels_refs), one.value, one.timestamp) for one in counter.exemplars] == [([6, 7], 0.25, AT)]
    assert list(histograms.labels_refs) == [1, 2, 3, 4]
    check_exponential(histograms.histograms[0])
    assert histograms.histograms[0].start_timestamp == AT - 60_000
    custom = histograms.histograms[1]
    assert (custom.count_float, custom.sum, custom.schema, custom.timestamp) == (2.5, 1.5, -53, AT + 1)
    assert (custom.reset_hint, list(custom.custom_values), list(custom.positive_counts)) == (3, [1.0, 2.0], [2.5])


def test_a_request_of_one() -> None:
    message = REQUESTS[1]()
    message.ParseFromString(bytes.fromhex(ONE))
    counter, histograms = message.timeseries
    assert [(label.name, label.value) for label in counter.labels] == [("__name__", "runs_total"), ("job", "akira")]
    assert [(one.value, one.timestamp) for one in counter.samples] == [(7.5, AT)]
    (exemplar,) = counter.exemplars
    assert (exemplar.value, exemplar.timestamp) == (0.25, AT)
    assert [(label.name, label.value) for label in exemplar.labels] == [("trace_id", TRACE)]
    check_exponential(histograms.histograms[0])


def check_exponential(found: object) -> None:
    given = {name: getattr(found, name) for name in ("count_int", "sum", "schema", "zero_threshold", "zero_count_int")}
    assert given == {"count_int": 10, "sum": 30.0, "schema": 0, "zero_threshold": 0.001, "zero_count_int": 1}
    sides = {
        name: [(span.offset, span.length) for span in getattr(found, name)]
        for name in ("positive_spans", "negative_spans")
    }
    assert sides == {"positive_spans": [(1, 2), (1, 1)], "negative_spans": [(-3, 1)]}
    deltas = [list(getattr(found, name)) for name in ("positive_deltas", "negative_deltas")]
    assert deltas == [[4, -1, -1], [1]]
    assert [getattr(found, name) for name in ("reset_hint", "timestamp")] == [1, AT]


@pytest.mark.parametrize("version", [1, 2])
def test_unknown_fields_are_passed_over(version: int) -> None:
    message = REQUESTS[version]()
    message.ParseFromString(b"\xfa\x01\x03abc")
    assert len(message.timeseries) == 0
