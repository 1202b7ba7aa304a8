"""Exemplars on their way in: of single measurements, which trace they were made in."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from monitor.agents.registry import AgentRef
from monitor.ingest import values
from monitor.ingest.points import Shape
from monitor.ingest.privacy import Policy
from monitor.ingest.values import Fault
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
    again changes nothing. Attributes pass the tenant's rules as all others do. Raises DatabaseDown."""
    good = [draft for draft in drafts if math.isfinite(draft.value) and len(draft.trace_id) <= ID_LIMIT]
    if not good:
        return 0
    names = {draft.shape.agent for draft in good}
    now = ingest.deps.clock()
    bound = principal.agent_id
    refs = await ingest.registry.resolve(principal.tenant_id, names, now=now, register=bound is None)
    policy = await ingest.privacy.of(principal.tenant_id)
    rows = []
    for draft in good:
        ref = refs[draft.shape.agent]
        if isinstance(ref, AgentRef) and bound in {None, ref.id}:
            with contextlib.suppress(Fault):
                rows.append(_row(ref.id, draft, policy))
    if rows:
        await exemplars.store(ingest.deps.db, principal.tenant_id, rows)
    return len(rows)


def _row(agent_id: UUID, draft: ExemplarDraft, policy: Policy) -> Exemplar:
    """What is stored. Raises Fault for attributes that cannot be."""
    shape, span_id = draft.shape, draft.span_id
    attributes = values.details(policy.attributes(dict(draft.attributes)), lambda _text: None)
    return Exemplar(
        agent_id, shape.metric, shape.tags, draft.at_us, draft.value, values.clean(draft.trace_id),
        None if span_id is None else values.clean(span_id[:ID_LIMIT]), attributes,
    )  # fmt: skip
