"""The dashboard "usage": tokens and money, by model, agent, environment and workflow, and what budgets are left."""

from dashboards.layout import ANY_IS_BAD, ANY_IS_ODD, FAILURES, SPENDING, Column, Dashboard, Kind, Panel, Row
from dashboards.queries import usage as queries

_PAGE = "usage"
_ROWS = (
    Row(
        "In all",
        (
            Panel(
                title="Spent",
                description="Sum of what is known to have been spent on calls of models. Calls without a known price "
                "are not in it.",
                query=queries.SPENT,
                kind=Kind.NUMBERS,
                unit="currencyUSD",
                width=6,
                height=5,
                page=_PAGE,
            ),
            Panel(
                title="Calls of models",
                description="All calls, those that failed, and those that nobody knows the price of.",
                query=queries.CALLS,
                kind=Kind.NUMBERS,
                unit="short",
                width=12,
                height=5,
                columns=(Column("failed", steps=ANY_IS_BAD), Column("unpriced", steps=ANY_IS_ODD)),
            ),
            Panel(
                title="From the cache",
                description="The share of the tokens read that came from a provider's cache.",
                query=queries.CACHED,
                kind=Kind.GAUGE,
                unit="percentunit",
                width=6,
                height=5,
                greatest=1,
            ),
        ),
    ),
    Row(
        "Over time",
        (
            Panel(
                title="Tokens",
                description="Tokens read, cached ones included, and written, by the hour in which the call began.",
                query=queries.TOKENS_BY_HOUR,
                kind=Kind.BARS,
                unit="short",
                width=12,
                least="1h",
                page=_PAGE,
            ),
            Panel(
                title="Cost by model",
                description="What is known to have been spent, by model and by the hour in which the call began.",
                query=queries.COST_BY_MODEL,
                kind=Kind.BARS,
                unit="currencyUSD",
                width=12,
                least="1h",
                page=_PAGE,
            ),
            Panel(
                title="Failed calls",
                description="The share of calls of models that failed. Orange from 5 %, red from 20 %.",
                query=queries.FAILED_CALLS,
                kind=Kind.LINES,
                unit="percentunit",
                width=24,
                height=6,
                steps=FAILURES,
                least="1h",
                greatest=1,
            ),
        ),
    ),
    Row(
        "Who spends it",
        (
            Panel(
                title="Cost by agent",
                description="The 15 agents that cost most.",
                query=queries.BY_AGENT,
                kind=Kind.BAR_GAUGE,
                unit="currencyUSD",
                width=8,
                height=10,
            ),
            Panel(
                title="Cost by environment",
                description="What calls cost by the environment that they were made in, as agents tell it.",
                query=queries.BY_ENVIRONMENT,
                kind=Kind.BAR_GAUGE,
                unit="currencyUSD",
                width=8,
                height=10,
            ),
            Panel(
                title="Cost by workflow",
                description="The 15 workflows that cost most.",
                query=queries.BY_WORKFLOW,
                kind=Kind.BAR_GAUGE,
                unit="currencyUSD",
                width=8,
                height=10,
            ),
            Panel(
                title="Budgets",
                description="What is spent of each budget in its current period, in its own unit, tokens or dollars.",
                query=queries.BUDGETS,
                empty="No budgets",
                kind=Kind.TABLE,
                unit="short",
                width=24,
                columns=(Column("share", title="spent of it", unit="percentunit", steps=SPENDING, gauge=True),),
                page=_PAGE,
            ),
        ),
    ),
)

USAGE = Dashboard(
    slug="usage",
    title="Usage and cost",
    description="Tokens, calls and money by model, agent, environment and workflow, from sums by the hour.",
    rows=_ROWS,
)
