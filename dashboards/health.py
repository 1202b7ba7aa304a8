"""The dashboard "health": what comes into Agent Monitor, what waits there, and what it cannot reach."""

from dashboards.layout import Column, Dashboard, Kind, Panel, Row
from dashboards.queries import health as queries

_BACKLOG = (("green", None), ("orange", 1_000), ("red", 10_000))
_ROWS = (
    Row(
        "Now",
        (
            Panel(
                title="Waiting",
                description="Work that is written down and not done yet. Numbers that stay high mean that a process is "
                "missing or too slow.",
                query=queries.BACKLOG,
                kind=Kind.NUMBERS,
                unit="short",
                width=12,
                height=5,
                steps=_BACKLOG,
            ),
            Panel(
                title="Rollups are behind",
                description="How long ago the last span ended that is summed up, by level. Two hours are usual for "
                "hours, a day and a half for days.",
                query=queries.BEHIND,
                kind=Kind.BAR_GAUGE,
                unit="s",
                width=12,
                height=5,
            ),
            Panel(
                title="What waits, and since when",
                description="The same by kind, with the age of the oldest.",
                query=queries.WAITING,
                empty="Nothing waits",
                kind=Kind.TABLE,
                unit="short",
                width=8,
                columns=(Column("oldest", unit="s"),),
            ),
            Panel(
                title="Outages",
                description="What Agent Monitor needs and could not reach. Without an end it goes on.",
                query=queries.OUTAGES,
                empty="No outages",
                kind=Kind.TABLE,
                unit="short",
                width=8,
                columns=(
                    Column("seen_at", title="last looked", unit="dateTimeFromNow"),
                    Column("began_at", title="began", unit="dateTimeFromNow"),
                    Column("ended_at", title="ended", unit="dateTimeFromNow"),
                ),
            ),
            Panel(
                title="Who does what only one may do",
                description="Leases: a process that does not renew its own in time loses it to another.",
                query=queries.LEASES,
                empty="Nobody holds a lease",
                kind=Kind.TABLE,
                unit="short",
                width=8,
                columns=(Column("expires in", unit="s", steps=(("red", None), ("green", 0))),),
            ),
        ),
    ),
    Row(
        "What comes in",
        (
            Panel(
                title="Executions and lines per minute",
                description="Rows of the log of the chosen tenant by the time of what they tell of.",
                query=queries.TAKEN_IN,
                kind=Kind.BARS,
                unit="cpm",
                width=12,
                least="1m",
            ),
            Panel(
                title="Points by hour",
                description="Points of all metrics of the chosen tenant in hours that are over, from rollups.",
                query=queries.POINTS,
                kind=Kind.BARS,
                unit="short",
                width=12,
                least="1h",
            ),
            Panel(
                title="Requests by day",
                description="Requests to the API in each day of UTC, by tenant.",
                query=queries.REQUESTS,
                kind=Kind.BARS,
                unit="short",
                width=24,
                least="1d",
            ),
        ),
    ),
)

HEALTH = Dashboard(
    slug="health",
    title="Ingest and health",
    description="Agent Monitor itself: what comes in, what waits to be done, what it cannot reach.",
    rows=_ROWS,
)
