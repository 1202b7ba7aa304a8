"""Steps of traces on their way in: checked, encoded, and those that are not kept named."""

import re
from collections.abc import Sequence

from sqlalchemy import select

from monitor.agents.registry import AgentRef, Registry
from monitor.agents.tables import Agent
from monitor.db import Database
from monitor.ids import from_microseconds
from monitor.ingest import values
from monitor.ingest.commit import Job
from monitor.ingest.payloads import Outcome
from monitor.ingest.values import Fault, Warn, Window
from monitor.principal import Principal
from monitor.runs.spans import SpanRow, rank, row_id
from monitor.runs.steps import Step
from monitor.signals import Touch

# A step brings its agent's `last_seen_at` up to date when that is older than this: not for every batch.
SEEN_US = 1_000_000
STEP_NAME_LIMIT = 1000
_TRACE, _SPAN = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")


async def job_of_steps(
    db: Database, registry: Registry, principal: Principal, steps: Sequence[Step], outcome: Outcome, window: Window
) -> Job:
    """A job of the steps that are good; the others are named in `outcome`, by their place in `steps`.

    Agents that steps name are registered, as by any other message. A step that names none gets one when its trace is
    assembled; but from a key that is bound to an agent, it is that agent's.
    """
    bound = principal.agent_id is not None
    own = await _own_name(db, principal) if bound else None
    rows: list[tuple[int, SpanRow]] = []
    for index, step in enumerate(steps):
        try:
            rows.append((index, span_row(step, step.agent or own, window, _Warnings(index, outcome))))
        except Fault as fault:
            outcome.reject(index, str(fault))
    names = {row.agent for _, row in rows if row.agent is not None}
    refs = await registry.resolve(principal.tenant_id, names, now=from_microseconds(window.now_us), register=not bound)
    job = Job(principal.tenant_id)
    for index, row in rows:
        ref = None if row.agent is None else refs[row.agent]
        if bound and not (isinstance(ref, AgentRef) and ref.id == principal.agent_id):
            outcome.reject(index, "403: this key is bound to another agent")
        elif isinstance(ref, str):
            outcome.reject(index, f"agent: {ref}")
        else:
            job.spans.append(row)
            if ref is not None and window.now_us - ref.seen_us > SEEN_US:
                ref.seen_us = window.now_us
                job.seen[ref.id] = (window.now_us, "span")
                job.touch(ref.id, int(Touch.LINE))
    outcome.accepted = len(job.spans)
    return job


async def _own_name(db: Database, principal: Principal) -> str | None:
    """What the agent of a bound key is called in payloads."""
    async with db.tenant(principal.tenant_id) as connection:
        query = select(Agent.external_id).where(Agent.tenant_id == principal.tenant_id, Agent.id == principal.agent_id)
        return (await connection.execute(query)).scalar()


class _Warnings:
    __slots__ = ("index", "outcome")

    def __init__(self, index: int, outcome: Outcome) -> None:
        self.index = index
        self.outcome = outcome

    def __call__(self, text: str) -> None:
        self.outcome.warnings.append((self.index, text))


def span_row(step: Step, agent: str | None, window: Window, warn: Warn) -> SpanRow:
    """The row of a step, `agent` being whose it is, if that is said. Raises Fault where it cannot be kept."""
    if _TRACE.fullmatch(step.trace_id) is None:
        raise Fault("trace_id: 32 hexadecimal digits are expected")
    if _SPAN.fullmatch(step.span_id) is None:
        raise Fault("span_id: 16 hexadecimal digits are expected")
    if step.parent_id is not None and _SPAN.fullmatch(step.parent_id) is None:
        raise Fault("parent_id: 16 hexadecimal digits are expected")
    started, ended = window.check(step.started_us, "started_at"), step.ended_us
    if ended is not None:
        if ended < started:
            raise Fault("ended_at: before started_at")
        window.check(ended, "ended_at")
    name = values.text(step.name, "name", warn, limit=STEP_NAME_LIMIT)
    if agent is not None:
        values.name(agent, "agent")
    service = None if step.service is None else values.name(step.service, "service")
    facts = values.body(step.facts, "facts", warn)
    attributes = values.body(step.attributes, "attributes", warn) if step.attributes else None
    events = values.body(step.events, "events", warn) if step.events else None
    links = values.body(step.links, "links", warn) if step.links else None
    kind, status = step.kind.value, step.status.value
    complete = rank(ended, step.parent_id, kind, name, status, agent, service, facts, attributes, events, links)
    return SpanRow(
        row_id(started, step.trace_id, step.span_id), step.trace_id, step.span_id, step.parent_id, kind, name, status,
        agent, service, facts, attributes, events, links, started, ended, window.now_us, complete,
    )  # fmt: skip
