"""Definitions of workflows: what is one, and what is wrong with what is none."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InvalidInput
from monitor.runs import graph


def test_steps_and_graphs_come_in_an_order_in_which_they_can_run() -> None:
    steps = [{"id": "c", "depends_on": ["a", "b"]}, {"id": "b", "depends_on": ["a"]}, {"id": "a", "agent": "akira"}]
    assert graph.check({"steps": steps}) == ["a", "b", "c"]
    nodes = [{"id": name} for name in "cba"]
    edges = [{"from": "a", "to": "c"}, {"from": "a", "to": "b"}, {"from": "b", "to": "c"}]
    assert graph.check({"nodes": nodes, "edges": edges, "layout": "any"}) == ["a", "b", "c"]
    assert graph.check({}) == []


@pytest.mark.parametrize(
    ("definition", "path", "words"),
    [
        ({"stages": []}, "definition", "steps, or nodes and edges"),
        ({"steps": {}}, "definition.steps", "list of objects"),
        ({"steps": ["a"]}, "definition.steps", "list of objects"),
        ({"steps": [{}]}, "definition.steps.0.id", "text"),
        ({"steps": [{"id": ""}]}, "definition.steps.0.id", "text"),
        ({"steps": [{"id": 1}]}, "definition.steps.0.id", "text"),
        ({"steps": [{"id": "a"}, {"id": "a"}]}, "definition.steps.1.id", "twice"),
        ({"steps": [{"id": "a", "depends_on": "b"}]}, "definition.steps.0.depends_on", "list"),
        ({"steps": [{"id": "a", "depends_on": ["b"]}]}, "definition.steps.0.depends_on", "no step 'b'"),
        ({"steps": [{"id": "a", "depends_on": [{}]}]}, "definition.steps.0.depends_on", "no step"),
        ({"steps": [{"id": "a", "depends_on": ["a"]}]}, "definition", "a, a"),
        ({"steps": [{"id": str(n)} for n in range(1001)]}, "definition.steps", "1000"),
        ({"nodes": [{"id": "a"}], "edges": [{"from": "a", "to": "b"}]}, "definition.edges.0.to", "no step 'b'"),
        ({"nodes": [{"id": "a"}], "edges": [{"to": "a"}]}, "definition.edges.0.from", "no step"),
        (
            {
                "nodes": [{"id": n} for n in "abcd"],
                "edges": [{"from": f, "to": t} for f, t in ("ab", "bc", "cb", "cd")],
            },
            "definition",
            "b, c, b",
        ),
    ],
)
def test_what_is_wrong_is_named(definition: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.check(definition)
    assert caught.value.path == path
    assert words in caught.value.message


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))))
def test_every_graph_is_ordered_or_has_a_circle_that_is_named(waits: dict[str, set[str]]) -> None:
    known = {name: before & waits.keys() for name, before in waits.items()}
    steps = [{"id": name, "depends_on": sorted(before)} for name, before in known.items()]
    try:
        order = graph.check({"steps": steps})
    except InvalidInput as fault:
        circle = fault.message.rpartition(": ")[2].split(", ")
        assert circle[0] == circle[-1]
        assert all(after in known[before] for before, after in pairwise(circle))
    else:
        assert sorted(order) == sorted(known)
        assert all(order.index(one) < order.index(name) for name, before in known.items() for one in before)
