"""Kleene logic of `all`, `any` and `not`, and a verdict for every condition and reading."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.core.condition import (
    All,
    Any,
    Condition,
    Leaf,
    Not,
    StatusLeaf,
)
from alerts.core.judge import judge
from alerts.core.labels import Labels
from alerts.core.reading import Reading
from alerts.core.terms import ExecutionStatus
from alerts.core.vocabulary import Phase, Verdict
from tests.core.judging import LONG_AGO, OK, A, B, U, seen, verdicts
from tests.core.strategies import START, conditions

P, Q, R = (StatusLeaf(ExecutionStatus.ERROR, streak) for streak in (1, 2, 3))
three = st.sampled_from(Verdict)


def value_of(condition: Condition, *given_verdicts: Verdict) -> Verdict:
    """The verdict on a condition whose leaves P, Q, R have these verdicts."""
    reads = {B: seen(9), OK: seen(0), U: Reading()}
    leaves = dict(zip((P, Q, R), given_verdicts, strict=False))
    return verdicts(condition, {leaf: {(): reads[verdict]} for leaf, verdict in leaves.items()})[()]


@given(three, three)
def test_kleene_tables(p: Verdict, q: Verdict) -> None:
    both = OK if OK in (p, q) else U if U in (p, q) else B
    either = B if B in (p, q) else U if U in (p, q) else OK
    assert value_of(All((P, Q)), p, q) is both
    assert value_of(Any((P, Q)), p, q) is either
    assert value_of(Not(P), p) is {B: OK, OK: B, U: U}[p]


@given(three, three, three)
def test_kleene_laws(p: Verdict, q: Verdict, r: Verdict) -> None:
    def same(left: Condition, right: Condition) -> bool:
        return value_of(left, p, q, r) is value_of(right, p, q, r)

    assert same(Not(All((P, Q))), Any((Not(P), Not(Q))))
    assert same(Not(Any((P, Q))), All((Not(P), Not(Q))))
    assert same(Not(Not(P)), P)
    assert same(All((P, Q, R)), All((All((R, Q)), P)))
    assert same(Any((P, Q, R)), Any((R, Any((Q, P)))))
    assert same(All((P, Any((Q, R)))), Any((All((P, Q)), All((P, R)))))


readings_of = st.builds(
    Reading,
    st.none() | st.floats(),
    st.integers(0, 5),
    st.none() | st.just(START - timedelta(seconds=100)),
    st.none() | st.just(timedelta(seconds=10)),
    st.booleans(),
)


@given(conditions, readings_of)
def test_every_condition_has_a_verdict_and_a_text_for_every_reading(condition: Condition, reading: Reading) -> None:
    class Everything(dict[Leaf, dict[Labels, Reading]]):
        def get(self, leaf: Leaf, default: object = None) -> dict[Labels, Reading]:
            return {(): reading}

    judged = judge(condition, Everything(), now=START, since=LONG_AGO, phases={A: Phase.FIRING})
    assert set(judged) == {(), A}
    for evaluation in judged.values():
        assert evaluation.detail
        assert evaluation.threshold
