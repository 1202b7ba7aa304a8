"""From the steps of one trace to its runs. Pure: the same steps, in whatever order, come to the same runs.

- An AGENT step is a task; a CALL that no task stands above makes its own, with the operation as its type.
- A TOOL step is a tool execution. One that stands in a call of the same tool is that call, told by another layer.
- The top-most WORKFLOW step is an execution, of which everything below it is part.
- A HANDOFF step is an interaction, and so is an agent that is invoked under another one (collaboration), unless a
  hand-over between the two is told.
- What is no line of the ledger, and why: see tree.py.

A step that has not ended is running, for as long as nobody says otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from monitor.ids import from_microseconds
from monitor.runs.model import Execution, Interaction, InteractionType, Runs, Task, ToolExecution
from monitor.runs.readings import count, dollars, ended, joined, run_status, tokens, tool_status, workflow_name
from monitor.runs.spans import row_id
from monitor.runs.steps import StepKind, StepStatus
from monitor.runs.tree import Node, Trace, tool_name
from monitor.usage.model import Call

_INTERACTIONS = {kind.value: kind for kind in InteractionType}


class Finished(NamedTuple):
    """A run of an agent that nobody else's run stands above, and that is over: an execution for its log."""

    task_id: UUID
    agent: str
    trace_id: str
    started_us: int
    ended_us: int
    failed: bool
    message: str | None


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a trace comes to. `waits`: a part of it waits for steps that may come yet."""

    runs: Runs
    finished: tuple[Finished, ...]
    waits: bool


def assemble(trace: Trace, agents: Mapping[str, UUID]) -> Assembled:
    """The runs of a trace. `agents`: ids by name; steps of agents that are not among them come to nothing."""
    return _Assembly(trace, agents).made()


class _Place(NamedTuple):
    """What a step passes on to those below it."""

    task: UUID | None
    conversation: str | None
    user: str | None
    environment: str | None
    version: str | None
    agent: str | None


_TOP = _Place(None, None, None, None, None, None)


class _Assembly:
    def __init__(self, trace: Trace, agents: Mapping[str, UUID]) -> None:
        self._trace = trace
        self._agents = agents
        self._places: dict[int, _Place] = {}
        self._ids: dict[int, UUID] = {}
        self._calls: list[Call] = []
        self._tools: dict[int, Node] = {}
        self._inner: dict[int, list[Node]] = {}
        self._tasks: list[tuple[UUID, Node, _Place]] = []
        self._executions: list[Execution] = []
        self._interactions: list[Interaction] = []
        self._finished: list[Finished] = []
        self._said = {(node.agent, to) for node, to in trace.handoffs.values()}

    def made(self) -> Assembled:
        """Everything; parents come before what stands below them."""
        for node in self._trace.nodes:
            place = self._settle(node)
            self._places[id(node)] = place
            if node.kind is StepKind.TOOL:
                if node.told is not None:
                    self._inner.setdefault(id(node.told), []).append(node)
                elif node.agent in self._agents:
                    self._tools[id(node)] = node
            elif node.kind is StepKind.WORKFLOW and node.workflow is node:
                self._executions.append(self._execution(node, place))
        models = self._models()
        tasks = tuple(self._task(task_id, node, above, models) for task_id, node, above in self._tasks)
        self._interactions += self._handed_over()
        tools = tuple(self._tool(node) for node in self._tools.values())
        runs = Runs(
            executions=tuple(self._executions), tasks=tasks, tools=tools, calls=tuple(self._calls),
            interactions=tuple(self._interactions),
        )  # fmt: skip
        return Assembled(runs, tuple(self._finished), self._trace.waits)

    def _id(self, node: Node) -> UUID:
        found = self._ids.get(id(node))
        if found is None:
            step = node.step
            found = self._ids[id(node)] = row_id(step.started_us, step.trace_id, step.span_id)
        return found

    def _settle(self, node: Node) -> _Place:
        """What holds at a step and below it. Makes the task and the call that it stands for."""
        above = _TOP if node.parent is None else self._places[id(node.parent)]
        facts, agent = node.step.facts, node.agent
        # A version is an agent's own; the one of another agent says nothing.
        version = facts.get("agent_version") or (above.version if agent == above.agent else None)
        place = _Place(
            above.task,
            facts.get("conversation") or above.conversation,
            facts.get("user") or above.user,
            facts.get("environment") or above.environment,
            version,
            agent,
        )
        acts = agent is not None and agent in self._agents
        if acts and (node.kind is StepKind.AGENT or (node.kind is StepKind.CALL and above.task is None)):
            place = place._replace(task=self._id(node))
            self._tasks.append((self._id(node), node, above))
            if node.kind is StepKind.AGENT:
                self._invoked(node, above)
        if acts and node.counts:
            self._calls.append(self._call(node, place))
        return place

    def _invoked(self, node: Node, above: _Place) -> None:
        """An agent's run: perhaps by another agent, perhaps over."""
        owner, step, agent = node.owner, node.step, node.agent or ""
        if owner is None:
            if step.ended_us is not None and not self._trace.is_going(node):
                failed = step.status is StepStatus.ERROR
                message = step.facts.get("error_message") if failed else None
                self._finished.append(
                    Finished(self._id(node), agent, step.trace_id, step.started_us, step.ended_us, failed, message)
                )
            return
        by = owner.agent
        if by is None or by == agent or by not in self._agents or (by, agent) in self._said:
            return
        self._interactions.append(self._interaction(node, by, agent, InteractionType.COLLABORATION, above.task))

    def _handed_over(self) -> Iterator[Interaction]:
        for node, to in self._trace.handoffs.values():
            if node.agent in self._agents and to in self._agents:
                task = self._places[id(node)].task
                yield self._interaction(node, node.agent or "", to, InteractionType.HANDOFF, task)

    def _interaction(self, node: Node, by: str, to: str, usual: InteractionType, task: UUID | None) -> Interaction:
        step = node.step
        return Interaction(
            id=self._id(node),
            from_agent_id=self._agents[by],
            to_agent_id=self._agents[to],
            interaction_type=_INTERACTIONS.get(step.facts.get("interaction", ""), usual),
            at=from_microseconds(step.started_us),
            execution_id=self._execution_id(node),
            task_id=task,
            message=step.facts.get("description"),
            payload=step.facts.get("arguments", step.facts.get("input")),
            trace_id=step.trace_id,
            span_id=step.span_id,
        )

    def _execution_id(self, node: Node) -> UUID | None:
        return None if node.workflow is None else self._id(node.workflow)

    def _execution(self, node: Node, place: _Place) -> Execution:
        step, facts = node.step, node.step.facts
        below = (one.step for one in self._trace.nodes if one.workflow is node and one is not node)
        going = [one for one in below if one.ended_us is None and one.kind is not StepKind.OTHER]
        current = max(going, key=lambda one: (one.started_us, one.span_id), default=None)
        return Execution(
            id=self._id(node),
            workflow_id=None,
            name=workflow_name(step),
            status=run_status(step),
            initiator=place.user,
            conversation=place.conversation,
            current_step=None if current is None or step.ended_us is not None else current.name,
            input=facts.get("input"),
            output=facts.get("output"),
            error_message=facts.get("error_message") if step.status is StepStatus.ERROR else None,
            started_at=from_microseconds(step.started_us),
            completed_at=ended(step),
            trace_id=step.trace_id,
            span_id=step.span_id,
        )

    def _task(self, task_id: UUID, node: Node, above: _Place, models: Mapping[UUID, Call]) -> Task:
        step, facts, place = node.step, node.step.facts, self._places[id(node)]
        failed = step.status is StepStatus.ERROR
        call = models.get(task_id)
        return Task(
            id=task_id,
            agent_id=self._agents[node.agent or ""],
            task_type=facts.get("task_type") or facts.get("operation") or node.kind.value,
            status=run_status(step),
            execution_id=self._execution_id(node),
            parent_task_id=above.task,
            conversation=place.conversation or (call.conversation if call else None),
            user=place.user or (call.user if call else None),
            description=facts.get("description") or step.name,
            input=facts.get("input"),
            output=facts.get("output"),
            error_type=facts.get("error_type") if failed else None,
            error_message=facts.get("error_message") if failed else None,
            traceback=facts.get("traceback") if failed else None,
            retry_count=count(facts.get("retries")),
            model=facts.get("model") or (call.model if call else None),
            agent_version=place.version or (call.agent_version if call else None),
            environment=place.environment or (call.environment if call else None),
            started_at=from_microseconds(step.started_us),
            completed_at=ended(step),
            trace_id=step.trace_id,
            span_id=step.span_id,
        )

    def _models(self) -> Mapping[UUID, Call]:
        """Of each task the call that says most of it: the one with the most tokens."""
        found: dict[UUID, Call] = {}
        for call in self._calls:
            if call.task_id is not None:
                before = found.get(call.task_id)
                if before is None or (before.tokens.total, before.id) < (call.tokens.total, call.id):
                    found[call.task_id] = call
        return found

    def _tool(self, node: Node) -> ToolExecution:
        step, place = node.step, self._places[id(node)]
        inner = self._inner.get(id(node))
        facts = step.facts if inner is None else joined(step, [one.step for one in inner])
        # Where the outer one says nothing of success, an inner one that failed does.
        silent = inner is not None and step.status is StepStatus.UNSET and step.ended_us is not None
        failed = [one.step for one in inner or () if silent and one.step.status is StepStatus.ERROR]
        return ToolExecution(
            id=self._id(node),
            agent_id=self._agents[node.agent or ""],
            tool_name=tool_name(step),
            status=tool_status(failed[0] if failed else step, facts),
            task_id=place.task,
            execution_id=self._execution_id(node),
            conversation=place.conversation,
            tool_type=facts.get("tool_type"),
            call_id=facts.get("tool_call_id"),
            mcp_server=facts.get("mcp_server"),
            mcp_instance=facts.get("mcp_instance"),
            parameters=facts.get("arguments"),
            result=facts.get("result"),
            error_message=facts.get("error_message"),
            error_code=facts.get("error_code") or facts.get("error_type"),
            started_at=from_microseconds(step.started_us),
            completed_at=ended(step),
            trace_id=step.trace_id,
            span_id=step.span_id,
        )

    def _call(self, node: Node, place: _Place) -> Call:
        step, facts = node.step, node.step.facts
        failed = step.status is StepStatus.ERROR
        return Call(
            id=self._id(node),
            agent_id=self._agents[node.agent or ""],
            model=facts.get("model") or facts.get("request_model"),
            tokens=tokens(facts),
            started_at=from_microseconds(step.started_us),
            completed_at=ended(step),
            task_id=place.task,
            execution_id=self._execution_id(node),
            conversation=place.conversation,
            user=place.user,
            workflow=None if node.workflow is None else workflow_name(node.workflow.step),
            provider=facts.get("provider"),
            operation=facts.get("operation"),
            failed=failed,
            error_message=facts.get("error_message") if failed else None,
            given_cost=dollars(facts.get("cost_usd")),
            time_to_first_token_ms=facts.get("time_to_first_token_ms"),
            agent_version=place.version,
            environment=place.environment,
            trace_id=step.trace_id,
            span_id=step.span_id,
        )
