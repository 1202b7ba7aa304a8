"""Statements add up to the last decimal, whatever was used and however often it is corrected."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from monitor.usage.statement import Billed, LineKind, Terms, Used, corrected, statement, to_json

MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 7)]
money = st.integers(0, 10**16).map(lambda units: Decimal(units).scaleb(-10))
terms = st.builds(Terms, plan=st.just("pro"), price_usd=money, included_usd=money)


def used(agent: str, cost: Decimal, *, model: str = "m", unpriced: int = 0) -> Used:
    """What calls of an agent came to."""
    return Used(
        agent=agent, model=model, calls=2, unpriced=unpriced, input_tokens=10, output_tokens=1, cost_usd=cost
    )  # fmt: skip


@given(terms, st.lists(money, max_size=20))
def test_lines_add_up(of: Terms, costs: Sequence[Decimal]) -> None:
    made = statement(of, [used(f"a-{number}", cost) for number, cost in enumerate(costs)])
    assert made.usage_usd == sum(costs, Decimal(0))
    assert made.total_usd == of.price_usd + max(Decimal(0), made.usage_usd - of.included_usd)
    # As they are stored, too.
    assert sum((Decimal(to_json(line)["amount_usd"]) for line in made.lines), Decimal(0)) == made.total_usd
    assert made.counted("calls") == 2 * len(costs)


@given(terms, st.lists(money, min_size=2, max_size=6))
def test_after_any_corrections_what_was_billed_is_what_is_due(of: Terms, costs: Sequence[Decimal]) -> None:
    """The first month's cost becomes another one before each later statement: in the end its last one is paid."""
    month = MONTHS[0]
    first = statement(of, [used("a", costs[0])])
    paid, accounted = first.total_usd, first.usage_usd
    for cost in costs[1:]:
        billed = Billed(period_start=month, terms=of, usage_usd=accounted)
        later = statement(of, [], issued=[billed], costs={month: cost})
        more = corrected([to_json(line) for line in later.lines])
        accounted += more.get(month, Decimal(0))
        paid += later.total_usd - of.price_usd
    assert accounted == costs[-1]
    assert paid == of.price_usd + of.due(costs[-1])


def test_a_correction_says_of_which_month_and_by_how_much() -> None:
    of = Terms(plan="pro", price_usd=Decimal(20), included_usd=Decimal(5))
    billed = Billed(period_start=MONTHS[0], terms=of, usage_usd=Decimal(4))
    (_, line) = statement(of, [], issued=[billed], costs={MONTHS[0]: Decimal("7.5")}).lines
    assert to_json(line) == {
        "kind": "correction", "amount_usd": "2.5", "period_start": "2026-01-01T00:00:00+00:00", "usage_usd": "3.5",
    }  # fmt: skip


def test_a_month_whose_sums_are_gone_is_left_as_it_was_billed() -> None:
    billed = Billed(period_start=MONTHS[0], terms=Terms(plan="free"), usage_usd=Decimal(4))
    assert [line.kind for line in statement(Terms(plan="free"), [], issued=[billed]).lines] == [LineKind.PLAN]


def test_calls_without_a_price_are_said() -> None:
    (_, line) = statement(Terms(plan="free"), [used("a", Decimal(0), unpriced=2)]).lines
    assert to_json(line)["unpriced_calls"] == 2
