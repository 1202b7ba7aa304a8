"""The dashboard "knowledge": searches in collections, how well what they find fits, and scores that are given."""

from dashboards.layout import ANY_IS_ODD, Column, Dashboard, Kind, Panel, Row
from dashboards.queries import knowledge as queries

_ROWS = (
    Row(
        "Searches",
        (
            Panel(
                title="Searches",
                description="Searches, by collection.",
                query=queries.SEARCHES,
                kind=Kind.BARS,
                unit="short",
                width=12,
            ),
            Panel(
                title="How long searches take",
                description="50th, 95th and 99th percentile, by nearest rank.",
                query=queries.SEARCH_TIMES,
                kind=Kind.LINES,
                unit="ms",
                width=12,
            ),
            Panel(
                title="Poor finds",
                description="The share of searches where nothing was found that fits by a half or more.",
                query=queries.POOR,
                kind=Kind.GAUGE,
                unit="percentunit",
                width=5,
                steps=(("green", None), ("orange", 0.2), ("red", 0.5)),
                greatest=1,
            ),
            Panel(
                title="Ratings",
                description="How people rated what was found.",
                query=queries.RATINGS,
                kind=Kind.NUMBERS,
                unit="short",
                width=5,
                columns=(Column("bad", steps=ANY_IS_ODD),),
            ),
            Panel(
                title="How well the best find fits",
                description="Searches by how well the best chunk fits, from 0 to 1 in tenths.",
                query=queries.BEST_SCORES,
                kind=Kind.HEATMAP,
                unit="none",
                width=14,
            ),
        ),
    ),
    Row(
        "What is there, and what people say",
        (
            Panel(
                title="Collections",
                description="Documents and chunks of each collection.",
                query=queries.COLLECTIONS,
                empty="No collections",
                kind=Kind.TABLE,
                unit="short",
                width=12,
            ),
            Panel(
                title="Scores",
                description="The mean of each score that evaluations and people give, of the 20 that are given most.",
                query=queries.SCORES,
                kind=Kind.LINES,
                unit="none",
                width=12,
            ),
        ),
    ),
)

KNOWLEDGE = Dashboard(
    slug="knowledge",
    title="Knowledge",
    description="Searches in collections: how many, how long, how well they fit; and scores of what agents do.",
    rows=_ROWS,
)
