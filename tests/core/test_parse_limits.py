"""How deep and how wide a condition may be, its way to JSON and back, and garbage."""

from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.condition import (
    All,
    Any,
    Condition,
    ConditionError,
    HeartbeatLeaf,
    Not,
    StatusLeaf,
    leaves,
)
from alerts.core.parse import parse_condition, to_json
from alerts.core.terms import ExecutionStatus
from tests.core.strategies import conditions

Raw: TypeAlias = object

ERROR = StatusLeaf(ExecutionStatus.ERROR)


def nested(depth: int) -> Raw:
    raw: Raw = {"status": "error"}
    for _ in range(depth - 1):
        raw = {"not": raw}
    return raw


def test_eight_levels_are_the_deepest() -> None:
    assert leaves(parse_condition(nested(8))) == (ERROR,)
    with pytest.raises(ConditionError, match="nested deeper than 8 levels") as caught:
        parse_condition(nested(9))
    assert caught.value.path == "conditions" + ".not" * 8


def test_a_bottomless_condition_is_refused_as_any_deep_one() -> None:
    with pytest.raises(ConditionError, match="nested deeper"):
        parse_condition(nested(100_000))


def test_twenty_leaves_are_kept() -> None:
    raw = {"any": [{"status": "error", "consecutive_failures": index + 1} for index in range(20)]}
    assert len(leaves(parse_condition(raw))) == 20


def test_the_same_leaf_twice_is_read_once() -> None:
    assert leaves(Any((ERROR, Not(ERROR), All((ERROR, HeartbeatLeaf()))))) == (ERROR, HeartbeatLeaf())


@given(conditions)
def test_a_condition_survives_json_and_back(condition: Condition) -> None:
    assert parse_condition(to_json(condition)) == condition


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["status", "metric", "rate", "heartbeat", "schedule", "log", "all", "any", "not", "window", "by"]
            )
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(json_values)
def test_anything_else_is_a_condition_error_and_nothing_worse(raw: Raw) -> None:
    condition, path = None, "conditions"
    try:
        condition = parse_condition(raw)
    except ConditionError as error:
        path = error.path
    assert path.startswith("conditions")
    assert condition is None or parse_condition(to_json(condition)) == condition
