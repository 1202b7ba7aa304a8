"""The dashboard "tenants": tenants beside each other, and how much of their quotas they use."""

from dashboards.health import HEALTH
from dashboards.layout import ANY_IS_ODD, SPENDING, Column, Dashboard, Kind, Panel, Row
from dashboards.queries import tenants as queries

_REQUESTS = next(panel for panel in HEALTH.panels if panel.title == "Requests by day")
_ROWS = (
    Row(
        "Quotas",
        (
            Panel(
                title="Tenants",
                description="How many tenants there are, by their standing. Deleted ones are not counted.",
                query=queries.TENANTS,
                kind=Kind.NUMBERS,
                unit="short",
                width=24,
                height=4,
                columns=(Column("suspended", steps=ANY_IS_ODD),),
            ),
            Panel(
                title="What is used of each quota",
                description="Agents now, requests since midnight and tokens since the first of the month, in UTC, "
                "against the tenant's own limit or its plan's. Without a limit there is no share.",
                query=queries.QUOTAS,
                kind=Kind.TABLE,
                unit="short",
                width=24,
                height=12,
                columns=(Column("share", title="used of it", unit="percentunit", steps=SPENDING, gauge=True),),
            ),
        ),
    ),
    Row(
        "Beside each other",
        (
            Panel(
                title="Agents by tenant",
                description="The 15 tenants with the most agents.",
                query=queries.AGENTS_BY_TENANT,
                kind=Kind.BAR_GAUGE,
                unit="short",
                width=12,
                height=9,
            ),
            Panel(
                title="Cost by tenant",
                description="The 15 tenants whose agents spent most on calls of models in the time shown.",
                query=queries.COST_BY_TENANT,
                kind=Kind.BAR_GAUGE,
                unit="currencyUSD",
                width=12,
                height=9,
            ),
            _REQUESTS,
        ),
    ),
)

TENANTS = Dashboard(
    slug="tenants",
    title="Tenants and quotas",
    description="Tenants beside each other: agents, requests, tokens and money, against their quotas.",
    rows=_ROWS,
)
