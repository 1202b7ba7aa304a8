"""The steps of one trace as a tree, whatever order they came in: whose each is, what it stands in, what it counts.

Parents may be missing, late, or go round in a circle. A step whose chain of parents ends at one that is not there
*hangs*: what stands above it may come yet. Nothing is guessed of a hanging step that came a moment ago (`fresh`):
where no name of an agent is known it waits, since its parent mostly ends, and is sent, after it.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from monitor.runs.steps import Facts, Step, StepKind, StepStatus

UNNAMED = "unknown_service"
"""Who did what nobody names: OpenTelemetry's own word for it."""

_AGENT, _CALL, _TOOL, _WORKFLOW = StepKind.AGENT, StepKind.CALL, StepKind.TOOL, StepKind.WORKFLOW
_HANDOFF, _OTHER = StepKind.HANDOFF, StepKind.OTHER
_ACTING = frozenset({_AGENT, _CALL, _TOOL, _HANDOFF})
# Calls of these two sorts never stand for each other.
_TEXT, _EMBEDDING = 1, 2
_SEPARATORS = re.compile(r"[\s_-]+")


class Node:
    """One step in its place.

    `agent`: the external id of whose it is; None where it waits or does nothing by itself. `owner`: the nearest AGENT
    above it, `workflow`: the top-most WORKFLOW at or above it. `told`: the step above that tells the same call of a
    tool from further out. `counts`: whether it is a line of the ledger.
    """

    __slots__ = (
        "agent", "called", "counts", "hangs", "kind", "owner", "parent", "spent", "spent_inside", "step", "told",
        "waits", "workflow",
    )  # fmt: skip

    def __init__(self, step: Step) -> None:
        self.step = step
        self.kind = step.kind
        self.parent: Node | None = None
        self.agent: str | None = None
        self.owner: Node | None = None
        self.workflow: Node | None = None
        self.told: Node | None = None
        self.hangs = self.waits = self.counts = self.spent = False
        # Sorts of calls below, down to the next agent or tool: any, and those that say what they took.
        self.called = self.spent_inside = 0


class Trace:
    """A trace's steps, each once, parents before what stands below them.

    `waits`: some of it is to be looked at again when it is no longer fresh.
    """

    def __init__(self, steps: Iterable[Step], *, fresh: Collection[str] = ()) -> None:
        """`fresh`: span ids of steps that came a moment ago."""
        self._nodes: dict[str, Node] = {}
        for step in steps:
            before = self._nodes.get(step.span_id)
            if before is None or _fullness(before.step) < _fullness(step):
                self._nodes[step.span_id] = Node(step)
        self._fresh = fresh
        self.nodes = self._ordered()
        self.waits = False
        tops: list[Node] = []
        for node in self.nodes:
            self._place(node, tops)
        if len(tops) == 1:
            self._gather(tops[0])
        self._caused = _caused(self.nodes)
        for caused in self._caused.values():
            _lengthen(caused)
        _count(self.nodes)
        self._known = {_plain(node.agent): node.agent for node in self.nodes if node.kind is _AGENT and node.agent}
        self.handoffs = self._handoffs()

    @property
    def agents(self) -> frozenset[str]:
        """Every agent that its runs speak of."""
        named = {node.agent for node in self.nodes if node.agent is not None and node.kind in _ACTING}
        return frozenset(named | {to for _, to in self.handoffs.values()})

    def is_fresh(self, node: Node) -> bool:
        """Whether it came a moment ago; whoever asks waits for it."""
        if node.step.span_id not in self._fresh:
            return False
        self.waits = True
        return True

    def is_going(self, node: Node) -> bool:
        """Whether an agent's run, though it ended, may turn out to be another one's or to go on."""
        caused = self._caused.get(id(node), ())
        return (node.hangs and self.is_fresh(node)) or any(self.is_fresh(one) for one in caused)

    def _ordered(self) -> list[Node]:
        """Parents first. A circle is cut above its earliest step."""
        nodes, order, done = self._nodes, [], set[str]()
        for start in nodes.values():
            path: list[Node] = []
            on_path: dict[str, int] = {}
            node: Node | None = start
            while node is not None and node.step.span_id not in done:
                place = on_path.get(node.step.span_id)
                if place is not None:
                    first = min(path[place:], key=lambda one: (one.step.started_us, one.step.span_id))
                    first.parent = None
                    at = path.index(first) + 1
                    # Whoever stands below the cut in the circle comes after it.
                    path = path[:place] + path[at:] + path[place:at]
                    break
                on_path[node.step.span_id] = len(path)
                path.append(node)
                parent_id = node.step.parent_id
                node.parent = None if parent_id is None else nodes.get(parent_id)
                node.hangs = parent_id is not None and node.parent is None
                node = node.parent
            for one in reversed(path):
                done.add(one.step.span_id)
                order.append(one)
        return order

    def _place(self, node: Node, tops: list[Node]) -> None:
        step, parent = node.step, node.parent
        node.agent = step.agent
        if parent is not None:
            node.hangs = parent.hangs
            node.owner = parent if parent.kind is _AGENT else parent.owner
            node.workflow = parent.workflow
            if node.agent is None:
                node.agent = parent.agent
            if node.kind is _TOOL:
                node.told = _outer(node)
        if node.kind is _WORKFLOW and node.workflow is None:
            node.workflow = node
            tops.append(node)
        if node.agent is None and node.kind in _ACTING:
            node.waits = node.hangs and self.is_fresh(node)
            if not node.waits:
                node.agent = step.service or UNNAMED

    def _gather(self, top: Node) -> None:
        """What hangs belongs to the one workflow that the trace tells of, but for what stands around that itself."""
        above: set[int] = set()
        node = top.parent
        while node is not None:
            above.add(id(node))
            node = node.parent
        for node in self.nodes:
            if node.workflow is not None or not node.hangs or id(node) in above:
                continue
            parent = node.parent
            if parent is None or parent.workflow is top:
                node.workflow = top

    def _handoffs(self) -> dict[str, tuple[Node, str]]:
        """Hand-overs that say to whom, by span id. Frameworks spell an agent's name as the name of a tool there."""
        found: dict[str, tuple[Node, str]] = {}
        for node in self.nodes:
            to = node.step.facts.get("handoff_to") if node.kind is _HANDOFF else None
            if not to or node.agent is None:
                continue
            known = self._known.get(_plain(to))
            if known is None and self.is_fresh(node):
                continue
            to = known or to
            if to != node.agent:
                found[node.step.span_id] = (node, to)
        return found


def _caused(nodes: Sequence[Node]) -> dict[int, list[Node]]:
    """Agents' steps that have no length, with what stands directly below them: an event told that they began."""
    found: dict[int, list[Node]] = {}
    for node in nodes:
        if node.kind is _AGENT and node.step.ended_us == node.step.started_us:
            found[id(node)] = [node]
        if node.parent is not None and id(node.parent) in found:
            found[id(node.parent)].append(node)
    return found


def _lengthen(caused: Sequence[Node]) -> None:
    """Such a run is over when the last of what it caused is; and failed where that is a call that did."""
    top = caused[0]
    last = max(caused, key=lambda one: (one.step.ended_us or 0, one is not top, one.step.span_id))
    if last is not top and last.step.ended_us is not None:
        top.step = replace(top.step, ended_us=max(last.step.ended_us, top.step.started_us))
        if last.kind is _CALL and last.step.status is StepStatus.ERROR:
            message = last.step.facts.get("error_message")
            facts = top.step.facts if message is None else Facts({**top.step.facts, "error_message": message})
            top.step = replace(top.step, status=StepStatus.ERROR, facts=facts)


def _outer(node: Node) -> Node | None:
    """The call of the same tool that this one stands in: a client's around a server's, a framework's around MCP's."""
    above = node.parent
    while above is not None and above.kind is _OTHER:
        above = above.parent
    if above is None or above.kind is not _TOOL:
        return None
    call_id = node.step.facts.get("tool_call_id")
    same = call_id is not None and above.step.facts.get("tool_call_id") == call_id
    return above.told or above if same or tool_name(above.step) == tool_name(node.step) else None


def tool_name(step: Step) -> str:
    """What the tool is called."""
    return step.facts.get("tool") or step.name


def has_usage(facts: Facts) -> bool:
    """Whether it says what was read, written or paid."""
    return bool(facts.get("input_tokens") or facts.get("output_tokens") or facts.get("cost_usd"))


def _count(nodes: Sequence[Node]) -> None:
    """Decide which steps are lines of the ledger, so that nothing is counted twice and nothing that was said is lost.

    A call within a call, with no tool or agent between, is the same call told by another layer: the inner ones count
    where they say what they took, else the outer one where it does. An agent counts only where it says what it took
    and no call of its own does.
    """
    below: dict[int, bool] = {}
    for node in reversed(nodes):
        if node.kind is _CALL or node.kind is _AGENT:
            node.spent = has_usage(node.step.facts)
        parent = node.parent
        if parent is None or node.kind is _AGENT:
            continue
        if below.get(id(node)) or (node.kind is _CALL and node.spent):
            below[id(parent)] = True
        if node.kind is _TOOL:
            continue
        parent.called |= node.called
        parent.spent_inside |= node.spent_inside
        if node.kind is _CALL:
            sort = _sort(node.step)
            parent.called |= sort
            if node.spent:
                parent.spent_inside |= sort
    covered: dict[int, int] = {}
    for node in nodes:
        parent = node.parent
        over = 0 if parent is None or node.kind is _TOOL or node.kind is _AGENT else covered.get(id(parent), 0)
        if node.kind is _CALL:
            sort = _sort(node.step)
            inside = node.spent_inside if node.spent else node.called
            node.counts = not inside & sort and (node.spent or not over & sort)
            if node.counts and node.spent:
                over |= sort
        elif node.kind is _AGENT:
            node.counts = node.spent and not below.get(id(node), False)
        if over:
            covered[id(node)] = over


def _sort(step: Step) -> int:
    return _EMBEDDING if "embed" in step.facts.get("operation", "") else _TEXT


def _plain(name: str) -> str:
    return _SEPARATORS.sub("_", name.casefold())


def _fullness(step: Step) -> tuple[Any, ...]:
    """Of two steps with one span id the greater is kept: the fuller one, and where none is fuller always the same."""
    ended = step.ended_us
    told = (step.kind, step.status, step.parent_id or "", step.agent or "", step.service or "")
    rest = (sorted(step.facts.items()), sorted(step.attributes.items()), step.events, step.links)
    return (ended is not None, ended or 0, len(step.facts), step.started_us, step.name, told, repr(rest))
