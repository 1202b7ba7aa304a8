"""OpenTelemetry's metrics as points of series: kinds, restarts, distributions, agents and tags, what is refused."""

import math

import pytest

from monitor.ingest.otlp import records
from monitor.series.store import Kind
from tests.otlp.telling import (
    CUMULATIVE,
    DELTA,
    MINUTE,
    NOW_US,
    Told,
    about,
    counted,
    gauge,
    histogram,
    number,
    resource,
    total,
)

UNSPECIFIED = records.Temporality.UNSPECIFIED


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (gauge(number(5)), Kind.GAUGE),
        (total(number(5), temporality=CUMULATIVE), Kind.COUNTER),
        (total(number(5), temporality=DELTA), Kind.DELTA),
        (total(number(5), temporality=CUMULATIVE, monotonic=False), Kind.GAUGE),
        (total(number(5), temporality=DELTA, monotonic=False), Kind.DELTA),
    ],
)
def test_each_kind_of_number_has_its_kind_of_series(told: Told, metric: records.MetricRecord, kind: Kind) -> None:
    assert told.tell(metric) == {("tokens", ""): [(0, 5.0)]}
    (draft,) = told.made.drafts
    assert (draft.shape.kind, draft.at_us, draft.shape.agent) == (kind, NOW_US, "mark")


def test_a_run_begins_with_a_zero_so_that_its_first_total_counts(told: Told) -> None:
    assert told.tell(total(number(7, start=-1))) == {("tokens", ""): [(-1, 0.0), (0, 7.0)]}
    assert told.tell(total(number(9, minute=1, start=-1))) == {("tokens", ""): [(1, 9.0)]}


def test_a_restart_is_seen_though_the_total_has_grown_meanwhile(told: Told) -> None:
    told.tell(total(number(7, minute=-20, start=-21)))
    assert told.tell(total(number(50, minute=0, start=-10)))["tokens", ""] == [(-10, 0.0), (0, 50.0)]


def test_a_total_that_was_counted_for_long_before_has_no_beginning_here(told: Told) -> None:
    assert told.tell(total(number(7, start=-30))) == {("tokens", ""): [(0, 7.0)]}


def test_the_same_request_again_makes_the_same_points(told: Told) -> None:
    metrics = (total(number(7, start=-1)), histogram(counted(1, 2, 3, start=-1), temporality=CUMULATIVE, name="h"))
    assert told.tell(*metrics) == told.tell(*metrics)


def test_a_delta_histogram_tells_its_quantiles(told: Told) -> None:
    point = counted(50, 40, 10, added=1200.0, min=0.5, max=30.0)
    found = told.tell(histogram(point, name="latency", unit="ms"))
    assert found["latency.count", ""] == [(0, 100.0)]
    assert found["latency.sum", ""] == [(0, 1200.0)]
    assert (found["latency.min", ""], found["latency.max", ""]) == ([(0, 0.5)], [(0, 30.0)])
    assert {quantile for name, quantile in found if name == "latency"} == {"0.5", "0.9", "0.95", "0.99"}
    assert found["latency", "0.5"] == [(0, 10.0)]
    assert found["latency", "0.95"] == [(0, 25.0)]
    units = {draft.shape.metric: (draft.shape.unit, draft.shape.kind) for draft in told.made.drafts}
    assert units == {
        "latency.count": (None, Kind.DELTA), "latency.sum": ("ms", Kind.DELTA), "latency.min": ("ms", Kind.GAUGE),
        "latency.max": ("ms", Kind.GAUGE), "latency": ("ms", Kind.GAUGE),
    }  # fmt: skip


def test_a_cumulative_histograms_quantiles_are_of_what_came_since(told: Told) -> None:
    def tell(*counts: int, minute: float, start: float = -1) -> dict[tuple[str, str], list[tuple[float, float]]]:
        return told.tell(histogram(counted(*counts, minute=minute, start=start, added=1.0), temporality=CUMULATIVE))

    assert tell(10, 0, 0, minute=0)["tokens", "0.99"] == [(0, 9.9)]
    assert tell(10, 10, 0, minute=1)["tokens", "0.99"] == [(1, 19.9)]
    assert ("tokens", "0.99") not in tell(10, 10, 0, minute=2)
    late = tell(10, 5, 0, minute=0.5)
    assert set(late) == {("tokens.count", ""), ("tokens.sum", "")}
    again = tell(0, 0, 5, minute=4, start=3)
    assert again["tokens.count", ""] == [(3, 0.0), (4, 5.0)]
    assert again["tokens", "0.5"] == [(4, 20.0)]


def test_a_cumulative_histogram_that_is_new_here_and_old_elsewhere_waits_for_its_second_point(told: Told) -> None:
    def tell(*counts: int, minute: float) -> dict[tuple[str, str], list[tuple[float, float]]]:
        return told.tell(histogram(counted(*counts, minute=minute, start=-60), temporality=CUMULATIVE))

    assert set(tell(0, 0, 1000, minute=0)) == {("tokens.count", "")}
    assert tell(10, 0, 1000, minute=1)["tokens", "0.99"] == [(1, 9.9)]


def test_exponential_histograms(told: Told) -> None:
    point = records.ExponentialPoint(
        attributes={}, start_ns=0, time_ns=NOW_US * 1000, count=10, sum=80.0, min=4.0, max=16.0, scale=0, zero_count=1,
        zero_threshold=0.0, positive=records.Buckets(2, [5, 4]), negative=records.Buckets(0, []),
    )  # fmt: skip
    metric = records.ExponentialHistogram(**about(), temporality=DELTA, points=[point])
    found = told.tell(metric)
    assert found["tokens.count", ""] == [(0, 10.0)]
    assert 4 <= found["tokens", "0.5"][0][1] <= 8 < found["tokens", "0.9"][0][1] <= 16


def test_summaries_give_what_their_sender_computed(told: Told) -> None:
    point = records.SummaryPoint(
        attributes={}, start_ns=0, time_ns=NOW_US * 1000, count=3, sum=6.0,
        quantiles=[(0.0, 1.0), (0.5, 2.0), (0.999, math.nan), (1.0, 3.0)],
    )  # fmt: skip
    found = told.tell(records.Summary(**about(), points=[point]))
    assert found == {
        ("tokens.count", ""): [(0, 3.0)], ("tokens.sum", ""): [(0, 6.0)], ("tokens", "0"): [(0, 1.0)],
        ("tokens", "0.5"): [(0, 2.0)], ("tokens", "1"): [(0, 3.0)],
    }  # fmt: skip
    assert told.outcome.rejected == []


@pytest.mark.parametrize(
    ("attributes", "of", "agent"),
    [
        ({"agent_monitor.agent": "a", "gen_ai.agent.name": "b"}, {"service_name": "s"}, "a"),
        ({"gen_ai.agent.name": "b", "gen_ai.agent.id": "c"}, {"service_name": "s"}, "b"),
        ({"gen_ai.agent.id": 7}, {"gen_ai_agent_name": "r"}, "7"),
        ({"gen_ai.agent.name": ""}, {"gen_ai_agent_name": "r", "service_name": "s"}, "r"),
        ({}, {"service_name": "s"}, "s"),
        ({}, {}, "unknown_service"),
    ],
)
def test_whose_a_point_is(told: Told, attributes: dict[str, object], of: dict[str, str], agent: str) -> None:
    sent = records.Resource({name.replace("_", "."): value for name, value in of.items()} | _underscored(of))
    told.tell(gauge(number(1, attributes=attributes), of=sent))
    assert told.made.drafts[0].shape.agent == agent


def _underscored(of: dict[str, str]) -> dict[str, str]:
    return {"gen_ai.agent.name": of["gen_ai_agent_name"]} if "gen_ai_agent_name" in of else {}


def test_attributes_are_tags_and_a_few_of_the_resource_too(told: Told) -> None:
    of = resource(
        service_name="mark", service_version="3", deployment_environment_name="prod", host_name="left-out",
        service_instance_id="i-1",
    )  # fmt: skip
    attributes = {
        "model": "m", "stream": True, "n": 3, "list": [1, "x"], "none": None, "agent": "told", "_own": "x",
        "agent_monitor.agent": "other",
    }  # fmt: skip
    told.tell(gauge(number(1, attributes=attributes), of=of))
    assert dict(told.made.drafts[0].shape.tags) == {
        "service.name": "mark", "service.version": "3", "deployment.environment": "prod", "service.instance.id": "i-1",
        "model": "m", "stream": "true", "n": "3", "list": '[1,"x"]', "agent_": "told", "x_own": "x",
    }  # fmt: skip


def test_points_that_say_there_is_no_value_are_neither_kept_nor_refused(told: Told) -> None:
    assert told.tell(gauge(number(None, no_value=True)), histogram(counted(0, 0, 0, no_value=True))) == {}
    assert told.outcome.rejected == []


@pytest.mark.parametrize(
    ("metric", "fault"),
    [
        (gauge(number(math.nan)), "tokens: value: NaN, infinite"),
        (gauge(number(math.inf)), "tokens: value: NaN, infinite"),
        (gauge(number(None)), "tokens: value: a number is expected"),
        (gauge(number(1, minute=6)), "tokens: time_unix_nano: more than 5 minutes in the future"),
        (gauge(number(1, minute=-32 * 1440)), "tokens: time_unix_nano: older than what is kept"),
        (gauge(number(1), name=""), ": metric: 1 to 200 characters"),
        (gauge(number(1), name="x" * 201), "metric: 1 to 200 characters"),
        (gauge(number(1), unit="u" * 51), "tokens: unit: 1 to 50 characters"),
        (gauge(number(1, attributes={f"a{n}": "x" for n in range(33)})), "tokens: tags: at most 32"),
        (gauge(number(1, attributes={"a": "x" * 1001})), "tokens: tags.a: at most 1000"),
        (gauge(number(1), of=resource(service_name="s" * 201)), "tokens: agent: 1 to 200"),
        (total(number(1), temporality=UNSPECIFIED), "tokens: aggregation_temporality"),
        (histogram(counted(1), temporality=UNSPECIFIED), "tokens: aggregation_temporality"),
        (histogram(counted(1, 2)), "tokens: bucket_counts: one more than the 2 bounds"),
        (histogram(counted(1, 2, 3, bounds=(2.0, 1.0))), "tokens: explicit_bounds"),
        (histogram(counted(1, 2, 3, bounds=(2.0, math.nan))), "tokens: explicit_bounds"),
        (histogram(counted(1, -2, 3)), "tokens: bucket_counts: negative"),
        (histogram(counted(1, 2, 3, count=5)), "tokens: bucket_counts: together 6, and count is 5"),
        (histogram(counted(1, 2, 3, added=math.nan)), "tokens: value: NaN"),
    ],
)
def test_data_points_that_are_not_kept_are_named(told: Told, metric: records.MetricRecord, fault: str) -> None:
    ((row, said),) = told.faults(gauge(number(1), name="good"), metric, gauge(number(2), name="good, too"))
    assert (row, len(told.made.drafts)) == (1, 2)
    assert fault in said


def test_an_integer_past_two_to_the_53_is_kept_and_flagged(told: Told) -> None:
    told.tell(total(number(2**60 + 1)))
    assert [row for row, _ in told.outcome.warnings] == [0]


def test_exemplars_lead_to_their_traces(told: Told) -> None:
    def exemplar(trace_id: str | None, minute: int = 0) -> records.Exemplar:
        return records.Exemplar((NOW_US + minute * MINUTE) * 1000, 812.0, trace_id, "b" * 16, {"user": "u"})

    told.tell(histogram(counted(0, 0, 1, exemplars=[exemplar("a" * 32), exemplar(None), exemplar("c" * 32, 99)])))
    (draft,) = told.made.exemplars
    assert (draft.shape.metric, draft.at_us, draft.value) == ("tokens", NOW_US, 812.0)
    assert (draft.trace_id, draft.span_id, draft.attributes) == ("a" * 32, "b" * 16, {"user": "u"})


def test_the_streams_of_two_senders_are_two(told: Told) -> None:
    metric = total(number(7, start=-1))
    told.tell(metric)
    assert told.tell(total(number(9, minute=1, start=-1), of=resource(service_name="other")))["tokens", ""] == [
        (-1, 0.0),
        (1, 9.0),
    ]
