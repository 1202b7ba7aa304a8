"""Which agents a rule applies to, and which points a `where` lets through."""

from collections.abc import Mapping
from dataclasses import dataclass

from alerts.core.condition import ConditionError
from alerts.core.fields import Fields
from alerts.core.labels import Labels


@dataclass(frozen=True, slots=True)
class Selector:
    """Agents of a type, agents that have all of these tags, or both."""

    agent_type: str | None = None
    tags: Labels = ()


def parse_selector(raw: object, path: str = "selector") -> Selector:
    """A selector from `{"agent_type": …, "tags": {…}}`. Raises ConditionError, also when empty."""
    fields = Fields(raw, path)
    fields.allow(("agent_type", "tags"))
    agent_type = fields.text("agent_type", at_most=200) if fields.has("agent_type") else None
    selector = Selector(agent_type, fields.pairs("tags"))
    if selector == Selector():
        raise ConditionError(path, "must name an agent_type or tags; leave it out for all agents")
    return selector


def selects(selector: Selector, *, agent_type: str | None, tags: Mapping[str, str]) -> bool:
    """Whether a selector means an agent of this type with these tags."""
    if selector.agent_type is not None and selector.agent_type != agent_type:
        return False
    return has_tags(selector.tags, tags)


def has_tags(wanted: Labels, tags: Mapping[str, str]) -> bool:
    """Whether all wanted pairs are among the tags: what a leaf's `where` asks of a point."""
    return all(tags.get(name) == value for name, value in wanted)
