"""Conditions from JSON and back. Every fault is told with its path: `conditions.all[1].window: …`."""

from dataclasses import dataclass

from alerts.core.condition import All, Any, Condition, ConditionError, Not
from alerts.core.fields import Fields, check_list
from alerts.core.leaf_json import Json, leaf_to_json
from alerts.core.leaf_parse import BESIDE, COUNT_AT_MOST, LEAVES

MAX_DEPTH = 8
MAX_LEAVES = 20

_HEADS = (*LEAVES, "all", "any", "not")


@dataclass(slots=True)
class _Tally:
    leaves: int = 0


def parse_condition(raw: object, path: str = "conditions") -> Condition:
    """The condition that a JSON value stands for. Raises ConditionError with the path of the first fault."""
    return _parse(raw, path, depth=1, tally=_Tally())


def _parse(raw: object, path: str, *, depth: int, tally: _Tally) -> Condition:
    fields = Fields(raw, path)
    if depth > MAX_DEPTH:
        raise ConditionError(path, f"is nested deeper than {MAX_DEPTH} levels")
    head = _head(fields)
    if head in LEAVES:
        tally.leaves += 1
        if tally.leaves > MAX_LEAVES:
            raise ConditionError(path, f"a condition may have at most {MAX_LEAVES} leaves")
        return LEAVES[head](fields)
    fields.allow((head,))
    inner = fields.at(head)
    if head == "not":
        return Not(_parse(fields.require(head), inner, depth=depth + 1, tally=tally))
    # Not bounded here: the 21st leaf is refused under its own path.
    entries = check_list(fields.require(head), inner, at_most=COUNT_AT_MOST)
    children = tuple(
        _parse(entry, f"{inner}[{index}]", depth=depth + 1, tally=tally) for index, entry in enumerate(entries)
    )
    return All(children) if head == "all" else Any(children)


def _head(fields: Fields) -> str:
    """The one key that says which condition this is."""
    heads = [name for name in fields.raw if name in _HEADS]
    for head, beside in BESIDE.items():
        if head in heads:
            heads = [name for name in heads if name not in beside]
    if not heads:
        fields.allow(_HEADS)
        raise ConditionError(fields.path, f"must have one of the keys {', '.join(_HEADS)}")
    if len(heads) > 1:
        raise ConditionError(fields.at(heads[1]), f"cannot stand beside {heads[0]}; use all or any")
    return str(heads[0])


def to_json(condition: Condition) -> dict[str, Json]:
    """The JSON of a condition, defaults written out; `parse_condition` makes the same of it again."""
    match condition:
        case All(children):
            return {"all": [to_json(child) for child in children]}
        case Any(children):
            return {"any": [to_json(child) for child in children]}
        case Not(child):
            return {"not": to_json(child)}
        case _:
            return leaf_to_json(condition)
