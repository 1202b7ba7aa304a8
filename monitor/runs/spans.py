"""Steps as rows of `spans`: the SQL that stores them, in the caller's transaction.

A step may be told twice, and the second telling may be more complete, or less. Which one is kept must not depend on
the order in which they come: the one that has ended, then the one that says more (the longer encoded content), then
the one with the greater hash. All of that is in one number, the row's `rank`.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from monitor import arrays
from monitor.ids import uuid7_named
from monitor.pipeline import Pipeline, Statement

# A trace is touched only where a row was new or changed: what is told again costs no assembly.
_SPANS = Statement("""
WITH stored AS (
    INSERT INTO spans (tenant_id, id, trace_id, span_id, parent_id, kind, name, status, agent, service,
                       facts, attributes, events, links, started_at, ended_at, received_at, rank)
    SELECT :tenant::uuid, n.* FROM unnest(
        :ids::uuid[], :traces::text[], :spans::text[], :parents::text[], :kinds::text[], :names::text[],
        :statuses::text[], :agents::text[], :services::text[], :facts::jsonb[], :attributes::jsonb[], :events::jsonb[],
        :links::jsonb[], :started::timestamptz[], :ended::timestamptz[], :received::timestamptz[], :ranks::bigint[]
    ) AS n
    ON CONFLICT (tenant_id, id) DO UPDATE SET
        parent_id = excluded.parent_id, kind = excluded.kind, name = excluded.name, status = excluded.status,
        agent = excluded.agent, service = excluded.service, facts = excluded.facts, attributes = excluded.attributes,
        events = excluded.events, links = excluded.links, started_at = excluded.started_at,
        ended_at = excluded.ended_at, received_at = excluded.received_at, rank = excluded.rank
    WHERE excluded.rank > spans.rank
    RETURNING trace_id, received_at
)
INSERT INTO touched_traces (tenant_id, trace_id, due_at)
SELECT :tenant::uuid, trace_id, min(received_at) FROM stored GROUP BY trace_id
""")
_ENDED = 1 << 62
_LENGTH_BITS, _HASH_BITS = 24, 38


class SpanRow(NamedTuple):
    """One step, ready to store. Times are microseconds since the epoch; the four bodies are JSON."""

    id: UUID
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: str
    name: str
    status: str
    agent: str | None
    service: str | None
    facts: bytes
    attributes: bytes | None
    events: bytes | None
    links: bytes | None
    started_us: int
    ended_us: int | None
    received_us: int
    rank: int


def row_id(started_us: int, trace_id: str, span_id: str) -> UUID:
    """The id of a step's row, and of the task, call, tool execution or interaction that is made of it."""
    return uuid7_named(started_us, f"{trace_id}:{span_id}")


def rank(ended_us: int | None, *content: str | bytes | None) -> int:
    """How complete a telling of a step is: the greater one is kept. `content`: all that it says."""
    joined = b"\0".join(
        [b"" if part is None else part if isinstance(part, bytes) else part.encode() for part in content]
    )
    digest = hashlib.blake2b(joined + b"\0%d" % (ended_us or 0), digest_size=8).digest()
    length = min(len(joined), (1 << _LENGTH_BITS) - 1)
    tail = int.from_bytes(digest) & ((1 << _HASH_BITS) - 1)
    return (0 if ended_us is None else _ENDED) | length << _HASH_BITS | tail


def write_spans(pipeline: Pipeline, tenant_id: UUID, spans: Iterable[SpanRow]) -> None:
    """Store steps, each unless a fuller telling of it is there, and tell the assembler which traces changed."""
    kept: dict[UUID, SpanRow] = {}
    for span in spans:
        before = kept.get(span.id)
        if before is None or before.rank < span.rank:
            kept[span.id] = span
    # In order of their ids, so that two collectors with the same steps take turns.
    columns = tuple(zip(*sorted(kept.values()), strict=True))
    ids, traces, span_ids, parents, kinds, names, statuses, agents, services, *rest = columns
    facts, attributes, events, links, started, ended, received, ranks = rest
    pipeline.add(
        _SPANS,
        tenant=tenant_id,
        ids=arrays.uuids(ids),
        traces=arrays.texts(traces),
        spans=arrays.texts(span_ids),
        parents=arrays.texts(parents),
        kinds=arrays.texts(kinds),
        names=arrays.texts(names),
        statuses=arrays.texts(statuses),
        agents=arrays.texts(agents),
        services=arrays.texts(services),
        facts=arrays.jsonbs(facts),
        attributes=arrays.jsonbs(attributes),
        events=arrays.jsonbs(events),
        links=arrays.jsonbs(links),
        started=arrays.times_or_null(started),
        ended=arrays.times_or_null(ended),
        received=arrays.times_or_null(received),
        ranks=arrays.int8s_or_null(ranks),
    )
