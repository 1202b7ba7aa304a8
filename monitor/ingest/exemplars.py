"""Exemplars on their way in: of single measurements, which trace they were made in."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.agents.registry import AgentRef
from monitor.ingest import values
from monitor.ingest.points import Shape
from monitor.principal import Principal
from monitor.series import exemplars
from monitor.series.exemplars import Exemplar

if TYPE_CHECKING:
    from monitor.ingest.service import Ingest

ID_LIMIT = 64


class ExemplarDraft(NamedTuple):
    """An exemplar whose agent is still a name. `shape`: metric and tags of what it was measured for."""

    shape: Shape
    at_us: int
    value: float
    trace_id: str
    span_id: str | None
    attributes: Mapping[str, Any]


async def keep(ingest: "Ingest", principal: Principal, drafts: Sequence[ExemplarDraft]) -> int:
    """Store those of agents that the sender may speak of, in a transaction of their own; returns how many. The same one
    again changes nothing. Raises DatabaseDown."""
    good = [draft for draft in drafts if math.isfinite(draft.value) and len(draft.trace_id) <= ID_LIMIT]
    if not good:
        return 0
    names = {draft.shape.agent for draft in good}
    now = ingest.deps.clock()
    bound = principal.agent_id
    refs = await ingest.registry.resolve(principal.tenant_id, names, now=now, register=bound is None)
    rows = []
    for draft in good:
        ref = refs[draft.shape.agent]
        if isinstance(ref, AgentRef) and bound in {None, ref.id}:
            attributes = values.details(dict(draft.attributes), lambda _text: None)
            rows.append(
                Exemplar(
                    ref.id, draft.shape.metric, draft.shape.tags, draft.at_us, draft.value,
                    draft.trace_id, draft.span_id, attributes,
                )
            )  # fmt: skip
    if rows:
        await exemplars.store(ingest.deps.db, principal.tenant_id, rows)
    return len(rows)
